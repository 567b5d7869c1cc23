"""What is told on the way: stages, previews, and where a batch stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from garret import demo_model
from garret.service_runtime.asked import Hires, Shortcuts, Sizes
from garret.service_runtime.batch import Picture
from garret.service_runtime.engine.base import Image, Preview, Step
from tests.service_runtime.asking import batch_of, other
from tests.service_runtime.engine.painted import difference, levels, pictures, plain_pipeline

torch = pytest.importorskip("torch")

PAIR = (Picture("a red circle on a blue background", "", 3), Picture("a green star on a yellow background", "", 4))
BATCH = batch_of(demo_model.WEIGHTS, *PAIR, steps=8)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An engine on the CPU."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    engine = SdxlEngine("cpu", demo_model.CONFIG)
    yield engine
    engine.close()


def test_previews_come_nearer_to_the_picture(engine: Any) -> None:
    """One pixel for each latent, after its step, for each picture; the last one has nearly its colours."""
    events = list(engine.run(BATCH))
    shown = [event for event in events if isinstance(event, Preview)]
    assert [preview.index for preview in shown] == [0, 1] * 7
    assert {(preview.width, preview.height) for preview in shown} == {(8, 8)}
    assert isinstance(events[0], Step)
    assert isinstance(events[1], Preview)
    for made in (event for event in events if isinstance(event, Image)):
        final = numpy.frombuffer(made.rgb, numpy.uint8).reshape(8, 8, 8, 8, 3).mean((1, 3))
        off = [
            abs(numpy.frombuffer(preview.rgb, numpy.uint8).reshape(8, 8, 3) - final).mean()
            for preview in shown
            if preview.index == made.index
        ]
        assert off[-1] < min(20, off[0])


def test_long_batches_are_not_shown_more_often(engine: Any) -> None:
    """At most eight times, over all stages."""
    batch = other(BATCH, steps=20, hires=Hires(scale=1.5, steps=10, denoise=0.5), pictures=PAIR[:1])
    shown = [event for event in engine.run(batch) if isinstance(event, Preview)]
    assert 5 <= len(shown) <= 8
    assert [preview.width for preview in shown] == sorted(preview.width for preview in shown)


def test_a_batch_stops_in_any_stage(engine: Any) -> None:
    """At the step that is told next; what it began is gone, and the next batch is made."""
    (before,) = pictures(engine, other(BATCH, pictures=PAIR[:1]))
    run = engine.run(other(BATCH, hires=Hires(scale=1.5, steps=150)))
    assert next(event for event in run if isinstance(event, Step) and event.stage == "hires").done == 9
    run.close()
    assert difference(pictures(engine, other(BATCH, pictures=PAIR[:1]))[0], before) == 0


def test_guidance_in_a_part_of_the_steps(engine: Any) -> None:
    """All of them is the plain picture, none of them is no guidance, and a part lies between."""
    whole, none, part = (
        pictures(engine, other(BATCH, pictures=PAIR[:1], **changes))[0]
        for changes in ({}, {"cfg_scale": 1.0}, {"shortcuts": Shortcuts(0.25, 0.75)})
    )
    never, always = (
        pictures(engine, other(BATCH, pictures=PAIR[:1], shortcuts=shortcuts))[0]
        for shortcuts in (Shortcuts(0.0, 0.0), Shortcuts(0.0, 1.0))
    )
    assert difference(never, none) == difference(always, whole) == 0
    assert 0 < abs(part - whole).mean() < abs(none - whole).mean()


def test_what_the_picture_was_cut_from_is_told_to_the_model(engine: Any) -> None:
    """As diffusers' original_size, crops_coords_top_left and target_size."""
    sizes = Sizes(original_width=40, original_height=512, crop_left=24, crop_top=8, target_width=128, target_height=96)
    plain = plain_pipeline()(
        PAIR[0].prompt,
        height=64,
        width=64,
        num_inference_steps=8,
        guidance_scale=3.0,
        original_size=(512, 40),
        crops_coords_top_left=(8, 24),
        target_size=(96, 128),
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    )
    (made,) = pictures(engine, other(BATCH, pictures=PAIR[:1], sizes=sizes))
    assert difference(made, levels(plain)) <= 1
    (without,) = pictures(engine, other(BATCH, pictures=PAIR[:1]))
    assert difference(made, without) > 1


