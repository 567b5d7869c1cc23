"""What it means to turn one deployment into another: field by field, from nothing to a new machine; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.spec import FIELDS, DeploymentSpec
from garret.spec.fields import Effect


@dataclass(frozen=True)
class Change:
    """One field that differs; `effect` is live, restart, replace or free."""

    field: str
    before: Any
    after: Any
    effect: Effect

    def __str__(self) -> str:
        return f"{self.field}: {shown(self.before)} → {shown(self.after)}"


def classify(before: DeploymentSpec, after: DeploymentSpec) -> tuple[Change, ...]:
    """Every field that differs, in the order of the fields, with what its change does to the node."""
    return tuple(
        Change(name, getattr(before, name), getattr(after, name), _effect(name, before, after))
        for name in DeploymentSpec.model_fields
        if getattr(before, name) != getattr(after, name)
    )


def as_it_stands(wish: DeploymentSpec, before: DeploymentSpec, standing: Mapping[str, Any]) -> DeploymentSpec:
    """The wish, where what it says newly is so already: the node was placed or started elsewhere than asked at first.

    `standing` are the fields of the place and type as they are.
    """
    same = {
        name: getattr(before, name) for name, value in standing.items()
        if value is not None and getattr(wish, name) == value != getattr(before, name)
    }  # fmt: skip
    return wish.model_copy(update=same) if same else wish


def shown(value: Any) -> str:
    """A field's value as a person writes it."""
    if value is None or value in ((), {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return str(value)


def _effect(name: str, before: DeploymentSpec, after: DeploymentSpec) -> Effect:
    if name == "disk_size_gib" and after.disk_size_gib < before.disk_size_gib:
        return "replace"  # a disk grows in place, and never shrinks
    return FIELDS[name].effect
