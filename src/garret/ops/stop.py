"""Stop: the machine stops, and with StopCharging its bill; then the cloud is asked whether it truly did."""

from __future__ import annotations

from typing import Any

from garret.errors import OperationError
from garret.ops.cloud import Cloud, Instance
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, flag
from garret.ops.failure import billed_text
from garret.ops.power import machine_of, wait_for_status
from garret.ops.tell import Teller
from garret.ops.work import Work


def run(work: Work) -> dict[str, Any]:
    """The verb `stop`: parameters are `economical`."""
    economical = bool(work.parameters.get("economical", True))
    return stop(work.cloud, work.deployment, work.tell, work.crash, economical=economical)


def stop(
    cloud: Cloud, deployment: Deployment, tell: Teller, crash: Crash, *, economical: bool = True
) -> dict[str, Any]:
    """Stop the machine and say what is still billed.

    Raises:
        OperationError: the cloud stopped the machine and goes on charging for it, unasked.
    """
    with deployment.journal.locked():
        machine = machine_of(cloud, deployment)
        changed = machine.status != "Stopped"
        if machine.status in ("Pending", "Starting"):
            machine = wait_for_status(cloud, machine.id, "Running")
        if machine.status == "Running":
            deployment.journal.append("stopping", instance_id=machine.id, economical=economical)
            cloud.instances.stop(machine.id, economical=economical)
            crash.point("stop.sent")
            tell.stage("machine", "running", f"stopping {machine.id}")
        machine = wait_for_status(cloud, machine.id, "Stopped")
        tell.stage("machine", "done", f"stopped, {machine.stopped_mode or 'no word on charging'}")
        return _result(cloud, deployment, machine, economical=economical, changed=changed)


def _result(
    cloud: Cloud, deployment: Deployment, machine: Instance, *, economical: bool, changed: bool
) -> dict[str, Any]:
    billed = cloud.network.billed(deployment.name)
    charged = machine.stopped_mode != "StopCharging"
    if economical and charged:
        how = "the cloud goes on charging for it" if changed else "it was stopped earlier, with charging kept"
        raise OperationError(
            f"machine {machine.id} is stopped, but {how} (StoppedMode {machine.stopped_mode or 'unknown'})",
            f"garret ops start{flag(deployment.name)}, then garret ops stop; or garret delete {deployment.name}",
            billed=f"machine {machine.id}; {billed_text(billed)}",
        )
    return {
        "name": deployment.name,
        "state": "stopped",
        "changed": changed,
        "instance_id": machine.id,
        "stopped_mode": machine.stopped_mode,
        "billed": [*([f"instance {machine.id}"] if charged else []), *map(str, billed)],
    }
