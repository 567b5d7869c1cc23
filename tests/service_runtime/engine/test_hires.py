"""The second pass: as diffusers' image-to-image over enlarged latents, and what it makes of sizes and steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.asked import PICTURE_UPSCALERS, UPSCALERS, Hires
from garret.service_runtime.batch import Picture
from garret.service_runtime.errors import BadRequest
from tests.service_runtime.asking import ask, batch_of, other
from tests.service_runtime.engine.painted import difference, levels, pictures, plain_pipeline, stages

torch = pytest.importorskip("torch")

BATCH = batch_of(demo_model.WEIGHTS, Picture("a red circle on a blue background", "", 3))


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An engine on the CPU."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    engine = SdxlEngine("cpu", demo_model.CONFIG)
    yield engine
    engine.close()


def test_it_is_image_to_image_over_enlarged_latents(engine: Any) -> None:
    """With the noise of the same seed at the larger size; three steps are half of six."""
    from diffusers import StableDiffusionXLImg2ImgPipeline

    base = plain_pipeline()
    asked = {"prompt": BATCH.pictures[0].prompt, "guidance_scale": 3.0}
    first = base(**asked, num_inference_steps=4, height=64, width=64, generator=seeded(3), output_type="latent").images
    larger = torch.nn.functional.interpolate(first, size=(12, 12), mode="bilinear")
    pipeline = StableDiffusionXLImg2ImgPipeline(**base.components, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    second = pipeline(**asked, image=larger, num_inference_steps=6, strength=0.5, generator=seeded(3), output_type="np")
    hires = Hires(scale=1.5, denoise=0.5, steps=3)
    (made,) = pictures(engine, other(BATCH, hires=hires))
    assert difference(made, levels(second)) <= 1


@pytest.mark.parametrize("upscaler", UPSCALERS)
def test_every_upscaler_gives_the_size(engine: Any, upscaler: str) -> None:
    """Another shape is covered and cut; nothing is denoised where nothing was asked for."""
    hires = Hires(width=96, height=80, upscaler=upscaler, denoise=0.0)
    batch = other(BATCH, hires=hires)
    (made,) = pictures(engine, batch)
    (first,) = pictures(engine, BATCH)
    assert made.shape == (80, 96, 3)
    assert abs(made.mean((0, 1)) - first.mean((0, 1))).max() < 30
    if upscaler == "Latent":
        assert stages(engine, batch) == ["denoise"] * 4


def test_its_own_words_sampler_and_guidance_are_used(engine: Any) -> None:
    """Each of them changes the second pass alone."""
    batch = other(BATCH, hires=Hires(scale=1.5, denoise=0.7, steps=2))
    (plain,) = pictures(engine, batch)
    for change in ({"sampler": "DDIM"}, {"schedule": "karras"}, {"cfg_scale": 9.0}):
        hires = Hires(scale=1.5, denoise=0.7, steps=2, **change)
        assert difference(pictures(engine, other(batch, hires=hires))[0], plain) > 0
    picture = Picture(BATCH.pictures[0].prompt, "", 3, hires_prompt="a green star on a yellow background")
    assert difference(pictures(engine, other(batch, pictures=(picture,)))[0], plain) > 20


def test_a_picture_is_the_same_alone_and_in_a_batch(engine: Any) -> None:
    """By latents and by pictures, with a sampler that draws noise."""
    pair = (Picture("a red circle", "", 1), Picture("a green star AND a circle", "blue", 2))
    for upscaler in ("Latent", *PICTURE_UPSCALERS):
        hires = Hires(scale=1.5, denoise=0.6, steps=2, upscaler=upscaler)
        batch = other(BATCH, sampler="Euler a", steps=2, hires=hires, pictures=pair)
        together = pictures(engine, batch)
        for index, picture in enumerate(pair):
            assert difference(together[index], pictures(engine, other(batch, pictures=(picture,)))[0]) <= 2


@pytest.mark.parametrize(
    ("hires", "size"),
    [
        (Hires(scale=1.5), (1248, 1824)),
        (Hires(width=1024), (1024, 1496)),
        (Hires(height=1824), (1248, 1824)),
        (Hires(width=1600, height=1600), (1600, 1600)),
    ],
)
def test_sizes(hires: Hires, size: tuple[int, int]) -> None:
    """Multiples of 8; one side takes the other with it."""
    assert hires.size(832, 1216) == size
    assert ask(width=832, height=1216, hires=hires).final_size == size


@pytest.mark.parametrize(
    ("hires", "steps", "expected"),
    [
        (Hires(denoise=0.5), 20, (40, 20)),
        (Hires(denoise=0.7, steps=10), 30, (14, 10)),
        (Hires(denoise=1.0, steps=7), 30, (7, 7)),
        (Hires(denoise=0.05, steps=100), 30, (1000, 50)),
    ],
)
def test_as_many_steps_are_made_as_asked_for(hires: Hires, steps: int, expected: tuple[int, int]) -> None:
    """But no more than there are noise levels in the part that is denoised."""
    from garret.service_runtime.engine.hires import steps_of

    whole, share = steps_of(hires, steps)
    assert (whole, max(1, int(whole * share))) == expected


def test_what_cannot_be_is_refused_by_name() -> None:
    """Sides beyond what is decoded; an upscaler that is not there is refused where models are known."""
    with pytest.raises(BadRequest, match="8192 x 8192"):
        ask(width=2048, height=2048, hires=Hires(scale=4))


def seeded(seed: int) -> Any:
    """Return a generator on the CPU."""
    return torch.Generator().manual_seed(seed)
