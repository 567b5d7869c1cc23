"""The page's words in its languages, and which of them a browser is shown: `ui/words` has a file for each room."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from starlette.requests import HTTPConnection

FOLDER = Path(__file__).resolve().parent.parent / "ui" / "words"
LANGUAGES = {"en": "en", "zh": "zh-CN"}
"""The languages by the names of their files, with those that browsers know them by."""
COOKIE = "garret_language"


@cache
def words_of(language: str) -> dict[str, str]:
    """Return a language's words by their keys."""
    return {key: both[language] for file in sorted(FOLDER.glob("*.json")) for key, both in read(file).items()}


def read(file: Path) -> dict[str, dict[str, str]]:
    """Return one file: what each key says in each language."""
    words: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return words


def say(language: str, key: str, /, **values: object) -> str:
    """Return what a key says, with the values in the places that `{name}` marks."""
    text = words_of(language)[key]
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def language_of(connection: HTTPConnection) -> str:
    """Return the language that somebody chose, or else the first one their browser asks for that there is."""
    chosen = connection.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    for entry in connection.headers.get("accept-language", "")[:200].split(","):
        name = entry.split(";")[0].strip().lower().split("-")[0]
        if name in LANGUAGES:
            return name
    return "en"
