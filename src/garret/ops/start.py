"""Start: the machine comes back, and the verb ends when it has made a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from garret.errors import CloudError, OperationError
from garret.ops import autostop, release
from garret.ops.cloud import Cloud, Instance
from garret.ops.crash import Crash
from garret.ops.deployment import PICTURE_FILE, Deployment, flag
from garret.ops.endpoint import endpoint_at
from garret.ops.power import machine_of, wait_for_status
from garret.ops.tell import Teller
from garret.ops.wait_ready import wait_ready
from garret.ops.work import Work

READY_S = 900.0
_MONEY = ("InsufficientBalance", "InvalidAccountStatus", "Account.Arrearage", "InstanceExpired", "DiskInArrears")


def run(work: Work) -> dict[str, Any]:
    """The verb `start`: `picture` is where the picture goes that proves it ready."""
    said = work.parameters.get("picture")
    return start(work.cloud, work.deployment, work.tell, work.crash, Path(said) if said else None)


def start(
    cloud: Cloud, deployment: Deployment, tell: Teller, crash: Crash, picture: Path | None = None
) -> dict[str, Any]:
    """Start the machine, wait for a picture, and return where it answers."""
    with deployment.journal.locked():
        login = deployment.login
        if login is None or not login.endpoint:
            raise OperationError(
                f"this machine has no token for {deployment.name}",
                f"finish it first: garret deploy{flag(deployment.name)}",
            )
        machine = machine_of(cloud, deployment)
        changed = machine.status != "Running"
        if machine.status == "Stopping":
            machine = wait_for_status(cloud, machine.id, "Stopped")
        with release.held_back(cloud, machine):
            if machine.status == "Stopped":
                _ask(cloud, deployment, machine)
        if machine.status == "Stopped":
            crash.point("start.sent")
            tell.stage("machine", "running", f"starting {machine.id}")
        machine = wait_for_status(cloud, machine.id, "Running")
        tell.stage("machine", "done", "running")
        path = picture or deployment.journal.folder / PICTURE_FILE
        wait_ready(endpoint_at(login), path, cloud.clock, tell, READY_S)
        deployment.journal.append("ready", picture=str(path), endpoint=login.endpoint)
        autostop.bring(deployment)
        return {
            "name": deployment.name,
            "state": "running",
            "changed": changed,
            "endpoint": login.endpoint,
            "login": login.login,
            "instance_id": machine.id,
            "picture": str(path),
            "price_per_hour": (deployment.plan or {}).get("price"),
        }


def _ask(cloud: Cloud, deployment: Deployment, machine: Instance) -> None:
    deployment.journal.append("starting", instance_id=machine.id)
    try:
        cloud.instances.start(machine.id)
    except CloudError as error:
        if error.code == "IncorrectInstanceStatus":
            return  # somebody else was quicker; the wait says whether that helps
        raise _why_not(deployment, machine, error) from error


def _why_not(deployment: Deployment, machine: Instance, error: CloudError) -> OperationError:
    billed = "disk and address; the machine is not"
    if error.code == "OperationDenied.NoStock":
        return OperationError(
            f"zone {machine.zone} has no {machine.instance_type} left to start {machine.id} ({error.message})",
            f"try again later, or make another: garret deploy --name {deployment.name}-2 --zone …",
            billed=billed,
        )
    if error.code.startswith(_MONEY):
        return OperationError(
            f"{machine.id} cannot start: {error.message}", "top up the account, then try again", billed=billed
        )
    return error
