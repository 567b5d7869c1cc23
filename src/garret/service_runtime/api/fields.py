"""Reading one field of a JSON body: null means absent, the wrong type is named, nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.errors import BadRequest

Values = Mapping[str, Any]
_LARGEST = 2**64


def text(values: Values, name: str, default: str = "") -> str:
    """Return a text field."""
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise BadRequest(name, f"must be text, not {_kind(value)}")
    return value


def integer(values: Values, name: str, default: int) -> int:
    """Return a whole number; 20.0 is one, "20" and true are not."""
    value = values.get(name)
    if value is None:
        return default
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int):
        said = f"{value:.12g}" if isinstance(value, float) else _kind(value)
        raise BadRequest(name, f"must be a whole number, not {said}")
    # Whoever reckons with it turns it into a float or writes it into a database, and neither takes any number.
    if not -_LARGEST <= whole <= _LARGEST:
        raise BadRequest(name, "is beyond any number here")
    return whole


def number(values: Values, name: str, default: float) -> float:
    """Return a number."""
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadRequest(name, f"must be a number, not {_kind(value)}")
    try:
        return float(value)
    except OverflowError:
        raise BadRequest(name, "is beyond any number here") from None


def boolean(values: Values, name: str, default: bool) -> bool:
    """Return true or false."""
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(name, f"must be true or false, not {_kind(value)}")
    return value


def texts(values: Values, name: str) -> tuple[str, ...]:
    """Return a list of texts, empty when absent."""
    value = values.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise BadRequest(name, "must be a list of texts")
    return tuple(value)


def mapping(values: Values, name: str) -> dict[str, Any]:
    """Return a nested object, empty when absent."""
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(name, f"must be an object, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
