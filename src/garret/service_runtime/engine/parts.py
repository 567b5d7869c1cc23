"""A checkpoint's parts as the engine uses them: UNet, decoder, text encoders and what they are told by their files.

The weights are those that diffusers' `from_single_file` and `from_pretrained` load; they are read by this package's own
code because those import half of diffusers and all of transformers, and read a file through the host's memory.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from garret.service_runtime.engine.layout import Layout, Origin, lay_out
from garret.service_runtime.engine.modules import build_text_encoder, build_unet, build_vae
from garret.service_runtime.engine.tokenizer import Tokenizer
from garret.service_runtime.engine.weights import fill
from garret.service_runtime.errors import ModelError, ServiceError

TILE = 512
"""The side in pixels of the tiles that a picture is decoded in when memory is short."""


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
        return _load(lay_out(path, config_dir), path, device, dtype, share)
    except (ServiceError, torch.OutOfMemoryError):
        raise
    except OSError as error:
        raise ModelError(f"{path.name}: {error.strerror or error}") from error
    except Exception as error:
        raise ModelError(f"{path.name} does not load: {type(error).__name__}: {error}"[:400]) from error


def load_vae(origin: Origin, device: torch.device, dtype: torch.dtype) -> Any:
    """Load an autoencoder, in full precision where it is one that overflows in half."""
    module = build_vae(origin.config)
    if dtype == torch.float16 and module.config.force_upcast:
        dtype = torch.float32
    fill(module, origin.files, origin.sources(module.state_dict()), device, dtype)
    # What a large picture is decoded in when memory is short; diffusers' own tiles are as large as SDXL's pictures.
    side = min(TILE, module.tile_sample_min_size)
    module.tile_sample_min_size = side
    module.tile_latent_min_size = side // 2 ** (len(module.config.block_out_channels) - 1)
    return module


def _load(layout: Layout, path: Path, device: torch.device, dtype: torch.dtype, share: Parts | None) -> Parts:
    first = layout.text_encoder
    return Parts(
        path=str(path),
        unet=_filled(build_unet(layout.unet.config), layout.unet, device, dtype),
        vae=share.vae if share else load_vae(layout.vae, device, dtype),
        text_encoder=_filled(build_text_encoder(first.config), first, device, dtype) if first else None,
        text_encoder_2=share.text_encoder_2 if share else _second(layout.text_encoder_2, device, dtype),
        tokenizer=Tokenizer(layout.folder / "tokenizer") if first else None,
        tokenizer_2=share.tokenizer_2 if share else Tokenizer(layout.tokenizer_2),
        scheduler_config=_scheduler_config(layout),
        config=layout.config,
    )


def _second(origin: Origin, device: torch.device, dtype: torch.dtype) -> Any:
    return _filled(build_text_encoder(origin.config), origin, device, dtype)


def _filled(module: Any, origin: Origin, device: torch.device, dtype: torch.dtype) -> Any:
    fill(module, origin.files, origin.sources(module.state_dict()), device, dtype)
    return module


def _scheduler_config(layout: Layout) -> dict[str, Any]:
    """Return the scheduler's configuration with the defaults of its own class."""
    name = str(layout.scheduler["_class_name"])
    scheduler: Any = getattr(importlib.import_module("diffusers"), name)
    return dict(scheduler.from_config(layout.scheduler).config)
