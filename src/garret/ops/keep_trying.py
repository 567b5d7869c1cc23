"""Keep trying to start a machine from the cloud's side: it goes on when this machine is off, and ends by itself."""

from __future__ import annotations

import uuid
from typing import Any

from garret.errors import UsageError
from garret.ops.automation import KEEP_STARTING, active, begin, end, end_tries
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment
from garret.ops.tell import Teller

LONGEST_MIN = 24 * 60


def keep_starting(cloud: Cloud, deployment: Deployment, minutes: int) -> dict[str, Any]:
    """Let the cloud try to start the deployment's machine for so many minutes; joined when it does so already.

    Whoever stops the machine ends it (`end_keep_starting`); it ends by itself once the machine runs.

    Raises:
        UsageError: that is no time.
    """
    if not 1 <= minutes <= LONGEST_MIN:
        raise UsageError(f"--keep-trying: {minutes} min is not within 1 min and 24 h", "--keep-trying 30m")
    running = active(cloud, deployment, KEEP_STARTING)
    if running:
        return {"execution": running[0].id, "minutes": minutes, "joined": True}
    from garret.templates.oos.parts import as_json
    from garret.templates.oos.schedule import keep_starting as template

    given = {"deployment": deployment.name}
    id = begin(cloud, deployment, KEEP_STARTING, as_json(template(minutes)), given, token=uuid.uuid4().hex)
    deployment.journal.append("automation", kind=KEEP_STARTING, execution=id, minutes=minutes)
    return {"execution": id, "minutes": minutes, "joined": False}


def end_keep_starting(cloud: Cloud, deployment: Deployment, tell: Teller) -> None:
    """Let the cloud start it no more: somebody wants it stopped."""
    for one in [*end(cloud, deployment, tell, KEEP_STARTING), *end_tries(cloud, deployment, tell)]:
        tell.say(f"the cloud no longer tries to start it (execution {one.id})")
