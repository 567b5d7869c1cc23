"""What the UNet is asked: negative and positive texts, joined by AND, of any length, with guidance or without."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from garret.service_runtime.engine.guidance import KEPT, Guide, Ids  # noqa: E402
from garret.service_runtime.engine.words import Conditioning, Text, Told  # noqa: E402

IDS = Ids((64.0, 64.0, 0.0, 0.0, 64.0, 64.0), (64.0, 64.0, 0.0, 0.0, 64.0, 32.0))
TIME = torch.tensor(500.0)


class Answering:
    """A UNet whose answer is its input times the mean of what it is told; it counts the rows of each call."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, inputs: Any, _timestep: Any, **said: Any) -> tuple[Any]:
        """Answer as diffusers' UNet does."""
        self.rows.append(len(inputs))
        told = said["encoder_hidden_states"].mean((1, 2)) + said["added_cond_kwargs"]["time_ids"][:, -1] / 100
        return (inputs * told.view(-1, 1, 1, 1),)


def text(value: float, tokens: int = 77, weight: float = 1.0) -> Text:
    """Return a text that says one number."""
    return Text(torch.full((tokens, 8), value), torch.zeros(4), weight)


def expected(told: Told, guidance: float) -> float:
    """Return what the formula gives for one picture."""
    negative = float(told.negative.embeds.mean()) + 0.32
    positive = [(one.weight, float(one.embeds.mean()) + 0.64) for one in told.texts]
    return negative + guidance * sum(weight * (value - negative) for weight, value in positive)


PLAIN = Told((text(1.0),), text(0.2))
LONG = Told((text(2.0, 154),), text(0.1, 154))
BOTH = Told((text(1.0), text(3.0, weight=0.5)), text(0.3))
LESS = Told((text(1.0, weight=0.7),), text(0.4))


@pytest.mark.parametrize(
    "pictures",
    [(PLAIN,), (PLAIN, PLAIN), (PLAIN, LONG), (BOTH,), (LESS,), (LESS, LESS), (LESS, PLAIN), (BOTH, LONG, PLAIN)],
)
@pytest.mark.parametrize("guided", [True, False])
def test_each_picture_gets_its_own_formula(pictures: tuple[Told, ...], guided: bool) -> None:
    """Whatever else is in the batch; without guidance as at 1."""
    unet = Answering()
    guide = Guide(unet, IDS, 5.0, torch.device("cpu"))
    inputs = torch.randn(len(pictures), 4, 2, 2)
    made = guide.predict(inputs, TIME, Conditioning(pictures), guided=guided)
    for index, told in enumerate(pictures):
        torch.testing.assert_close(made[index], inputs[index] * expected(told, 5.0 if guided else 1.0))


def test_one_call_holds_negative_and_positive() -> None:
    """And without guidance half of it is left out."""
    unet = Answering()
    guide = Guide(unet, IDS, 5.0, torch.device("cpu"))
    for guided in (True, False):
        guide.predict(torch.randn(2, 4, 2, 2), TIME, Conditioning((PLAIN, PLAIN)), guided=guided)
    assert unet.rows == [4, 2]


def test_texts_of_another_length_are_asked_apart() -> None:
    """Padding would change them."""
    unet = Answering()
    guide = Guide(unet, IDS, 5.0, torch.device("cpu"))
    guide.predict(torch.randn(2, 4, 2, 2), TIME, Conditioning((PLAIN, LONG)), guided=True)
    assert unet.rows == [2, 2]


def test_many_texts_are_asked_in_pieces() -> None:
    """However many AND joins, the device never holds more rows than for a plain prompt."""
    unet = Answering()
    guide = Guide(unet, IDS, 5.0, torch.device("cpu"))
    many = Told(tuple(text(float(number), weight=0.25) for number in range(1, 9)), text(0.3))
    inputs = torch.randn(2, 4, 2, 2)
    made = guide.predict(inputs, TIME, Conditioning((many, PLAIN)), guided=True)
    assert unet.rows == [4, 4, 3]
    for index, told in enumerate((many, PLAIN)):
        torch.testing.assert_close(made[index], inputs[index] * expected(told, 5.0))


def test_words_of_every_step_are_not_all_kept() -> None:
    """A prompt that says something else at each of many steps would fill the device."""
    guide = Guide(Answering(), IDS, 5.0, torch.device("cpu"))
    held = []
    for number in range(3 * KEPT):
        conditioning = Conditioning((Told((text(float(number)),), text(0.2)),))
        held.append(weakref.ref(conditioning))
        guide.predict(torch.randn(1, 4, 2, 2), TIME, conditioning, guided=True)
    del conditioning
    gc.collect()
    assert [one() is not None for one in held] == [False] * 2 * KEPT + [True] * KEPT


@pytest.mark.parametrize(
    ("width", "height", "changes", "told"),
    [
        (96, 64, {}, (64, 96, 0, 0, 64, 96)),
        (96, 64, {"crop_left": 8, "crop_top": 16, "original_width": 200}, (64, 200, 16, 8, 64, 96)),
        (96, 64, {"target_width": 32, "target_height": 48}, (64, 96, 0, 0, 48, 32)),
    ],
)
def test_sizes_are_told_as_height_and_width(width: int, height: int, changes: Any, told: tuple[int, ...]) -> None:
    """Where nothing is said they are the picture's own, also a second pass's."""
    from garret.service_runtime.asked import Sizes
    from garret.service_runtime.engine.ids import base_ids
    from tests.service_runtime.asking import ask

    assert base_ids(ask(sizes=Sizes(**changes)), width, height) == told
