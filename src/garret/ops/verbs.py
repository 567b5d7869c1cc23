"""The verbs that are made of cloud calls, and where each one's code is; loaded when one is run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from garret.errors import UsageError

if TYPE_CHECKING:
    from garret.ops.work import Work

VERBS = {
    "run": "garret.ops.run_command:run",
    "ssh": "garret.ops.ssh_door:run",
    "tunnel": "garret.ops.ssh_door:run",
    "rotate-password": "garret.ops.rotate_password:run",
    "schedule": "garret.ops.schedule:run",
    "stop": "garret.ops.stop:run",
    "start": "garret.ops.start:run",
    "upload-model": "garret.ops.upload:run",
    "resize": "garret.ops.resize:run",
    "backup": "garret.ops.backup:run",
    "restore": "garret.ops.restore:run",
    "restart-service": "garret.ops.restart_service:run",
    "autostop": "garret.ops.autostop:run",
}
"""Verb to module:function; a function takes a Work and returns the execution's output, JSON values."""


def load(verb: str) -> Callable[[Work], dict[str, Any]]:
    """The function that carries a verb out.

    Raises:
        UsageError: there is no such verb, as in the record of a newer garret.
    """
    if verb not in VERBS:
        raise UsageError(f"there is no verb {verb!r} in this garret", "garret ops --help")
    module, _, name = VERBS[verb].partition(":")
    function: Callable[[Work], dict[str, Any]] = getattr(import_module(module), name)
    return function
