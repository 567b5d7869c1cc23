"""Answers, looked at before anything in them is believed."""

from __future__ import annotations

from typing import Any

from garret.client.errors import Unreadable


def table(value: object, what: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return an answer that has these names.

    Raises:
        Unreadable: it has not.
    """
    if not isinstance(value, dict) or not set(names) <= set(value):
        raise Unreadable(f"the service answered with something that is not {what}", "Is it another version of garret?")
    return value
