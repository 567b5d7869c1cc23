"""Stop: the machine stops, and with StopCharging its bill; then the cloud is asked whether it truly did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from garret.errors import OperationError
from garret.ops import release
from garret.ops.at_once import at_once
from garret.ops.cloud import Cloud, Instance
from garret.ops.cost import rates_of
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, flag
from garret.ops.drain import drain
from garret.ops.failure import billed_text
from garret.ops.keep_trying import end_keep_starting
from garret.ops.power import machine_of, wait_for_status
from garret.ops.prices import HOURS_PER_MONTH
from garret.ops.tell import Teller
from garret.ops.work import Work


def run(work: Work) -> dict[str, Any]:
    """The verb `stop`: `economical`, and `now` for not waiting until the node has finished what it does."""
    economical, now = bool(work.parameters.get("economical", True)), bool(work.parameters.get("now"))
    return stop(
        work.cloud, work.deployment, work.tell, work.crash, economical=economical, now=now, stop_here=work.stop_here
    )


def stop(
    cloud: Cloud,
    deployment: Deployment,
    tell: Teller,
    crash: Crash,
    *,
    economical: bool = True,
    now: bool = False,
    stop_here: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Let the node finish what it does, stop the machine, and say what is still billed.

    Raises:
        OperationError: the cloud stopped the machine and goes on charging for it, unasked.
        Cancelled: somebody asked for that while the node was finishing.
    """
    with deployment.journal.locked():
        end_keep_starting(cloud, deployment, tell)
        machine = machine_of(cloud, deployment)
        changed = machine.status != "Stopped"
        if machine.status in ("Pending", "Starting"):
            machine = wait_for_status(cloud, machine.id, "Running")
        running = machine.status == "Running"
        if running and not now and drain(cloud, deployment, tell, stop_here, then_stop=economical):
            # This machine may have slept while it waited; then the node has stopped itself.
            machine = machine_of(cloud, deployment)
        if machine.status == "Running":
            deployment.journal.append("stopping", instance_id=machine.id, economical=economical)
            cloud.instances.stop(machine.id, economical=economical)
            crash.point("stop.sent")
            tell.stage("machine", "running", f"stopping {machine.id}")
        machine = wait_for_status(cloud, machine.id, "Stopped")
        tell.stage("machine", "done", f"stopped, {machine.stopped_mode or 'no word on charging'}")
        at = release.set_after_stop(cloud, deployment, machine)
        facts = _result(cloud, deployment, machine, economical=economical, changed=changed)
        return facts | ({"release_at": at} if at else {})


def _result(
    cloud: Cloud, deployment: Deployment, machine: Instance, *, economical: bool, changed: bool
) -> dict[str, Any]:
    billed, rates = at_once(lambda: cloud.network.billed(deployment.name), lambda: rates_of(cloud, deployment))
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
        "billed_per_month": _per_month(cloud, rates, charged=charged),
    }


def _per_month(cloud: Cloud, rates: tuple[float, float, str] | None, *, charged: bool) -> dict[str, Any] | None:
    """What is paid for a month of being stopped so; None where nobody knows the prices."""
    if rates is None:
        return None
    running, stopped, currency = rates
    price = cloud.price(((running if charged else stopped) * HOURS_PER_MONTH, currency))
    return price.to_dict() if price else None
