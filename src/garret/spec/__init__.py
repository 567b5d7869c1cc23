"""What is wanted: one deployment as a frozen, strict record; no I/O but reading a garret.yaml, no environment.

The names below are loaded when they are first asked for: the record needs pydantic, whose import is most of what a
command that only looks may take.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from garret.spec.deployment import DeploymentSpec, parse_spec
    from garret.spec.fields import DEFAULT_INSTANCE_TYPE, FIELDS, SpecField, minutes
    from garret.spec.password import PASSWORD_SPECIALS, check_password
    from garret.spec.ranges import WHOLE_INTERNET

__all__ = [
    "DEFAULT_INSTANCE_TYPE",
    "FIELDS",
    "PASSWORD_SPECIALS",
    "WHOLE_INTERNET",
    "DeploymentSpec",
    "SpecField",
    "check_password",
    "minutes",
    "parse_spec",
]

_HOMES = {
    "deployment": ("DeploymentSpec", "parse_spec"),
    "fields": ("DEFAULT_INSTANCE_TYPE", "FIELDS", "SpecField", "minutes"),
    "password": ("PASSWORD_SPECIALS", "check_password"),
    "ranges": ("WHOLE_INTERNET",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"garret.spec.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
