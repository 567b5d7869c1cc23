"""The vectors of embeddings' files, as each text encoder of a model reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from garret.service_runtime.embeddings import TABLES
from garret.service_runtime.errors import ModelError
from garret.service_runtime.safetensors_header import NotSafetensors, read_header

Version = tuple[str, int, int]


@dataclass(frozen=True)
class Vectors:
    """One file's tables: the first encoder's and the second's, each [vectors, width]."""

    version: Version
    tables: tuple[torch.Tensor, torch.Tensor]

    @property
    def count(self) -> int:
        """Return how many tokens' places they take."""
        return len(self.tables[0])


class LearnedWords:
    """Files that were read, the ones of the last request: they are small, and read in a millisecond."""

    def __init__(self) -> None:
        self._kept: dict[Version, Vectors] = {}

    def read(self, used: Iterable[tuple[str, str]]) -> dict[str, Vectors]:
        """Return the vectors of words with the paths of their files.

        Raises:
            ModelError: a file is gone, or is no embedding for SDXL.
        """
        found = {word.lower(): self._vectors(Path(path)) for word, path in used}
        self._kept = {vectors.version: vectors for vectors in found.values()}
        return found

    def _vectors(self, path: Path) -> Vectors:
        try:
            status = path.stat()
            version = (str(path), status.st_size, status.st_mtime_ns)
            return self._kept.get(version) or Vectors(version, _tables(path))
        except (OSError, NotSafetensors) as error:
            raise ModelError(f"the embedding {path.name}: {error}"[:300]) from None


def for_encoder(words: Mapping[str, Vectors], table: int, encoder: Any) -> dict[str, tuple[Version, torch.Tensor]]:
    """Return the vectors for one encoder, refusing those of another width than its tokens' own."""
    width = encoder.text_model.embeddings.token_embedding.weight.shape[1]
    for vectors in words.values():
        if vectors.tables[table].shape[1] != width:
            name, wide = Path(vectors.version[0]).name, vectors.tables[table].shape[1]
            reason = f"the embedding {name} has vectors of {wide} in {TABLES[table][0]}, and this model reads {width}"
            raise ModelError(reason, "Take one that was made for this kind of model")
    return {word: (vectors.version, vectors.tables[table]) for word, vectors in words.items()}


def _tables(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    from safetensors.torch import load_file

    read_header(path)
    tensors = load_file(str(path))
    first, second = (next((tensors[name] for name in names if name in tensors), None) for names in TABLES)
    if first is None or second is None or first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise ModelError(f"the embedding {path.name} has not the two tables that SDXL's have")
    return first.float(), second.float()
