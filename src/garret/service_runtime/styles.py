"""Styles: words kept under a name, put around a prompt's; from `styles.csv` and `styles.json` among the models.

The first is A1111's file (name,prompt,negative_prompt), the second the list of objects with the same three names that
collections of SDXL styles are handed on as. A style of both files is the first one's.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garret.service_runtime.errors import ModelError, UnknownChoice

FILES = ("styles.csv", "styles.json")
MAXIMUM_BYTES = 4 << 20
PLACE = "{prompt}"


@dataclass(frozen=True)
class Style:
    """One style; where its text holds `{prompt}`, the prompt's goes there, else before it."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


class Styles:
    """The styles of one folder; a file that changed is read again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], list[Style]]] = {}

    def all(self) -> list[Style]:
        """Return the styles in the order of their files.

        Raises:
            ModelError: a file cannot be read as what it should be.
        """
        found: dict[str, Style] = {}
        for name in FILES:
            for style in self._of_file(name):
                found.setdefault(style.name, style)
        return list(found.values())

    def apply(self, names: Iterable[str], prompt: str, negative_prompt: str) -> tuple[str, str]:
        """Return both texts with the styles put around them, one after the other.

        Raises:
            UnknownChoice: there is no such style; the text names those there are.
        """
        wanted = [name for name in names if name and name != "None"]
        known = {style.name: style for style in self.all()} if wanted else {}
        for name in wanted:
            if name not in known:
                there = ", ".join(known) or f"none; {FILES[0]} in {self._folder} would hold them"
                raise UnknownChoice("styles", f"{name[:80]!r} is not there", f"Known: {there[:1000]}")
            prompt = around(known[name].prompt, prompt)
            negative_prompt = around(known[name].negative_prompt, negative_prompt)
        return prompt, negative_prompt

    def _of_file(self, name: str) -> list[Style]:
        path = self._folder / name
        try:
            status = path.stat()
        except OSError:
            return []
        version = (status.st_size, status.st_mtime_ns)
        if self._read.get(name, ((), []))[0] != version:
            if status.st_size > MAXIMUM_BYTES:
                raise ModelError(f"{name} has {status.st_size} bytes", f"At most {MAXIMUM_BYTES} are read as styles")
            try:
                text = path.read_text(encoding="utf-8-sig")
                rows = _rows(text) if name.endswith(".csv") else _objects(text)
            except (OSError, ValueError, RecursionError, csv.Error) as error:
                raise ModelError(f"{path}: {error}"[:300], "Write it anew, or take it away") from None
            self._read[name] = (version, rows)
        return self._read[name][1]


def around(style: str, text: str) -> str:
    """Return a text with a style's around it."""
    if PLACE in style:
        return style.replace(PLACE, text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part)


def _rows(text: str) -> list[Style]:
    """Read A1111's table; its first versions called the prompt `text`."""
    rows = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")
    return [_style({**row, "prompt": row.get("prompt") or row.get("text") or ""}) for row in rows if row.get("name")]


def _objects(text: str) -> list[Style]:
    entries = json.loads(text)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("is not a list of objects")
    return [_style(entry) for entry in entries if entry.get("name")]


def _style(values: Mapping[Any, Any]) -> Style:
    return Style(*(str(values.get(name) or "") for name in ("name", "prompt", "negative_prompt")))
