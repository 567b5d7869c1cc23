"""Texts to tensors by one tokenizer and its encoder."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from garret.service_runtime.embeddings import pattern_of
from garret.service_runtime.engine.learned import Vectors, for_encoder
from garret.service_runtime.engine.reading import ChunkReader, Read
from garret.service_runtime.engine.word_cache import WordCache
from garret.service_runtime.prompt.chunks import Chunk, Learned, Marks, Token, empty_chunk, part_into_chunks
from garret.service_runtime.prompt.sayings import Sections


class Readable(Protocol):
    """What of a model's parts reads words; a refiner has only the second encoder."""

    @property
    def text_encoder(self) -> Any: ...
    @property
    def text_encoder_2(self) -> Any: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def tokenizer_2(self) -> Any: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def dtype(self) -> torch.dtype: ...


class TextReader:
    """One text encoder's view of texts: the chunks they are parted into, and what was read of them."""

    def __init__(self, tokenizer: Any, reader: ChunkReader, learned: Mapping[str, Vectors]) -> None:
        self._tokenizer = tokenizer
        self._reader = reader
        self._learned = learned
        self._names = re.compile(pattern_of(learned), re.IGNORECASE) if learned else None
        comma = self._ids(",")
        self._marks = Marks(
            tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, comma[0] if len(comma) == 1 else -1
        )
        self._chunks: dict[Sections, tuple[Chunk, ...]] = {}
        self._read: dict[Chunk, Read] = {}

    def length(self, text: Sections) -> int:
        """Return how many chunks a text has."""
        return len(self._chunks_of(text))

    def read(self, texts: Iterable[Sections]) -> None:
        """Read texts, each chunk once."""
        chunks = [chunk for text in texts for chunk in self._chunks_of(text)]
        self._read = self._reader.read([*chunks, empty_chunk(self._marks)])

    def embeds(self, text: Sections, length: int) -> Tensor:
        """Return what was read of a text as [tokens, width], filled up to so many chunks with empty ones."""
        chunks = self._chunks_of(text)
        filled = (*chunks, *[empty_chunk(self._marks)] * (length - len(chunks)))
        return torch.cat([self._read[chunk].states for chunk in filled])

    def pooled(self, text: Sections) -> Tensor:
        """Return the pooled state of a text's first chunk, [width]."""
        return self._read[self._chunks_of(text)[0]].pooled

    def _chunks_of(self, text: Sections) -> tuple[Chunk, ...]:
        if text not in self._chunks:
            sections = [[(self._tokens(piece.text), piece.weight) for piece in section] for section in text]
            self._chunks[text] = part_into_chunks(sections, self._marks)
        return self._chunks[text]

    def _tokens(self, text: str) -> list[Token]:
        """Return a text's tokens, with a learned word for each name of one."""
        if self._names is None:
            return list(self._ids(text))
        tokens: list[Token] = []
        for index, part in enumerate(self._names.split(text)):
            # Regular expressions take a long s for an s, which are not the same in lower case.
            vectors = self._learned.get(part.lower()) if index % 2 else None
            if vectors is not None:
                tokens.append(Learned(part.lower(), vectors.count))
            else:
                tokens.extend(self._ids(part))
        return tokens

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)


def text_readers(
    parts: Readable,
    learned: Mapping[str, Vectors],
    *,
    cache: WordCache,
    device: torch.device,
    clip_skip: int,
    changes: Hashable,
) -> list[TextReader]:
    """Return the readers of a model's text encoders, the one with the pooled state last; a refiner has only that."""
    pairs = ((0, parts.tokenizer, parts.text_encoder), (1, parts.tokenizer_2, parts.text_encoder_2))
    return [
        TextReader(
            tokenizer,
            ChunkReader(encoder, cache, device, clip_skip, changes, for_encoder(learned, table, encoder)),
            learned,
        )
        for table, tokenizer, encoder in pairs
        if encoder is not None
    ]
