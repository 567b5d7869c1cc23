"""What stop and start share: the one machine of a deployment, and waiting for it."""

from __future__ import annotations

from garret.errors import NotReady, UsageError
from garret.ops.cloud import Cloud, Instance
from garret.ops.deployment import Deployment, flag

POWER_S = 600.0
STOPPED_FOR_A_WHILE = ("resizing", "restoring")
"""Lines of the journal before a stop that keeps the machine's place; `runs` says whether a start follows."""
_POWER = ("stopping", "starting", "ready")


def machine_of(cloud: Cloud, deployment: Deployment) -> Instance:
    """The deployment's machine; of two, as there are while one moves, the one that its stack names.

    Raises:
        UsageError: there is none.
    """
    machines = cloud.instances.tagged(deployment.name)
    if not machines:
        raise UsageError(
            f"{deployment.name} has no machine in {cloud.region}",
            f"garret status {deployment.name}; to make one: garret deploy{flag(deployment.name)}",
        )
    named = str(deployment.outputs.get("InstanceId") or "")
    return next((one for one in machines if one.id == named), machines[0])


def is_to_run(deployment: Deployment, machine: Instance) -> bool:
    """Say whether the machine runs, or ran until a verb that was cut off stopped it to start it again by itself."""
    if machine.status in ("Running", "Starting", "Pending"):
        return True
    power = [one for one in deployment.journal.entries() if one["event"] in (*STOPPED_FOR_A_WHILE, *_POWER)]
    return machine.stopped_mode != "StopCharging" and bool(power) and bool(power[-1].get("runs"))


def wait_for_status(cloud: Cloud, instance_id: str, wanted: str) -> Instance:
    """Wait until the machine has this status.

    Raises:
        NotReady: it has not, after ten minutes; or it is gone.
    """
    started = cloud.clock.monotonic()
    while True:
        machine = cloud.instances.get(instance_id)
        if machine is None:
            raise NotReady(f"machine {instance_id} is gone", "garret status")
        if machine.status == wanted:
            return machine
        waited = cloud.clock.monotonic() - started
        if waited > POWER_S:
            raise NotReady(
                f"machine {instance_id} is {machine.status}, not {wanted}, after {POWER_S:.0f} s", "garret status"
            )
        cloud.clock.sleep(cloud.pause(waited))
