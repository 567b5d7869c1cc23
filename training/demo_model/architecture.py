"""The demo model's architecture: SDXL in structure, about a thousandth of it in size."""

from __future__ import annotations

from pathlib import Path

from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

FIRST_TEXT_WIDTH = 48
SECOND_TEXT_WIDTH = 64
# SDXL reads the last hidden layer but one, so three layers mean two that the UNet's attention sees:
# the least that can tell "the colour before the shape" from "the colour before the background".
TEXT_LAYERS = 3
TIME_ID_WIDTH = 16
NATIVE_SIZE = 128
LATENT_SCALE = 8
UNET_CHANNELS = (64, 72, 96)
VAE_CHANNELS = (16, 24, 40, 56)
# Four levels, as SDXL's refiner has; it only finishes pictures, and so needs less than the base.
REFINER_CHANNELS = (32, 48, 48, 48)


def text_configuration(width: int, heads: int, activation: str, vocabulary: int) -> CLIPTextConfig:
    """Return the configuration of one CLIP text encoder."""
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=heads,
        max_position_embeddings=77,
        hidden_act=activation,
        projection_dim=width,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )


def build_vae() -> AutoencoderKL:
    """Return an untrained autoencoder that reduces a picture eightfold to four channels."""
    levels = len(VAE_CHANNELS)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=VAE_CHANNELS,
        layers_per_block=1,
        latent_channels=4,
        # Many groups of one or two channels each erase the colours; two groups keep them.
        norm_num_groups=2,
        # SDXL's own factor: after training the latents are scaled so that it is right for this autoencoder too.
        scaling_factor=0.13025,
        sample_size=NATIVE_SIZE,
        force_upcast=False,
    )


def build_unet() -> UNet2DConditionModel:
    """Return an untrained UNet with SDXL's blocks and its text-and-time conditioning."""
    return UNet2DConditionModel(
        sample_size=NATIVE_SIZE // LATENT_SCALE,
        layers_per_block=1,
        block_out_channels=UNET_CHANNELS,
        norm_num_groups=8,
        use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=[1, 1, 1],
        attention_head_dim=[width // 32 for width in UNET_CHANNELS],
        cross_attention_dim=FIRST_TEXT_WIDTH + SECOND_TEXT_WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_ID_WIDTH,
        projection_class_embeddings_input_dim=SECOND_TEXT_WIDTH + 6 * TIME_ID_WIDTH,
    )


def build_refiner() -> UNet2DConditionModel:
    """Return an untrained UNet with the blocks of SDXL's refiner: one text encoder, and a score among five numbers."""
    return UNet2DConditionModel(
        sample_size=NATIVE_SIZE // LATENT_SCALE,
        layers_per_block=1,
        block_out_channels=REFINER_CHANNELS,
        norm_num_groups=8,
        use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=1,
        attention_head_dim=[width // 16 for width in REFINER_CHANNELS],
        cross_attention_dim=SECOND_TEXT_WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_ID_WIDTH,
        projection_class_embeddings_input_dim=SECOND_TEXT_WIDTH + 5 * TIME_ID_WIDTH,
    )


def build_scheduler() -> EulerDiscreteScheduler:
    """Return SDXL's noise schedule for Euler steps, starting each run from pure noise."""
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        prediction_type="epsilon",
        # "trailing" starts at the last timestep, so few steps still begin where training had pure noise.
        timestep_spacing="trailing",
        steps_offset=1,
    )


def build_pipeline(tokenizers: Path) -> StableDiffusionXLPipeline:
    """Return an untrained pipeline whose tokenizers are read from the named folder."""
    first = CLIPTokenizer.from_pretrained(tokenizers / "tokenizer")
    second = CLIPTokenizer.from_pretrained(tokenizers / "tokenizer_2")
    return StableDiffusionXLPipeline(
        vae=build_vae(),
        text_encoder=CLIPTextModel(text_configuration(FIRST_TEXT_WIDTH, 2, "quick_gelu", len(first))),
        text_encoder_2=CLIPTextModelWithProjection(text_configuration(SECOND_TEXT_WIDTH, 1, "gelu", len(second))),
        tokenizer=first,
        tokenizer_2=second,
        unet=build_unet(),
        scheduler=build_scheduler(),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
