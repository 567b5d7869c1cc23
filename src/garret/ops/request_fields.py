"""Fields of a request as they are typed: `hires.scale=2` becomes {"hires": {"scale": 2}}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from garret.errors import UsageError

FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_OWN = {"prompt": "the prompt itself", "n_iter": "--count", "batch_size": "--count"}


def read_fields(said: Iterable[str]) -> dict[str, Any]:
    """Return nested fields; a value that reads as JSON is that value, any other is text.

    Raises:
        UsageError: names what is no NAME=VALUE, or comes twice.
    """
    fields: dict[str, Any] = {}
    for text in said:
        name, equals, value = text.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise UsageError(f"--set: {text[:80]!r} is not NAME=VALUE", "--set hires.scale=2")
        if name in _OWN:
            raise UsageError(f"--set: {name} is said otherwise", f"Use {_OWN[name]}")
        _put(fields, name, _read(value))
    return fields


def merged(body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return a request's body with fields put into it, into its parts where both have some."""
    both = dict(body)
    for name, value in fields.items():
        inner = both.get(name)
        both[name] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def format_of(path: Path | None) -> str:
    """Return the picture format that a file's name asks for; a name without one is a PNG's.

    Raises:
        UsageError: the ending is that of another kind of file.
    """
    ending = path.suffix.lower() if path else ""
    if ending and ending not in FORMATS:
        raise UsageError(f"{path}: pictures are written as PNG, JPEG or WebP", "End the name in .png, .jpg or .webp")
    return FORMATS.get(ending, "png")


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    *parts, last = name.split(".")
    for part in parts:
        inner = fields.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set: {part} is said both whole and in parts", "Say it one way")
        fields = inner
    if last in fields:
        raise UsageError(f"--set: {name} is there twice", "Say it once")
    fields[last] = value


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
