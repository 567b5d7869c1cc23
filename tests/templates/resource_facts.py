"""Compares a template with what is known of the resource types it uses; see templates/checks/resource_types.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from garret.templates.checks import properties

TYPES: dict[str, dict[str, Any]] = json.loads((Path(properties.__file__).parent / "resource_types.json").read_text())[
    "types"
]
_PYTHON_TYPES = {"string": str, "number": (int, float), "boolean": bool, "map": dict, "list": list, "any": object}


def contradictions(template: dict[str, Any]) -> list[str]:
    """Everything in the resources and outputs that the facts contradict."""
    return [*_in_resources(template), *_in_attributes(template)]


def _in_resources(template: dict[str, Any]) -> Iterator[str]:
    for name, body in template["Resources"].items():
        facts = TYPES.get(body["Type"])
        if facts is None:
            yield f"{name}: no facts about {body['Type']}"
            continue
        yield from _in_mapping(name, body.get("Properties", {}), facts["properties"])


def _in_mapping(where: str, values: dict[str, Any], facts: dict[str, Any]) -> Iterator[str]:
    for key, fact in facts.items():
        if fact.get("required") and key not in values:
            yield f"{where}: {key} is required"
    for key, value in values.items():
        if key not in facts:
            yield f"{where}: {key} is not a property"
        else:
            yield from _in_value(f"{where}.{key}", value, facts[key])


def _in_value(where: str, value: Any, fact: dict[str, Any]) -> Iterator[str]:
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
        return  # known only to the cloud
    wanted = _PYTHON_TYPES[fact["type"]]
    if not isinstance(value, wanted) or (fact["type"] == "number" and isinstance(value, bool)):
        yield f"{where}: {value!r} is not a {fact['type']}"
        return
    if "allowedValues" in fact and value not in fact["allowedValues"]:
        yield f"{where}: {value!r} is not one of {fact['allowedValues']}"
    if "pattern" in fact and not re.search(fact["pattern"].replace("\\/", "/"), value):
        yield f"{where}: {value!r} does not match {fact['pattern']}"
    for kind, measure in (("range", value), ("length", value)):
        limits = fact.get(kind)
        if limits:
            size = measure if kind == "range" else len(measure)
            if not limits.get("min", size) <= size <= limits.get("max", size):
                yield f"{where}: {kind} {size} is outside {limits}"
    if fact["type"] == "list" and "items" in fact:
        for index, item in enumerate(value):
            yield from _in_value(f"{where}.{index}", item, fact["items"])
    if fact["type"] == "map" and "properties" in fact:
        yield from _in_mapping(where, value, fact["properties"])


def _in_attributes(value: Any, template: dict[str, Any] | None = None) -> Iterator[str]:
    template = template or value
    if isinstance(value, dict):
        asked = value.get("Fn::GetAtt")
        if asked is not None:
            kind = template["Resources"].get(asked[0], {}).get("Type", "nothing")
            if asked[1] not in TYPES.get(kind, {}).get("attributes", ()):
                yield f"{kind} has no attribute {asked[1]}"
        for child in value.values():
            yield from _in_attributes(child, template)
    elif isinstance(value, list):
        for child in value:
            yield from _in_attributes(child, template)
