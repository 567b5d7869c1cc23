"""After a restore: the node knows again what it knew at the backup, and is told what was changed since.

A password or token that was taken back must not open the service again, and its autostop must not go to sleep.
"""

from __future__ import annotations

from pathlib import Path

from garret.errors import GarretError, NotReady, OperationError
from garret.ops import autostop
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment, Login, flag
from garret.ops.endpoint import endpoint_at
from garret.ops.executions import Node
from garret.ops.rotate_password import IN_FORCE_S, LOOK_S, send
from garret.ops.tell import Teller
from garret.ops.wait_ready import READY_S, wait_ready

_EVENTS = ("restoring", "restored", "ready")


def picture_of(cloud: Cloud, deployment: Deployment, login: Login, path: Path, tell: Teller) -> Path:
    """Wait for a picture; a node that was brought back to an earlier login is told the present one.

    Raises:
        NotReady: there is none in time.
        OperationError: the node does not take this login.
    """
    endpoint = endpoint_at(login)
    try:
        return wait_ready(endpoint, path, cloud.clock, tell, READY_S)
    except NotReady:
        raise
    except OperationError:
        if not _was_brought_back(deployment) or endpoint.takes():
            raise
    tell.say("the backup has another login; the node is told the present one")
    send(Node.of(cloud, deployment).channel, login)
    began = cloud.clock.monotonic()
    while not endpoint.takes() and cloud.clock.monotonic() - began < IN_FORCE_S:
        cloud.clock.sleep(LOOK_S)
    return wait_ready(endpoint, path, cloud.clock, tell, READY_S)


def tell_autostop(deployment: Deployment, tell: Teller) -> None:
    """Tell the node when it stops itself, as it was told last; one that is too old for it is told of."""
    try:
        autostop.bring(deployment)
    except GarretError as error:
        again = f"garret ops autostop{flag(deployment.name)}"
        tell.say(f"its autostop is that of the backup ({error.message}); look at it: {again}")


def _was_brought_back(deployment: Deployment) -> bool:
    lines = [one["event"] for one in deployment.journal.entries() if one["event"] in _EVENTS]
    return bool(lines) and lines[-1] != "ready"
