"""All executions of a deployment, wherever they run: of this machine, of the node, of the cloud."""

from __future__ import annotations

from dataclasses import dataclass, replace

from garret.errors import GarretError, NodeFailed, UsageError
from garret.ops.automation import as_execution
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment
from garret.ops.execution import CANCELLED, HERE, NODE, Execution, now
from garret.ops.execution_files import ExecutionFiles
from garret.ops.executions import Node
from garret.ops.mirror import files_of
from garret.ops.tell import Teller


@dataclass(frozen=True)
class Found:
    """Executions, the newest first; `notes` say what could not be asked."""

    executions: list[Execution]
    notes: list[str]


def all_of(cloud: Cloud, deployment: Deployment, node: Node | None = None) -> Found:
    """All that is known; one call where the node does not run, and the node itself where it does."""
    notes = []
    try:
        (node or Node.of(cloud, deployment)).all()
    except UsageError as error:
        notes.append(f"{error.message}, and is shown as it was last seen")
    except GarretError as error:
        notes.append(f"the node cannot be asked, and is shown as it was last seen: {error.message}")
    cloudy, note = _in_the_cloud(cloud, deployment)
    found = files_of(deployment).all()
    if not any(one.place == NODE for one in found):
        notes = notes[1:]  # there is nothing that could be old
    whole = sorted([*found, *cloudy], key=lambda one: one.created_at, reverse=True)
    return Found(whole, [*notes, *note])


def _in_the_cloud(cloud: Cloud, deployment: Deployment) -> tuple[list[Execution], list[str]]:
    try:
        return [as_execution(one, deployment.name) for one in cloud.automation.executions(deployment.name)], []
    except GarretError as error:
        return [], [f"the cloud's own executions are not shown: {error.message}"]


def cloud_execution(cloud: Cloud, identifier: str) -> Execution:
    """One execution of the cloud's, with its tasks.

    Raises:
        UsageError: there is none of this id.
    """
    found = cloud.automation.get(identifier)
    if found is None:
        raise UsageError(f"there is no execution {identifier} in {cloud.region}", "garret ops executions")
    return as_execution(found, "", cloud.automation.tasks(identifier))


def wait_in_the_cloud(cloud: Cloud, identifier: str, tell: Teller) -> Execution:
    """Look on until one has ended that the cloud carries out; one that waits for its time is not waited for.

    Raises:
        UsageError: it is a schedule, which has no end.
        NodeFailed: it did not end well.
    """
    told = ""
    while True:
        one = cloud_execution(cloud, identifier)
        if one.ended:
            break
        if "next" in one.output:
            raise UsageError(f"{identifier} is a schedule; it goes on until it is ended", "garret ops schedule off")
        now = one.tasks[-1]["name"] if one.tasks else one.status
        if now != told:
            tell.stage(one.verb, "running", now)
            told = now
        cloud.clock.sleep(max(1.0, cloud.poll_s))
    if one.status != "Success":
        why = (one.error or {}).get("message") or "nobody said why"
        raise NodeFailed(f"{one.verb} {one.status.lower()}: {why}", f"garret ops executions show {identifier}")
    return one


def cancel_here(files: ExecutionFiles, identifier: str) -> Execution:
    """Leave word for one of this machine to stop; one whose process has gone is ended at once."""
    found = files.get(identifier)
    if found.place == HERE and (found.error or {}).get("died"):
        return files.save(replace(files.read(identifier), status=CANCELLED, ended_at=now(), error=None))
    if not found.ended:
        files.ask_to_cancel(identifier)
    return found
