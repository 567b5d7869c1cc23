"""What the UNet is asked at one step and how its answers become one prediction: guidance, and texts joined by AND."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from garret.service_runtime.engine.words import Conditioning, Text

Predict = Callable[[Tensor, Tensor], Tensor]
KEPT = 8
"""So many sets of words are kept as tensors: a prompt may say something else at every step."""


@dataclass(frozen=True)
class Row:
    """One row of the UNet's batch: a text for a picture, and its part in the prediction."""

    picture: int
    text: Text
    ids: tuple[float, ...]
    part: float
    negative: bool = False


@dataclass(frozen=True, eq=False)
class Group:
    """Rows with texts of one length, as tensors: which pictures, and what they are told.

    `pictures` is None in the common case: one text for each picture, all or none of them after a negative one.
    """

    pictures: Tensor | None
    embeds: Tensor
    added: dict[str, Tensor]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Ids:
    """The sizes that SDXL is told of beside the words, for the picture and for what it should not be."""

    positive: tuple[float, ...]
    negative: tuple[float, ...]


class Guide:
    """Asks one UNet for the prediction of a batch of pictures, with the negative ones in the same batch."""

    def __init__(self, unet: Any, ids: Ids, guidance: float, device: torch.device) -> None:
        self._unet = unet
        self._ids = ids
        self._guidance = guidance
        self._device = device
        self._known: dict[tuple[int, bool], tuple[Conditioning, tuple[Group, ...]]] = {}

    def predict(self, inputs: Tensor, timestep: Tensor, conditioning: Conditioning, *, guided: bool) -> Tensor:
        """Return the prediction for latents [pictures, channels, height, width] scaled for this timestep.

        Latents and predictions are in full precision, the UNet in its own.
        """
        groups = self._groups(conditioning, guided)
        if len(groups) == 1 and groups[0].pictures is None:
            return self._simple(inputs, timestep, groups[0])
        total = torch.zeros_like(inputs)
        for group in groups:
            chosen = inputs if group.pictures is None else inputs.index_select(0, group.pictures)
            answers = self._ask(chosen, timestep, group)
            for row, answer in zip(group.rows, answers, strict=True):
                total[row.picture] += row.part * answer
        return total

    def _simple(self, inputs: Tensor, timestep: Tensor, group: Group) -> Tensor:
        pictures = len(inputs)
        if len(group.rows) == pictures:
            return self._ask(inputs, timestep, group)
        negative, positive = self._ask(torch.cat([inputs, inputs]), timestep, group).chunk(2)
        return negative + group.rows[-1].part * (positive - negative)

    def _ask(self, inputs: Tensor, timestep: Tensor, group: Group) -> Tensor:
        answers: Tensor = self._unet(
            inputs.to(group.embeds.dtype),
            timestep,
            encoder_hidden_states=group.embeds,
            added_cond_kwargs=group.added,
            return_dict=False,
        )[0]
        # A copy in any precision: samplers look back at answers, and a recorded graph writes its next one there.
        return answers.to(torch.float32, copy=True)

    def _groups(self, conditioning: Conditioning, guided: bool) -> tuple[Group, ...]:
        key = (id(conditioning), guided)
        # The conditioning is kept beside its groups, so that no other one can come to its id.
        known = self._known.pop(key, None) or (conditioning, self._assemble(conditioning, guided))
        self._known[key] = known
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return known[1]

    def _assemble(self, conditioning: Conditioning, guided: bool) -> tuple[Group, ...]:
        rows = rows_of(conditioning, self._ids, self._guidance if guided else 1.0)
        lengths: dict[int, list[Row]] = {}
        for row in rows:
            lengths.setdefault(len(row.text.embeds), []).append(row)
        count = len(conditioning.pictures)
        alone = len(lengths) == 1
        groups: list[Group] = []
        for some in lengths.values():
            plain = alone and is_plain(some, count)
            # Never more rows at once than without AND, which is what memory was reckoned for.
            groups += (self._group(part, plain) for part in _pieces(some, 2 * count))
        return tuple(groups)

    def _group(self, rows: Sequence[Row], plain: bool) -> Group:
        embeds = torch.stack([row.text.embeds for row in rows])
        added = {
            "text_embeds": torch.stack([row.text.pooled for row in rows]),
            "time_ids": self._moved(torch.tensor([row.ids for row in rows], dtype=embeds.dtype)),
        }
        pictures = None if plain else self._moved(torch.tensor([row.picture for row in rows]))
        return Group(pictures, embeds, added, tuple(rows))

    def _moved(self, values: Tensor) -> Tensor:
        # From pinned memory the copy is only queued: words that change between steps do not make the host wait.
        pinned = values.pin_memory() if self._device.type == "cuda" else values
        return pinned.to(self._device, non_blocking=True)


def _pieces(rows: Sequence[Row], most: int) -> list[Sequence[Row]]:
    return [rows[begin : begin + most] for begin in range(0, len(rows), most)]


def is_plain(rows: Sequence[Row], pictures: int) -> bool:
    """Say whether these rows are one text of full weight for each picture, or that after as many negative ones."""
    if len(rows) not in (pictures, 2 * pictures):
        return False
    order = [(row.picture, row.negative) for row in rows]
    positive, negative = ([(index, told) for index in range(pictures)] for told in (False, True))
    if order != (positive if len(rows) == pictures else negative + positive):
        return False
    return len({row.part for row in rows[-pictures:]}) == 1 and abs(sum(row.part for row in rows) - pictures) < 1e-6


def rows_of(conditioning: Conditioning, ids: Ids, guidance: float) -> list[Row]:
    """Return the rows of a batch, the negative texts first.

    A picture's prediction is negative + guidance * sum(weight * (text - negative)), as composable diffusion has it
    (arXiv 2206.01714); where the negative one has no part in that, it is left out.
    """
    negative, positive = [], []
    for index, told in enumerate(conditioning.pictures):
        rest = 1 - guidance * sum(text.weight for text in told.texts)
        if rest:
            negative.append(Row(index, told.negative, ids.negative, rest, negative=True))
        positive += [Row(index, text, ids.positive, guidance * text.weight) for text in told.texts if text.weight]
    return negative + positive
