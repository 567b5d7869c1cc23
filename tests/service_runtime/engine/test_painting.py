"""One batch painted and decoded while others run beside it: neither changes the other, nor waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.batch import Picture
from tests.service_runtime.asking import batch_of, other

torch = pytest.importorskip("torch")

BATCH = batch_of(demo_model.WEIGHTS, Picture("a red circle", "", 1), steps=2, width=192, height=192)


@pytest.fixture
def workshop() -> Iterator[Any]:
    """What batches share, on the CPU."""
    from garret.service_runtime.engine.painting import Workshop
    from garret.service_runtime.engine.previews import Colours
    from garret.service_runtime.engine.residency import Residency
    from garret.service_runtime.engine.upscale import Enlarger
    from garret.service_runtime.engine.vaes import Vaes
    from garret.service_runtime.engine.words import WordEncoder

    cpu = torch.device("cpu")
    residency = Residency(cpu, torch.float32, demo_model.CONFIG)
    with torch.no_grad():
        enlarger = Enlarger(cpu, torch.float32)
        yield Workshop(residency, Vaes(cpu, torch.float32), WordEncoder(), Colours(), cpu, enlarger)


def painted(workshop: Any, batch: Any) -> tuple[Any, Any]:
    """Return a painting with its latents."""
    from garret.service_runtime.engine.painting import Painting

    painting = Painting(workshop, batch)
    return painting, painting.paint(lambda _event: None)


def test_a_batch_is_decoded_in_its_own_mode(workshop: Any) -> None:
    """Whatever mode the next one is made in meanwhile: tiles would be seen, and nothing would say so."""
    painting, latents = painted(workshop, BATCH)
    (plain,) = painting.images(latents)
    low, low_latents = painted(workshop, replace(BATCH, memory="low"))
    (late,) = painting.images(latents)
    assert late == plain
    (tiled,) = low.images(low_latents)
    assert tiled.notes == {"Mode": "low-vram"}
    assert tiled.rgb != plain.rgb


def test_who_needs_no_decoder_does_not_wait_for_it(workshop: Any) -> None:
    """The next batch is painted while another thread decodes; only one that begins from a picture has to wait."""
    painted(workshop, BATCH)
    taken, done = threading.Event(), threading.Event()

    def decode() -> None:
        with workshop.residency.decoding:
            taken.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as decoding:
        future = decoding.submit(decode)
        assert taken.wait(10)
        try:
            painted(workshop, other(BATCH, width=64, height=64))
            assert not future.done()
        finally:
            done.set()
