"""Restart-service: the service on the node begins anew, and the verb ends when it has made a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from garret.errors import NodeFailed, OperationError, UsageError
from garret.ops.channels.cloud_assistant import CloudAssistantChannel
from garret.ops.deployment import PICTURE_FILE, flag
from garret.ops.drain import drain
from garret.ops.endpoint import endpoint_at
from garret.ops.power import machine_of
from garret.ops.wait_ready import wait_ready
from garret.ops.work import Work

COMMAND = "systemctl restart garret.service"
RESTART_S = 120
READY_S = 600.0


def run(work: Work) -> dict[str, Any]:
    """The verb `restart-service`: `now` for not waiting until the node has finished what it does.

    Raises:
        UsageError: the node does not run.
        NodeFailed: the node refuses; its own words.
    """
    cloud, deployment = work.cloud, work.deployment
    with deployment.journal.locked():
        login = deployment.login
        if login is None or not login.endpoint:
            raise OperationError(
                f"this machine has no token for {deployment.name}",
                f"finish it first: garret deploy{flag(deployment.name)}",
            )
        machine = machine_of(cloud, deployment)
        if machine.status != "Running":
            raise UsageError(
                f"{deployment.name} is {machine.status.lower()}", f"garret ops start{flag(deployment.name)}"
            )
        if not work.parameters.get("now"):
            drain(cloud, deployment, work.tell, work.stop_here)
        with work.task("service", "restarting"):
            deployment.journal.append("restarting", instance_id=machine.id)
            done = CloudAssistantChannel(cloud.assistant, machine.id).run(COMMAND, timeout_s=RESTART_S)
            if done.exit_code != 0:
                said = done.output.strip() or done.error or done.status
                raise NodeFailed(f"{COMMAND}: {said[-500:]}", f"garret logs{flag(deployment.name)} --service")
        picture = deployment.journal.folder / PICTURE_FILE
        wait_ready(endpoint_at(login), Path(picture), cloud.clock, work.tell, READY_S)
        deployment.journal.append("ready", picture=str(picture), endpoint=login.endpoint)
    return {
        "name": deployment.name,
        "state": "running",
        "endpoint": login.endpoint,
        "instance_id": machine.id,
        "picture": str(picture),
    }
