"""The demo refiner as shipped: its file, and that diffusers reads it as SDXL's refiner."""

from __future__ import annotations

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from safetensors import safe_open
from safetensors.torch import load_file

from garret import demo_model

LARGEST_FILE = 5_000_000
UNET, WORDS, BASE_WORDS = "model.diffusion_model.", "conditioner.embedders.0.model.", "conditioner.embedders.1.model."


def test_the_file_is_small_and_in_the_refiner_s_layout() -> None:
    """A UNet and one text encoder, which is the base's second one to the bit; no autoencoder, which they share."""
    assert demo_model.REFINER.stat().st_size <= LARGEST_FILE
    assert demo_model.REFINER.stat().st_mode & 0o777 == 0o644
    with safe_open(demo_model.REFINER, framework="pt") as weights:
        names = list(weights.keys())
        assert {weights.get_tensor(name).dtype for name in names} == {torch.float16}
        assert all(bool(weights.get_tensor(name).isfinite().all()) for name in names)
        words = {name.removeprefix(WORDS): weights.get_tensor(name) for name in names if name.startswith(WORDS)}
    assert all(name.startswith((UNET, WORDS)) for name in names)
    base = {name.removeprefix(BASE_WORDS): value for name, value in load_file(demo_model.WEIGHTS).items()}
    assert words
    assert all(torch.equal(value, base[name]) for name, value in words.items())


def test_diffusers_reads_it_and_goes_on_with_a_picture() -> None:
    """With the words and the autoencoder of the base; five numbers, one of them the score, go with each picture."""
    options = {"local_files_only": True, "torch_dtype": torch.float32}
    base = StableDiffusionXLPipeline.from_single_file(str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), **options)
    shared = {"vae": base.vae, "text_encoder_2": base.text_encoder_2, "tokenizer_2": base.tokenizer_2}
    refiner = StableDiffusionXLImg2ImgPipeline.from_single_file(
        str(demo_model.REFINER), config=str(demo_model.CONFIG / "refiner"), **shared, **options
    )
    assert refiner.config.requires_aesthetics_score
    assert refiner.text_encoder is None
    unet = refiner.unet
    assert unet.config.projection_class_embeddings_input_dim == 64 + 5 * unet.config.addition_time_embed_dim
    assert len(unet.config.block_out_channels) == 4
    run = {"num_inference_steps": 5, "generator": torch.Generator().manual_seed(0)}
    latents = base("a red circle", height=64, width=64, denoising_end=0.8, output_type="latent", **run).images
    picture = refiner("a red circle", image=latents, denoising_start=0.8, **run).images[0]
    assert picture.size == (64, 64)
