"""When partial images are told of, without a service: spread over the steps, and none twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from garret.service_runtime.api.openai.fields import Wish
from garret.service_runtime.api.openai.stream import Teller
from garret.service_runtime.messages import Previewed
from tests.service_runtime.asking import ask


@pytest.mark.parametrize(("wanted", "at"), [(0, []), (1, [5]), (2, [4, 7]), (3, [3, 5, 8])])
def test_partial_images_are_spread_over_the_steps(wanted: int, at: list[int]) -> None:
    """After the same shares of them each: a picture's first one of two after a third."""
    teller = Teller("image_generation", Wish(ask(), partial_images=wanted))
    live: Any = SimpleNamespace(request=ask(steps=10), pictures={}, previews={}, beside={0}, steps=10, step=0)
    told = []
    for step in range(1, 11):
        live.step, live.previews = step, {0: Previewed(1, 0, 8, 8, bytes(8 * 8 * 3))}
        told += [step] * len(teller.due(live))
        assert not teller.due(live)
    assert told == at


def test_a_picture_that_is_done_has_no_more_partial_images() -> None:
    """Nor one that the batch at work is not of; the picture itself is told of once."""
    teller = Teller("image_edit", Wish(ask(), partial_images=3))
    preview = Previewed(1, 0, 8, 8, bytes(8 * 8 * 3))
    live: Any = SimpleNamespace(
        request=ask(steps=4), pictures={0: b"file"}, previews={0: preview, 1: preview}, beside={0}, steps=4, step=3
    )
    (event,) = teller.due(live)
    assert event().startswith(b"event: image_edit.completed\ndata: {")
    assert not teller.due(live)
