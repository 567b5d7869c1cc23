"""The VAE that a batch is decoded with: the checkpoint's own, or another one by its file."""

from __future__ import annotations

from typing import Any

import torch

from garret.service_runtime.batch import Used
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import BadRequest


class Vaes:
    """VAEs in memory beside those of checkpoints."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype

    def choose(self, parts: Parts, used: Used) -> Any:
        """Return the VAE to use: the checkpoint's own where no other one is named."""
        if used.vae:
            raise BadRequest("vae", "cannot be chosen yet")
        return parts.vae

    def unload(self) -> None:
        """Let every VAE go."""
