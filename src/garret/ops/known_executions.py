"""All executions of a deployment, wherever they run: of this machine, of the node, of the cloud."""

from __future__ import annotations

from dataclasses import dataclass, replace

from garret.errors import GarretError, UsageError
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment
from garret.ops.execution import CANCELLED, HERE, NODE, Execution, now
from garret.ops.execution_files import ExecutionFiles
from garret.ops.executions import Node
from garret.ops.mirror import files_of


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
        notes.append(f"{error.message}: its executions are shown as they were last seen")
    except GarretError as error:
        notes.append(f"the node cannot be asked, its executions are shown as they were last seen: {error.message}")
    found = files_of(deployment).all()
    if not any(one.place == NODE for one in found):
        notes = notes[1:]  # there is nothing that could be old
    return Found(found, notes)


def cancel_here(files: ExecutionFiles, identifier: str) -> Execution:
    """Leave word for one of this machine to stop; one whose process has gone is ended at once."""
    found = files.get(identifier)
    if found.place == HERE and (found.error or {}).get("died"):
        return files.save(replace(files.read(identifier), status=CANCELLED, ended_at=now(), error=None))
    if not found.ended:
        files.ask_to_cancel(identifier)
    return found