@pytest.mark.parametrize("tiled", [True, False])
def test_decoding_in_tiles_is_nearly_the_same(engine: Any, tiled: bool) -> None:
    """And encoding brings the picture's latents back."""
    from garret.service_runtime.engine.decode import decode, encode

    vae = engine._residency.take(str(demo_model.WEIGHTS))[0].vae
    rows = torch.linspace(-0.8, 0.8, 192).view(1, 1, -1, 1).expand(1, 3, 192, 192)
    with torch.no_grad():
        latents = encode(vae, rows, tiled=tiled)
        (picture,) = decode(vae, latents, tiled=tiled)
    assert picture.shape == (192, 192, 3)
    wanted = ((rows[0] / 2 + 0.5) * 255).permute(1, 2, 0).numpy()
    assert abs(picture - wanted).mean() < 12


def test_nothing_is_read_back_from_the_device(engine: Any) -> None:
    """The loop runs where tensors have no memory at all: there every look at a value raises."""
    import copy

    from garret.service_runtime.engine.denoise import Pass, denoise
    from garret.service_runtime.engine.guidance import Guide, Ids
    from garret.service_runtime.engine.noise import Noises
    from garret.service_runtime.engine.walk import build_walk
    from garret.service_runtime.engine.watch import Watch
    from garret.service_runtime.engine.words import Conditioning, Told, Words

    device = torch.device("meta")
    parts, _ = engine._residency.take(str(demo_model.WEIGHTS))
    unet = copy.deepcopy(parts.unet).to(device)
    steps: list[Any] = []
    told = [
        Told((text(77 * length, device), text(77 * length, device)), text(77 * length, device)) for length in (1, 2)
    ]
    words = Words([Conditioning(tuple(told)), Conditioning(tuple(reversed(told)))], [0, 1, 0])
    for sampler in ("Euler a", "DPM++ 2M"):
        noises = Noises([1, 2], device)
        walk = build_walk(parts.scheduler_config, other(BATCH, sampler=sampler).request, 3, device, noises)
        guide = Guide(unet, Ids((64.0,) * 6, (64.0,) * 6), 3.0, device)
        one = Pass("denoise", guide, walk, words, 3.0, 3)
        with torch.no_grad():
            made = denoise(one, walk.begin(noises.first((4, 8, 8))), Watch(steps.append, 3, device))
        assert (made.shape, made.dtype, made.device) == ((2, 4, 8, 8), torch.float32, device)
    assert [step.done for step in steps] == [1, 2, 3] * 2


def text(tokens: int, device: Any) -> Any:
    """Return a text without words for the demo model's UNet."""
    from garret.service_runtime.engine.words import Text

    return Text(torch.empty(tokens, 112, device=device), torch.empty(64, device=device))


def test_half_precision_is_the_same_picture_nearly(engine: Any) -> None:
    """Through all stages: nothing mixes types, and the error is that of the model alone."""
    from garret.service_runtime.engine.sdxl import SdxlEngine, Tuning

    batch = other(BATCH, hires=Hires(scale=1.5, steps=2, denoise=0.5, upscaler="Lanczos"), pictures=PAIR)
    half = SdxlEngine("cpu", demo_model.CONFIG, Tuning(precision="bf16"))
    try:
        for rough, full in zip(pictures(half, batch), pictures(engine, batch), strict=True):
            assert 0 < abs(rough - full).mean() < 4
    finally:
        half.close()
