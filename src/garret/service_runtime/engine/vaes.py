"""The VAE that a batch is decoded with: the checkpoint's own, or another one by its file."""

from __future__ import annotations

import torch

from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import BadRequest


class Vaes:
    """VAEs in memory beside those of checkpoints."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype

    def choose(self, parts: Parts, path: str) -> Parts:
        """Return the parts with the VAE of this file; an empty path is what the checkpoint brings."""
        if path:
            raise BadRequest("vae", "cannot be chosen yet")
        return parts

    def unload(self) -> None:
        """Let every VAE go."""
