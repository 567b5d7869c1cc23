"""What a model's file, and the notes that other tools keep beside it, say of the model: words of whoever made it.

Read within bounds and taken for nothing but text: `modelspec.*` and `ss_*` are what trainers write into the header
(https://github.com/Stability-AI/ModelSpec), `NAME.json` is A1111's note, `NAME.civitai.info` that of its CivitAI
helpers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from garret.service_runtime.model_files import stem_of
from garret.service_runtime.safetensors_header import NotSafetensors, read_header

MOST_WORDS, MOST_TAGS = 30, 60
LONGEST_WORD, LONGEST_TEXT = 200, 4000
_LARGEST_NOTE = 1 << 20
_TAG = re.compile(r"<[^>]{0,300}>")
_NOTES = (".json", ".civitai.info")


@dataclass(frozen=True)
class About:
    """Texts are empty where nobody said any; `tags` are what it was trained with, the most frequent first."""

    title: str = ""
    author: str = ""
    license: str = ""
    base: str = ""
    resolution: str = ""
    description: str = ""
    usage: str = ""
    words: tuple[str, ...] = ()
    tags: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {**asdict(self), "words": list(self.words), "tags": list(self.tags)}


def about(path: Path) -> About:
    """Return what is said of the model with this file; of a folder, a pickle and a broken file only the notes speak."""
    status = path.stat()
    said = dict(_header(path, status.st_size, status.st_mtime_ns)) if path.is_file() else {}
    notes: dict[str, Any] = {}
    for suffix in _NOTES:
        notes.update(_note(path.with_name(stem_of(path) + suffix)))
    return About(
        title=_text(said.get("modelspec.title")),
        author=_text(said.get("modelspec.author")),
        license=_text(said.get("modelspec.license")),
        base=_text(said.get("ss_sd_model_name") or notes.get("baseModel") or notes.get("sd version")),
        resolution=_text(said.get("modelspec.resolution")),
        description=_text(said.get("modelspec.description") or notes.get("description")),
        usage=_text(said.get("modelspec.usage_hint") or notes.get("notes")),
        words=_words(said, notes),
        tags=_tags(said.get("ss_tag_frequency", "")),
    )


@lru_cache(maxsize=200)
def _header(path: Path, size: int, modified_ns: int) -> Mapping[str, str]:  # noqa: ARG001  (another version, another entry)
    try:
        return read_header(path).metadata
    except (NotSafetensors, OSError):
        return {}


def _note(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_NOTE:
            return {}
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _words(said: Mapping[str, str], notes: Mapping[str, Any]) -> tuple[str, ...]:
    """What calls the model in a prompt, each once: a list of CivitAI's may have several in one text."""
    listed = notes.get("trainedWords")
    texts = [said.get("modelspec.trigger_phrase", ""), notes.get("activation text", "")]
    found = [word for text in [*texts, *(listed if isinstance(listed, list) else [])] for word in _split(text)]
    return tuple(dict.fromkeys(found))[:MOST_WORDS]


def _split(text: Any) -> Iterable[str]:
    if not isinstance(text, str):
        return ()
    return (word for part in text[:LONGEST_TEXT].split(",") if (word := part.strip()[:LONGEST_WORD]))


def _tags(text: str) -> tuple[dict[str, Any], ...]:
    """Kohya's table of tables: folders of pictures, with how often each tag stands in their captions."""
    try:
        folders = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    counts: Counter[str] = Counter()
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 2**40:
                counts[tag.strip()[:LONGEST_WORD]] += count
    return tuple({"tag": tag, "count": count} for tag, count in counts.most_common(MOST_TAGS) if tag)


def _text(value: Any) -> str:
    """Plain text of what may be HTML, as CivitAI's descriptions are."""
    return _TAG.sub("", value[:LONGEST_TEXT]).strip() if isinstance(value, str) else ""
