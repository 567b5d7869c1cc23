"""A checkpoint's parts as the engine uses them: UNet, decoder, text encoders and what they are told by their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from garret.service_runtime.errors import ModelError, ServiceError
from garret.service_runtime.families import find_configuration
from garret.service_runtime.safetensors_header import NotSafetensors, read_header
from garret.service_runtime.tensor_families import SDXL, family_of


@dataclass(frozen=True, eq=False)
class Parts:
    """One checkpoint in memory. A refiner has no first text encoder, and shares the base's second one and its VAE.

    `config` is the pipeline's own: `force_zeros_for_empty_prompt`, `requires_aesthetics_score`.
    """

    path: str
    unet: Any
    vae: Any
    text_encoder: Any
    text_encoder_2: Any
    tokenizer: Any
    tokenizer_2: Any
    scheduler_config: Mapping[str, Any]
    config: Mapping[str, Any]

    def with_vae(self, vae: Any) -> Parts:
        """Return the same parts with another decoder."""
        return replace(self, vae=vae)

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision that latents are denoised in."""
        return self.unet.dtype

    @property
    def channels(self) -> int:
        """Return how many channels latents have."""
        return int(self.unet.config.in_channels)

    @property
    def scale(self) -> int:
        """Return how many pixels one latent stands for on either side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def load(path: Path, config_dir: Path, device: torch.device, dtype: torch.dtype, share: Parts | None = None) -> Parts:
    """Load a checkpoint file or a diffusers folder; safetensors only, nothing from the network.

    `share` is the base of a refiner, whose second text encoder and VAE it takes instead of its own.

    Raises:
        ModelError: says what the file is, or what it lacks.
    """
    try:
        pipeline = _load_folder(path, dtype) if path.is_dir() else _load_file(path, config_dir, dtype)
    except (ServiceError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ModelError(f"{path.name} does not load: {type(error).__name__}: {error}"[:400]) from error
    parts = Parts(
        str(path),
        pipeline.unet,
        share.vae if share else pipeline.vae,
        getattr(pipeline, "text_encoder", None),
        share.text_encoder_2 if share else pipeline.text_encoder_2,
        getattr(pipeline, "tokenizer", None),
        pipeline.tokenizer_2,
        dict(pipeline.scheduler.config),
        dict(pipeline.config),
    )
    # A decoder that overflows in half precision is kept in full once and for all, not changed with every picture.
    decoder_dtype = torch.float32 if dtype == torch.float16 and parts.vae.config.force_upcast else dtype
    # Convolutions over channels that lie together: a third off the decoder's time on a CPU, some on a GPU.
    parts.unet.to(device, memory_format=torch.channels_last)
    parts.vae.to(device, decoder_dtype, memory_format=torch.channels_last)
    for encoder in filter(None, (parts.text_encoder, parts.text_encoder_2)):
        encoder.to(device)
    return parts


def _load_file(path: Path, config_dir: Path, dtype: torch.dtype) -> Any:
    from diffusers import StableDiffusionXLPipeline

    try:
        header = read_header(path)
    except NotSafetensors as error:
        raise ModelError(f"{path.name} {error}") from error
    except OSError as error:
        raise ModelError(f"{path.name}: {error.strerror}") from error
    family = family_of(header)
    if family != SDXL:
        raise ModelError(f"{path.name} is a model of the family {family!r}; this service makes pictures with SDXL only")
    configuration = find_configuration(header, config_dir)
    if configuration is None:
        raise ModelError(
            f"{path.name}: no configuration folder below {config_dir} has this model's sizes",
            "Put the model's diffusers folder without weights there",
        )
    return StableDiffusionXLPipeline.from_single_file(
        str(path), config=str(configuration), local_files_only=True, torch_dtype=dtype, add_watermarker=False
    )


def _load_folder(path: Path, dtype: torch.dtype) -> Any:
    from diffusers import DiffusionPipeline

    half = any(path.glob("unet/*.fp16.safetensors"))
    return DiffusionPipeline.from_pretrained(
        str(path),
        local_files_only=True,
        torch_dtype=dtype,
        use_safetensors=True,
        variant="fp16" if half else None,
        add_watermarker=False,
    )
