"""Where models and their previews lie: the folder of each type, and what is found below the root of all."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

UPSCALER = "upscaler"
FOLDERS = {"checkpoint": "Stable-diffusion", "lora": "Lora", "vae": "VAE", UPSCALER: "ESRGAN"}
TYPES = (*FOLDERS, "other")
SUFFIX = ".safetensors"
PICKLED = ".pth"
"""As most upscalers are published; of these alone garret reads pickles, by a reader that can do nothing else."""
PREVIEW_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
INCOMING = ".incoming"
"""A hidden folder among the models, for files that get their names later."""
DEEPEST = 6
"""How many folders below folders are looked into."""
EMBEDDING = "embedding"
"""A type that is listed with the others, and neither fetched nor removed by its name: words of prompts stand for it."""
_TYPES_OF = {folder: kind for kind, folder in FOLDERS.items()} | {"embeddings": EMBEDDING, "RealESRGAN": UPSCALER}
_INDEX = "model_index.json"


@dataclass(frozen=True)
class ModelFile:
    """A safetensors file, a folder as diffusers writes it or an upscaler's pickle; and the picture that shows it."""

    type: str
    path: Path
    preview: Path | None = None


def suffixes_of(model_type: str) -> tuple[str, ...]:
    """Return what the files of a type may be called."""
    return (SUFFIX, PICKLED) if model_type == UPSCALER else (SUFFIX,)


def model_files(root: Path, types: Collection[str] = ()) -> Iterator[ModelFile]:
    """Yield the models below a root, of these types or of all; hidden ones, and names that no text can hold, are not.

    A link to a folder elsewhere is followed; one that leads back below the root is not.
    """
    for file in _below(root, "other", DEEPEST, root.resolve(), types):
        if not types or file.type in types:
            yield file


def embedding_files(root: Path) -> Iterator[ModelFile]:
    """Yield the embeddings below a folder of their own."""
    yield from _below(root, EMBEDDING, DEEPEST, root.resolve())


def version_of(path: Path) -> tuple[int, int]:
    """Return size and time of change, in nanoseconds, of a file, or of all a folder's parts: other ones, other weights.

    Raises:
        OSError: it is not there.
    """
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size, status.st_mtime_ns
    parts = [part.stat() for pattern in ("*", "*/*") for part in path.glob(pattern) if part.is_file()]
    return sum(part.st_size for part in parts), max([part.st_mtime_ns for part in parts] or [status.st_mtime_ns])


def stem_of(model: Path) -> str:
    """Return a model's name, by which its preview and its notes are called: without the ending where it is a file."""
    return model.stem if model.suffix.lower() in (SUFFIX, PICKLED) else model.name


def preview_of(model: Path, names: set[str]) -> Path | None:
    """Return the preview among a folder's file names that belongs to a model: NAME.png or NAME.preview.png."""
    stem = stem_of(model)
    for middle in ("", ".preview"):
        for suffix in PREVIEW_SUFFIXES:
            if stem + middle + suffix in names:
                return model.with_name(stem + middle + suffix)
    return None


def _below(folder: Path, kind: str, depth: int, root: Path, types: Collection[str] = ()) -> Iterator[ModelFile]:
    try:
        entries = sorted((entry for entry in os.scandir(folder) if _shown(entry.name)), key=lambda entry: entry.name)
    except OSError:
        # No folder so far, or one that this user may not read: no models.
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        path = folder / entry.name
        if entry.name.lower().endswith(suffixes_of(kind)) and entry.is_file():
            yield ModelFile(kind, path, preview_of(path, names))
        elif entry.is_dir():
            if (path / _INDEX).is_file():
                yield ModelFile(kind, path, preview_of(path, names))
            elif depth and not (entry.is_symlink() and path.resolve().is_relative_to(root)):
                inner = _TYPES_OF.get(entry.name, kind) if depth == DEEPEST else kind
                # A folder of another type, which may hold hundreds of files, is not even listed.
                if not types or inner in types:
                    yield from _below(path, inner, depth - 1, root, types)


def _shown(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not name.startswith(".")
