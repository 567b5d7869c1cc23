"""Frozen records as plain values: what `dataclasses.asdict` gives, which copies every text in them and takes long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

_ATOMS = (str, int, float, bool, type(None))


def plain(value: Any) -> Any:
    """Return a value with mappings in the places of records; what cannot change, all of it, is not copied."""
    kind: Any = type(value)
    if kind in _ATOMS:
        return value
    if names := _names(kind):
        return {name: plain(getattr(value, name)) for name in names}
    if kind in (tuple, list):
        return kind(plain(inner) for inner in value)
    return {key: plain(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind)) if is_dataclass(kind) else ()
