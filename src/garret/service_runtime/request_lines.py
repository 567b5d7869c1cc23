"""A request as lines of name=value, for those who can only fill values into a text: OOS templates.

    garret request 1
    verb=download-model
    url=https://example.com/a.safetensors
    force:flag=true

Whoever writes the text writes every name exactly once. So a value that brings a line of its own makes a name appear
twice, or an unknown one, and is refused: no value can become another parameter, and none is ever read by a shell.
"""

from __future__ import annotations

import re
from typing import Any

FIRST_LINE = "garret request 1"
LARGEST = 24 << 10
_NAME = re.compile(r"([a-z][a-z0-9_]{0,39})(?::(flag|number))?")
_VERB = re.compile(r"[a-z][a-z0-9-]{0,39}")


class WrongRequest(ValueError):
    """The text is no request; says which line."""


def read_request(text: str) -> dict[str, Any]:
    """Return `verb` and `parameters`; a name without a value is left out.

    Raises:
        WrongRequest: names the line.
    """
    if len(text) > LARGEST:
        raise WrongRequest(f"it is longer than {LARGEST} characters")
    first, *lines = text.split("\n")
    if first != FIRST_LINE:
        raise WrongRequest(f"its first line is not {FIRST_LINE!r}")
    found: dict[str, Any] = {}
    for number, line in enumerate(lines, 2):
        if not line and number == len(lines) + 1:
            continue
        name, value = _line(line, number)
        if name in found:
            raise WrongRequest(f"line {number}: {name} is there twice")
        found[name] = value
    verb = found.pop("verb", "")
    if not isinstance(verb, str) or not _VERB.fullmatch(verb):
        raise WrongRequest(f"verb: {str(verb)[:40]!r} is none")
    return {"verb": verb, "parameters": {name: value for name, value in found.items() if value not in ("", None)}}


def _line(line: str, number: int) -> tuple[str, Any]:
    head, equals, text = line.partition("=")
    name = _NAME.fullmatch(head)
    if not equals or name is None:
        raise WrongRequest(f"line {number}: {line[:40]!r} is not name=value")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise WrongRequest(f"line {number}: {name[1]} holds a control character")
    if name[2] == "flag":
        if text not in ("", "true", "false"):
            raise WrongRequest(f"line {number}: {name[1]} is neither true nor false")
        return name[1], text == "true" if text else None
    if name[2] == "number":
        try:
            return name[1], float(text) if text else None
        except ValueError:
            raise WrongRequest(f"line {number}: {name[1]} is no number") from None
    return name[1], text
