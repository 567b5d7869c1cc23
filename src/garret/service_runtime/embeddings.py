"""Embeddings (textual inversion): words that a file stands for, found by the file's name.

One for SDXL holds a table of vectors for each of its two text encoders, `clip_l` (768 wide) and `clip_g` (1280), as
kohya's and other trainers write them; diffusers' own call them `text_encoders_0` and `text_encoders_1`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from garret.service_runtime.safetensors_header import Header, NotSafetensors, read_header

TABLES = (("clip_l", "text_encoders_0"), ("clip_g", "text_encoders_1"))
"""For each text encoder the names that its table may have."""
MAXIMUM_VECTORS = 75
DEEPEST = 4
_PICKLES = (".pt", ".bin")
_SUFFIXES = (".safetensors", *_PICKLES)
_WIDTHS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x"}


@dataclass(frozen=True)
class Embedding:
    """One file of a word; `problem` says why this service passes it over, or is ""."""

    name: str
    path: Path
    vectors: int = 0
    problem: str = ""


class Embeddings:
    """The embeddings below some folders; headers are read once for each version of a file."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._known: dict[Path, tuple[tuple[int, int], Embedding]] = {}

    def all(self) -> list[Embedding]:
        """Return the embeddings by name; of several with one name, in whatever case, the first that can be used."""
        return self._found(lambda _: True)

    def named_in(self, texts: Iterable[str]) -> list[Embedding]:
        """Return those whose names stand as words in a text, usable or not."""
        joined = "\n".join(texts).replace("\\", "").lower()
        # Most names are in no text: their files need not be looked at.
        found = self._found(lambda name: name in joined)
        return [one for one in found if re.search(pattern_of([one.name]), joined, re.IGNORECASE)]

    def _found(self, is_wanted: Callable[[str], bool]) -> list[Embedding]:
        found: dict[str, Embedding] = {}
        for path in (path for folder in self._folders for path in sorted(_files(str(folder), DEEPEST, is_wanted))):
            embedding = self._read(Path(path))
            if embedding is None:
                continue
            known = found.get(embedding.name.lower())
            if known is None or (known.problem and not embedding.problem):
                found[embedding.name.lower()] = embedding
        return sorted(found.values(), key=lambda one: one.name.lower())

    def _read(self, path: Path) -> Embedding | None:
        try:
            status = path.stat()
        except OSError:
            return None
        version = (status.st_size, status.st_mtime_ns)
        if self._known.get(path, ((), None))[0] != version:
            self._known[path] = (version, _embedding(path))
        return self._known[path][1]


def pattern_of(names: Iterable[str]) -> str:
    """Return a pattern for names that stand as words of their own; ComfyUI's users write `embedding:` before them."""
    longest_first = sorted(names, key=len, reverse=True)
    return rf"(?<![\w-])(?:embedding:)?({'|'.join(re.escape(name) for name in longest_first)})(?![\w-])"


def _embedding(path: Path) -> Embedding:
    if path.suffix.lower() in _PICKLES:
        return Embedding(
            path.stem, path, problem="is a Python pickle, which is never opened; take the safetensors file"
        )
    try:
        header = read_header(path)
    except (NotSafetensors, OSError) as error:
        return Embedding(path.stem, path, problem=str(error))
    problem = _problem(header)
    vectors = 0 if problem else next(header.shape(name)[0] for name in TABLES[0] if header.shape(name))
    return Embedding(path.stem, path, vectors, problem)


def _problem(header: Header) -> str:
    """Say why a file is no embedding of SDXL's, or ""."""
    shapes = [next((header.shape(name) for name in names if header.shape(name)), ()) for names in TABLES]
    if all(len(shape) == 2 for shape in shapes) and shapes[0][0] == shapes[1][0]:
        if 1 <= shapes[0][0] <= MAXIMUM_VECTORS:
            return ""
        return f"has {shapes[0][0]} vectors, and a text holds {MAXIMUM_VECTORS}"
    others = {tensor.shape[-1] for tensor in header.tensors.values() if tensor.shape}
    for width, family in _WIDTHS.items():
        if others == {width}:
            return f"was made for {family}, and this service makes pictures with SDXL"
    return f"has not the two tables {TABLES[0][0]} and {TABLES[1][0]} of one length that SDXL's embeddings have"


def _files(folder: str, depth: int, is_wanted: Callable[[str], bool]) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        stem, dot, suffix = entry.name.rpartition(".")
        if entry.is_dir(follow_symlinks=False):
            if depth:
                yield from _files(entry.path, depth - 1, is_wanted)
        elif (dot + suffix).lower() in _SUFFIXES and is_wanted(stem.lower()) and entry.is_file():
            yield entry.path
