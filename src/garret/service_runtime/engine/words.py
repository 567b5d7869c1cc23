"""A batch's words as the tensors that guide it, each picture's the same as if it were alone.

They are read once before the first step, by all text encoders. The texts of one picture have one length, which is the
same at every step, and is no other picture's business.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from garret.service_runtime.batch import Picture, Used
from garret.service_runtime.engine.learned import LearnedWords
from garret.service_runtime.engine.text_reader import Readable, TextReader, text_readers
from garret.service_runtime.engine.word_cache import WordCache
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.prompt.sayings import Saying, Sections, sayings
from garret.service_runtime.request import ImageRequest

MAXIMUM_TOKENS = 120_000
"""Of all that a batch's words become from step to step: half a gigabyte in half precision."""


@dataclass(frozen=True, eq=False)
class Text:
    """What a text says: `embeds` [tokens, width], `pooled` [width]; `weight` is its part among texts joined by AND."""

    embeds: Tensor
    pooled: Tensor
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Told:
    """What one picture is guided by; all of its texts have the same number of tokens."""

    texts: tuple[Text, ...]
    negative: Text


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What the pictures of a batch are guided by at one step; the same object as long as nothing changes."""

    pictures: tuple[Told, ...]


class Words:
    """The words of a batch over all steps of a pass."""

    def __init__(self, kinds: Sequence[Conditioning], kind_of_step: Sequence[int]) -> None:
        self._kinds = kinds
        self._kind_of_step = kind_of_step

    def at(self, step: int, total: int) -> Conditioning:
        """Return what guides step number `step`, counted from 0, of `total`."""
        steps = len(self._kind_of_step)
        return self._kinds[self._kind_of_step[min(step * steps // max(total, 1), steps - 1)]]


class WordEncoder:
    """Reads words with whatever parts are loaded, and keeps what it read last."""

    def __init__(self) -> None:
        self.cache = WordCache()
        self._learned = LearnedWords()

    def encode(
        self,
        parts: Readable,
        pictures: Sequence[Picture],
        request: ImageRequest,
        used: Used,
        device: torch.device,
        *,
        steps: int = 0,
        first_steps: int | None = None,
        changes: Hashable = (),
    ) -> Words:
        """Return a batch's words for one pass; the text encoders must be on the device.

        `steps` are this pass's (0: the request's). `first_steps`, where a second pass is meant, are those of the first;
        it has words of its own. `changes` is what LoRAs have made of the text encoders.

        Raises:
            BadRequest: the words are too many for a node's memory, or the model has no such layer to stop at.
            ModelError: an embedding is not for this model.
        """
        said = [
            sayings(*_words_of(one, first_steps is not None), steps or request.steps, first_steps) for one in pictures
        ]
        readers = text_readers(
            parts,
            self._learned.read(used.embeddings),
            cache=self.cache,
            device=device,
            clip_skip=request.clip_skip,
            changes=changes,
        )
        telling = _Telling(readers, said, bool(parts.config.get("force_zeros_for_empty_prompt")), parts.dtype)
        kinds: dict[tuple[Saying, ...], int] = {}
        made: list[Conditioning] = []
        kind_of_step = []
        for step in zip(*said, strict=True):
            if step not in kinds:
                kinds[step] = len(made)
                made.append(Conditioning(tuple(telling.tell(index, saying) for index, saying in enumerate(step))))
            kind_of_step.append(kinds[step])
        return Words(made, kind_of_step)


def _words_of(picture: Picture, again: bool) -> tuple[str, str]:
    if again and (picture.hires_prompt or picture.hires_negative_prompt):
        return picture.hires_prompt, picture.hires_negative_prompt
    return picture.prompt, picture.negative_prompt


class _Telling:
    """Texts that were read, and put together for each picture at its length."""

    def __init__(
        self, readers: Sequence[TextReader], said: Sequence[Sequence[Saying]], zeros: bool, dtype: torch.dtype
    ) -> None:
        self._zeros = zeros
        self._dtype = dtype
        self._readers = readers
        texts = [{text: None for saying in one for text in saying.all} for one in said]
        self._lengths: list[int] = []
        tokens = 0
        for some in texts:
            self._lengths.append(_length(list(some), readers, MAXIMUM_TOKENS - tokens))
            tokens += self._lengths[-1] * len(some) * 77
        for reader in readers:
            reader.read({text: None for some in texts for text in some})
        self._texts: dict[tuple[Sections, int], Text] = {}

    def tell(self, index: int, saying: Saying) -> Told:
        """Return what the batch's picture of an index is told."""
        length = self._lengths[index]
        texts = tuple(Text(one.embeds, one.pooled, weight) for one, weight in self._weighted(saying, length))
        negative = self._text(saying.negative, length)
        if saying.is_blank and self._zeros:
            # No words at all mean zeros, not the empty text, for models that were trained so.
            negative = Text(torch.zeros_like(negative.embeds), torch.zeros_like(negative.pooled))
        return Told(texts, negative)

    def _weighted(self, saying: Saying, length: int) -> list[tuple[Text, float]]:
        return [(self._text(text, length), weight) for text, weight in saying.texts]

    def _text(self, text: Sections, length: int) -> Text:
        if (text, length) not in self._texts:
            embeds = torch.cat([reader.embeds(text, length) for reader in self._readers], dim=-1)
            pooled = self._readers[-1].pooled(text)
            self._texts[text, length] = Text(embeds.to(self._dtype), pooled.to(self._dtype))
        return self._texts[text, length]


def _length(texts: Sequence[Sections], readers: Sequence[TextReader], room: int) -> int:
    """Return how many chunks the longest of a picture's texts has, refusing more than there is room for in tokens."""
    longest = 0
    for count, text in enumerate(texts, 1):
        longest = max(longest, *(reader.length(text) for reader in readers))
        if longest * count * 77 > room:
            reason = f"{len(texts)} texts of up to {longest * 77} tokens are too many for one batch"
            raise BadRequest(
                "prompt", reason, f"At most {MAXIMUM_TOKENS} tokens in all: write less, or let less change"
            )
    return longest
