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
        """Return what each chunk is read as, from the cache where it was read before.

        One by one: products depend a little on how many there are, and words mean the same beside others and alone.
        """
        found: dict[Chunk, Read] = {}
        for chunk in dict.fromkeys(chunks):
            kept = self.cache.get(self.encoder, self._key(chunk))
            found[chunk] = Read(*kept) if kept is not None else self._encode(chunk)
            if kept is None:
                self.cache.put(self.encoder, self._key(chunk), found[chunk])
        return found

    def _key(self, chunk: Chunk) -> Hashable:
        learned = tuple((place, self.vectors[word][0]) for place, word in chunk.learned)
        return chunk.tokens, chunk.weights, learned, self.clip_skip, self.changes, str(self.device)

    def _encode(self, chunk: Chunk) -> Read:
        with self._learned(chunk):
            states = self.encoder(torch.tensor([chunk.tokens], device=self.device))
        read = states.hidden_states[-self._depth(len(states.hidden_states))][0]
        return Read(weigh(read, chunk.weights) if chunk.is_weighed else read, states.pooled[0])

    def _depth(self, states: int) -> int:
        """Return which hidden state is read, counted from the last; the first of all is the tokens' own."""
        if self.clip_skip >= states:
            reason = f"{self.clip_skip}: this model's text encoder has {states - 1} layers"
            raise BadRequest("clip_skip", reason, f"Give 1 to {states - 1}")
        return max(self.clip_skip, LAST_BUT_ONE)

    @contextmanager
    def _learned(self, chunk: Chunk) -> Iterator[None]:
        """Put learned words' vectors in the places that a chunk holds free for them, for one call of the encoder."""
        if not chunk.learned:
            yield
            return

        def replace(_module: Any, _arguments: Any, embedded: Tensor) -> Tensor:
            changed = embedded.clone()
            for place, word in chunk.learned:
                vectors = self.vectors[word][1].to(embedded)
                changed[0, place : place + len(vectors)] = vectors
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
