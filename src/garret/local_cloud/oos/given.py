"""The parameters of an execution: each of its declared type, within its limits, none missing, none unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError, invalid
from garret.local_cloud.oos.values import as_text, resolve

_KINDS: dict[str, tuple[type, ...]] = {
    "String": (str,), "Number": (int, float), "Boolean": (bool,), "List": (list,), "Json": (dict, list),
}  # fmt: skip


def parameters(declared: Mapping[str, Any], text: str, scope: Mapping[str, Any]) -> dict[str, Any]:
    """What an execution runs with: what was given as JSON, the defaults for the rest. ApiError names what is wrong."""
    try:
        given = json.loads(text or "{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise invalid("Parameters", "it is no JSON map")
    for name in given:
        if name not in declared:
            raise invalid("Parameters", f"the template has no parameter {name}; it has {', '.join(declared) or 'none'}")
    found = {}
    for name, about in declared.items():
        if name in given:
            found[name] = _checked(name, given[name], about)
        elif "Default" in about:
            found[name] = resolve(about["Default"], scope)
        else:
            raise ApiError("MissingParameter", f"The template's parameter {name} has no default and was not given.")
    return found


def _checked(name: str, value: Any, about: Mapping[str, Any]) -> Any:
    kind = about.get("Type", "String")
    if kind != "String" and isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise invalid(f"Parameters.{name}", f"{value!r} is no {kind}") from None
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind == "Number"):
        raise invalid(f"Parameters.{name}", f"{as_text(value)!r} is no {kind}")
    if "AllowedValues" in about and value not in about["AllowedValues"]:
        raise invalid(f"Parameters.{name}", f"{value!r} is none of {', '.join(map(as_text, about['AllowedValues']))}")
    if isinstance(value, str):
        if not int(about.get("MinLength", 0)) <= len(value) <= int(about.get("MaxLength", 1 << 20)):
            raise invalid(f"Parameters.{name}", f"it has {len(value)} characters")
        if "AllowedPattern" in about and not re.fullmatch(about["AllowedPattern"], value, re.DOTALL):
            raise invalid(f"Parameters.{name}", f"{value!r} does not match {about['AllowedPattern']}")
    return value
