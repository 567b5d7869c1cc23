"""Start: the machine comes back, and the verb ends when it has made a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from garret.errors import OperationError
from garret.ops import autostop, release
from garret.ops.after_restore import picture_of
from garret.ops.cloud import Cloud
from garret.ops.crash import Crash
from garret.ops.deployment import PICTURE_FILE, Deployment, flag
from garret.ops.keep_trying import keep_starting
from garret.ops.node_prices import tell_prices
from garret.ops.power import wait_for_status
from garret.ops.start_elsewhere import Allowed, Elsewhere, SoldOutAtStart
from garret.ops.tell import Teller
from garret.ops.work import Work

HERE = Allowed()


def run(work: Work) -> dict[str, Any]:
    """The verb `start`: `picture` is where the picture goes that proves it ready."""
    said = work.parameters.get("picture")
    return start(
        work.cloud, work.deployment, work.tell, work.crash, Path(said) if said else None,
        allowed=Allowed.said(work.parameters), keep_trying_min=int(work.parameters.get("keep_trying_min") or 0),
        stop_here=work.stop_here,
    )  # fmt: skip


def start(
    cloud: Cloud,
    deployment: Deployment,
    tell: Teller,
    crash: Crash,
    picture: Path | None = None,
    *,
    allowed: Allowed = HERE,
    keep_trying_min: int = 0,
    stop_here: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Start the machine, or another in its place as far as that is allowed; wait for a picture, and say where it is.

    With `keep_trying_min`, the cloud goes on trying by itself where there is none now: the state is then "trying".

    Raises:
        OperationError: no place that is allowed has a machine, or there is no picture in time; nothing is lost.
    """
    with deployment.journal.locked():
        login = deployment.login
        if login is None or not login.endpoint:
            raise OperationError(
                f"this machine has no token for {deployment.name}",
                f"finish it first: garret deploy{flag(deployment.name)}",
            )
        elsewhere = Elsewhere(cloud, deployment, tell, crash, allowed, stop_here)
        machine = elsewhere.take_up()
        changed = machine.status != "Running"
        if machine.status == "Stopping":
            machine = wait_for_status(cloud, machine.id, "Stopped")
        was = machine.status
        try:
            with release.held_back(cloud, machine):
                if was == "Stopped":
                    machine = elsewhere.start(machine)
        except SoldOutAtStart as sold_out:
            if not keep_trying_min:
                raise
            return _left_to_the_cloud(cloud, deployment, sold_out, keep_trying_min)
        if was == "Stopped":
            crash.point("start.sent")
            tell.stage("machine", "running", f"starting {machine.id}")
        machine = wait_for_status(cloud, machine.id, "Running")
        tell.stage("machine", "done", "running")
        path = picture or deployment.journal.folder / PICTURE_FILE
        picture_of(cloud, deployment, login, path, tell)
        deployment.journal.append("ready", picture=str(path), endpoint=login.endpoint)
        elsewhere.settle()
        autostop.bring(deployment)
        tell_prices(deployment)
        return {
            "name": deployment.name,
            "state": "running",
            "changed": changed,
            "endpoint": login.endpoint,
            "login": login.login,
            "instance_id": machine.id,
            "instance_type": machine.instance_type,
            "zone": machine.zone,
            "tried": elsewhere.tried,
            "picture": str(path),
            "price_per_hour": (deployment.plan or {}).get("price"),
        }


def _left_to_the_cloud(cloud: Cloud, deployment: Deployment, sold_out: SoldOutAtStart, minutes: int) -> dict[str, Any]:
    """Have the cloud go on trying, without any machine of ours; what there was to try is told."""
    begun = keep_starting(cloud, deployment, minutes)
    prices = (deployment.plan or {}).get("prices") or {}
    return {
        "name": deployment.name,
        "state": "trying",
        "changed": True,
        "why": sold_out.message,
        "instance_id": sold_out.instance_id,
        "tried": sold_out.tried,
        "minutes": begun["minutes"],
        "cloud_execution": begun["execution"],
        "price_per_hour": prices.get("stopped_per_hour"),
    }
