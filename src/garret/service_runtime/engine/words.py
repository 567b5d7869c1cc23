"""A batch's words as the tensors that guide it, each picture's the same as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from garret.service_runtime.batch import Picture, Used
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.request import ImageRequest


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
    """The words of a batch over all steps of a walk."""

    def __init__(self, conditioning: Conditioning, notes: Sequence[dict[str, str]]) -> None:
        self._conditioning = conditioning
        self.notes = tuple(notes)

    def at(self, step: int, total: int) -> Conditioning:  # noqa: ARG002  (words do not change between steps yet)
        """Return what guides step number `step`, counted from 0, of `total`."""
        return self._conditioning


def encode_words(
    parts: Parts,
    pictures: Sequence[Picture],
    request: ImageRequest,
    used: Used,  # noqa: ARG001  (embeddings come from there)
    device: torch.device,
) -> Words:
    """Return the batch's words; the text encoders must be on the device."""
    known: dict[str, Text] = {}
    for picture in pictures:
        for words in (picture.prompt, picture.negative_prompt):
            if words not in known:
                known[words] = _encode(parts, words, request.clip_skip, device)
    told = tuple(
        Told((known[picture.prompt],), _negative(parts, known[picture.negative_prompt], picture))
        for picture in pictures
    )
    return Words(Conditioning(told), [cut_words(parts, picture) for picture in pictures])


def cut_words(parts: Parts, picture: Picture) -> dict[str, str]:
    """Return a note for each text that CLIP reads only the beginning of."""
    tokenizer = parts.tokenizer or parts.tokenizer_2
    # The count and the limit both hold the marks of beginning and end, which no word of the caller's is in.
    limit = tokenizer.model_max_length
    texts = {"Prompt cut": picture.prompt, "Negative prompt cut": picture.negative_prompt}
    return {name: f"to {limit - 2} tokens" for name, text in texts.items() if len(tokenizer(text).input_ids) > limit}


def _encode(parts: Parts, words: str, clip_skip: int, device: torch.device) -> Text:
    pooled, hidden = torch.empty(0), []
    for tokenizer, encoder in ((parts.tokenizer, parts.text_encoder), (parts.tokenizer_2, parts.text_encoder_2)):
        if encoder is None:
            continue
        limit = tokenizer.model_max_length
        ids = [*tokenizer(words).input_ids[: limit - 1], tokenizer.eos_token_id][:limit]
        if len(tokenizer(words).input_ids) <= limit:
            ids = tokenizer(words).input_ids
        ids += [tokenizer.pad_token_id] * (limit - len(ids))
        said = encoder(torch.tensor([ids]).to(device))
        hidden.append(said.hidden_states[-(clip_skip + 1)][0])
        pooled = said.pooled[0]
    return Text(torch.cat(hidden, dim=-1).to(parts.dtype), pooled.to(parts.dtype))


def _negative(parts: Parts, text: Text, picture: Picture) -> Text:
    # An empty negative prompt means zeros, not the empty text, for models that were trained so.
    if picture.negative_prompt or not parts.config.get("force_zeros_for_empty_prompt"):
        return text
    return Text(torch.zeros_like(text.embeds), torch.zeros_like(text.pooled))
