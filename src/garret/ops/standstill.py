"""A machine stopped for a moment, to be started again: its place is kept, and paid for meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from garret.ops.cloud import Cloud, Instance
from garret.ops.deployment import Deployment
from garret.ops.drain import drain
from garret.ops.power import wait_for_status
from garret.ops.tell import Teller


def stand_still(
    cloud: Cloud, deployment: Deployment, machine: Instance, tell: Teller, stop_here: Callable[[], None], *, now: bool
) -> None:
    """Let the node finish, unless `now`, and stop it with charging kept, for it is about to start again.

    Raises:
        Cancelled: somebody asked for that while the node was finishing.
    """
    if machine.status in ("Pending", "Starting"):
        machine = wait_for_status(cloud, machine.id, "Running")
    if machine.status == "Running":
        if not now:
            drain(cloud, deployment, tell, stop_here)
        tell.stage("machine", "running", f"stopping {machine.id}")
        cloud.instances.stop(machine.id, economical=False)
    wait_for_status(cloud, machine.id, "Stopped")
    tell.stage("machine", "done", "stopped")
