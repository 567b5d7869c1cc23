"""Pictures from pictures against diffusers' own pipelines, from the same latents and seeds."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from garret import demo_model
from tests.service_runtime.engine.test_canvas import RED, STAR, begun, boxed, discs, made, store

numpy = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
from PIL import Image as Pillow  # noqa: E402

__all__ = ["store"]
PLAIN = {"num_inference_steps": 6, "guidance_scale": 3.0, "output_type": "np"}
STRENGTHS = (0.3, 0.6, 0.99)


@pytest.fixture(scope="module")
def plain() -> Any:
    """The pipeline of diffusers that pictures from words are made with; its parts serve the other two as well."""
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, add_watermarker=False
    )


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An engine on the CPU with the demo model."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    engine = SdxlEngine("cpu", demo_model.CONFIG)
    engine.setup(demo_model.WEIGHTS)
    yield engine
    engine.close()


def encoded(vae: Any, picture: Any, **options: Any) -> Any:
    """Return a picture's latents as the engine's."""
    from garret.service_runtime.engine.canvas import encode

    with torch.no_grad():
        return encode(vae, Pillow.fromarray(picture), **options)


def call(pipeline: Any, **said: Any) -> Any:
    """Return the picture that a pipeline of diffusers makes of a star, in levels of 255."""
    pipeline.set_progress_bar_config(disable=True)
    (result,) = pipeline(STAR, generator=torch.Generator().manual_seed(1), **PLAIN, **said).images
    return (result * 255).round().astype(int)


def test_image_to_image_is_diffusers_own(engine: Any, store: Any, plain: Any) -> None:
    """At every strength, to the last level but one."""
    from diffusers import StableDiffusionXLImg2ImgPipeline

    pipeline = StableDiffusionXLImg2ImgPipeline(**plain.components, add_watermarker=False)
    disc = discs(RED)
    sizes = {"original_size": (128, 128), "target_size": (128, 128)}
    for strength in STRENGTHS:
        (result,) = made(engine, begun(store, disc, denoise=strength, steps=6))
        expected = call(pipeline, image=encoded(plain.vae, disc), strength=strength, **sizes)
        assert int(abs(result - expected).max()) <= 1


def test_inpainting_is_diffusers_own_inside_the_mask(engine: Any, store: Any, plain: Any) -> None:
    """Outside it ours is the picture itself, where diffusers' went through the decoder."""
    from diffusers import StableDiffusionXLInpaintPipeline

    pipeline = StableDiffusionXLInpaintPipeline(**plain.components, add_watermarker=False)
    disc, mask = discs(RED), boxed(128, (16, 16, 112, 112))
    sizes = {"width": 128, "height": 128, "original_size": (128, 128), "target_size": (128, 128)}
    for strength in STRENGTHS:
        (result,) = made(engine, begun(store, disc, mask, denoise=strength, steps=6, blur=0))
        asked = {"image": encoded(plain.vae, disc), "mask_image": Pillow.fromarray(mask), "strength": strength}
        difference = abs(result - call(pipeline, **asked, **sizes))
        assert int(difference[16:112, 16:112].max()) <= 1
        assert difference[:16].any()


def test_a_decoder_in_half_precision_encodes_in_full_and_stays_as_it_was(plain: Any) -> None:
    """The copy is the encoder's alone, since the decoder may be at work for another batch."""
    picture = discs(RED)
    expected = encoded(plain.vae, picture)
    half = copy.deepcopy(plain.vae).half()
    latents = encoded(half, picture)
    assert latents.dtype == torch.float32
    assert {weight.dtype for weight in half.parameters()} == {torch.float16}
    assert float(abs(latents - expected).max()) < 0.02


def test_tiles_encode_what_the_whole_does(plain: Any) -> None:
    """But for the seams; and tiling is not left on for whoever uses the decoder next."""
    vae = copy.deepcopy(plain.vae)
    vae.tile_sample_min_size, vae.tile_latent_min_size = 64, 8
    whole, tiled = encoded(vae, discs(RED)), encoded(vae, discs(RED), tiled=True)
    assert whole.shape == tiled.shape
    assert 0 < float(abs(whole - tiled).mean()) < 0.2
    assert not vae.use_tiling
