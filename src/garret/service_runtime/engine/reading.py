"""One text encoder reads chunks: the hidden state that SDXL was trained on, weighed, with embeddings in their places.

SDXL reads the last but one hidden state of both encoders as it is, without the final norm, and of the second one the
projection of its end mark as well (https://arxiv.org/abs/2307.01952, 2.1; diffusers' encode_prompt).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from garret.service_runtime.engine.word_cache import WordCache
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.prompt.chunks import Chunk

LAST_BUT_ONE = 2
# Together on a CPU, where a call of a small encoder is mostly the call; one by one on a GPU, whose half-precision
# products depend on how many there are, so that words mean the same beside others and out of the cache.
_TOGETHER = {"cpu": 8}


class Read(NamedTuple):
    """What is made of a chunk: [77, width], and the pooled [width]."""

    states: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class ChunkReader:
    """A text encoder with what its answers depend on beside the words; `vectors` are those of learned words."""

    encoder: Any
    cache: WordCache
    device: torch.device
    clip_skip: int
    changes: Hashable
    vectors: Mapping[str, tuple[Hashable, Tensor]]

    def read(self, chunks: Sequence[Chunk]) -> dict[Chunk, Read]:
        """Return what each chunk is read as, from the cache where it was read before."""
        found: dict[Chunk, Read] = {}
        missing: list[Chunk] = []
        for chunk in dict.fromkeys(chunks):
            kept = self.cache.get(self.encoder, self._key(chunk))
            if kept is None:
                missing.append(chunk)
            else:
                found[chunk] = Read(*kept)
        size = _TOGETHER.get(self.device.type, 1)
        for begin in range(0, len(missing), size):
            some = missing[begin : begin + size]
            for chunk, read in zip(some, self._encode(some), strict=True):
                self.cache.put(self.encoder, self._key(chunk), read)
                found[chunk] = read
        return found

    def _key(self, chunk: Chunk) -> Hashable:
        learned = tuple((place, self.vectors[word][0]) for place, word in chunk.learned)
        return chunk.tokens, chunk.weights, learned, self.clip_skip, self.changes, str(self.device)

    def _encode(self, chunks: Sequence[Chunk]) -> list[Read]:
        tokens = torch.tensor([chunk.tokens for chunk in chunks], device=self.device)
        with self._learned(chunks):
            states = self.encoder(tokens)
        read = states.hidden_states[-self._depth(len(states.hidden_states))]
        # Copies: a row of several would keep them all in memory for as long as it is kept.
        return [
            Read(
                weigh(read[index], chunk.weights) if chunk.is_weighed else read[index].clone(),
                states.pooled[index].clone(),
            )
            for index, chunk in enumerate(chunks)
        ]

    def _depth(self, states: int) -> int:
        """Return which hidden state is read, counted from the last; the first of all is the tokens' own."""
        if self.clip_skip >= states:
            reason = f"{self.clip_skip}: this model's text encoder has {states - 1} layers"
            raise BadRequest("clip_skip", reason, f"Give 1 to {states - 1}")
        return max(self.clip_skip, LAST_BUT_ONE)

    @contextmanager
    def _learned(self, chunks: Sequence[Chunk]) -> Iterator[None]:
        """Put learned words' vectors in the places that chunks hold free for them, for one call of the encoder."""
        if not any(chunk.learned for chunk in chunks):
            yield
            return

        def replace(_module: Any, _arguments: Any, embedded: Tensor) -> Tensor:
            changed = embedded.clone()
            for row, chunk in enumerate(chunks):
                for place, word in chunk.learned:
                    vectors = self.vectors[word][1].to(embedded)
                    changed[row, place : place + len(vectors)] = vectors
            return changed

        handle = self.encoder.text_model.embeddings.token_embedding.register_forward_hook(replace)
        try:
            yield
        finally:
            handle.remove()


def weigh(read: Tensor, weights: Sequence[float]) -> Tensor:
    """Return what was read with each token's weight, and the mean that it had before: A1111's emphasis "Original"."""
    full = read.float()
    weighed = full * torch.tensor(weights, device=read.device).unsqueeze(-1)
    before, after = full.mean(), weighed.mean()
    return (weighed * torch.where(after == 0, torch.ones_like(after), before / after)).to(read.dtype)
