"""What the vendor says of resource types: their properties with their rules, and their attributes (see README.md)."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from garret.local_cloud.ros import errors

OUTPUTS = "Outputs."


@dataclass(frozen=True)
class Rule:
    """One property's rule; `kind` is string, number, boolean, list, map or any."""

    kind: str = "any"
    required: bool = False
    allowed: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    items: "Rule | None" = None
    keys: Mapping[str, "Rule"] = field(default_factory=dict)
    legacy: bool = False


@dataclass(frozen=True)
class Facts:
    """One resource type."""

    name: str
    properties: Mapping[str, Rule]
    attributes: tuple[str, ...]

    def has_attribute(self, attribute: str) -> bool:
        """Whether Fn::GetAtt may ask for it; of a nested stack, any output."""
        if f"{OUTPUTS}*" in self.attributes and attribute.startswith(OUTPUTS):
            return bool(attribute.removeprefix(OUTPUTS).strip())
        return attribute in self.attributes


def read_facts(name: str) -> Any:
    """One of this folder's JSON files."""
    return json.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))


@functools.cache
def all_facts() -> Mapping[str, Facts]:
    """Every resource type that templates may use, by name."""
    return {
        name: Facts(
            name, {key: _rule(rule) for key, rule in body["properties"].items()}, tuple(sorted(body["attributes"]))
        )
        for name, body in sorted(read_facts("resource_types.json").items())
    }


def _rule(body: Mapping[str, Any]) -> Rule:
    return Rule(
        kind=body["type"],
        required=body.get("required", False),
        allowed=tuple(body.get("allowed", ())),
        minimum=body.get("min"),
        maximum=body.get("max"),
        min_length=body.get("min_length"),
        max_length=body.get("max_length"),
        pattern=body.get("pattern"),
        items=_rule(body["items"]) if "items" in body else None,
        keys={key: _rule(rule) for key, rule in body.get("keys", {}).items()},
        legacy=body.get("legacy", False),
    )


def facts_of(name: str, where: str) -> Facts:
    """The type of this name; one that is not emulated is refused by name."""
    if name not in all_facts():
        raise errors.not_emulated(f"the resource type {name} ({where}); it has {', '.join(all_facts())}")
    return all_facts()[name]
