"""One execution's record, the same for all verbs: who asked for what, how far it is, and how it ended."""

from __future__ import annotations

import getpass
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import garret.errors
from garret.errors import GarretError, OperationError

STARTED, QUEUED, RUNNING = "Started", "Queued", "Running"
SUCCESS, FAILED, CANCELLED = "Success", "Failed", "Cancelled"
ENDED = (SUCCESS, FAILED, CANCELLED)
HERE, NODE, CLOUD = "here", "node", "cloud"
"""Who carries an execution out: a process of this machine, the node, or the cloud itself."""
IDENTIFIER = re.compile(r"[0-9a-f]{32}")


def now() -> str:
    """The time as ISO 8601 text in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def asker() -> str:
    """Who asks: user@machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a bare container
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


@dataclass(frozen=True)
class Execution:
    """One verb's run. `parameters` never hold a secret; `needs` names the secrets that were handed over beside them.

    `once` says that the verb may be given again at any time and then does only what is missing.
    """

    verb: str
    deployment: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    place: str = HERE
    status: str = STARTED
    parameters: dict[str, Any] = field(default_factory=dict)
    requested_by: str = field(default_factory=asker)
    created_at: str = field(default_factory=now)
    started_at: str | None = None
    ended_at: str | None = None
    tasks: tuple[dict[str, Any], ...] = ()
    progress: dict[str, Any] = field(default_factory=lambda: {"done": 0, "total": None, "unit": "bytes"})
    output: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    cloud: str = ""
    region: str = ""
    needs: tuple[str, ...] = ()
    once: bool = True

    @property
    def ended(self) -> bool:
        """Say whether it is over."""
        return self.status in ENDED

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {**vars(self), "tasks": list(self.tasks), "needs": list(self.needs)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Execution:
        """Read what `to_dict` wrote, or a node's own record; what this version does not know is left out."""
        known = {one.name for one in fields(cls)}
        said = {name: value for name, value in values.items() if name in known}
        said["tasks"], said["needs"] = tuple(said.get("tasks") or ()), tuple(said.get("needs") or ())
        return cls(**{"deployment": "", **said})


def error_record(error: GarretError) -> dict[str, Any]:
    """An error as a record keeps it: `message` and `hint`, and all that makes it the same error again."""
    return {"type": type(error).__name__, **vars(error), "exit_code": error.exit_code}


def error_of(record: Mapping[str, Any]) -> GarretError:
    """The error that a record keeps, as it was raised."""
    kind = getattr(garret.errors, str(record.get("type")), OperationError)
    if not (isinstance(kind, type) and issubclass(kind, GarretError)):
        kind = OperationError
    error = kind.__new__(kind)
    error.args = (str(record.get("message") or "no reason was given"),)
    error.message, error.hint, error.billed = error.args[0], "", ""
    vars(error).update({name: value for name, value in record.items() if name not in ("type", "exit_code")})
    return error
