"""Small rough pictures out of latents alone: a colour is nearly a linear function of a latent's channels.

Which one is asked of the VAE itself, once: it encodes flat colours, and the function is fitted to what it answers.
"""

from __future__ import annotations

from itertools import product
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from garret.service_runtime.engine.decode import encode

SIDE = 64
LEVELS = (-0.9, 0.0, 0.9)


class Colours:
    """For each VAE that was seen, the matrix [channels + 1, 3] from a latent's channels and 1 to its colour."""

    def __init__(self) -> None:
        self._fitted: WeakKeyDictionary[Any, Tensor] = WeakKeyDictionary()

    def __contains__(self, vae: Any) -> bool:
        """Say whether a VAE's matrix is known."""
        return vae in self._fitted

    def of(self, vae: Any) -> Tensor:
        """Return a VAE's matrix; the VAE must be on its device where it is not known yet."""
        if vae not in self._fitted:
            self._fitted[vae] = fit(vae)
        return self._fitted[vae]


def fit(vae: Any) -> Tensor:
    """Return the least squares' matrix for flat colours; what the VAE cannot encode gives grey."""
    colours = torch.tensor(list(product(LEVELS, repeat=3))[::2])
    flat = colours.view(-1, 3, 1, 1).expand(-1, -1, SIDE, SIDE).to(vae.device)
    latents = encode(vae, flat)
    middle = latents.shape[-1] // 4
    # The borders are left out: what lies beyond them is in their latents.
    means = latents[:, :, middle:-middle, middle:-middle].mean((2, 3)).cpu()
    told = torch.cat([means, torch.ones(len(means), 1)], dim=1)
    if not told.isfinite().all():
        return torch.zeros(told.shape[1], 3, device=vae.device)
    return torch.linalg.lstsq(told, colours).solution.to(vae.device)


def preview(latents: Tensor, colours: Tensor) -> Tensor:
    """Return bytes [pictures, height, width, 3], a pixel for each latent, without waiting for the device."""
    picture = torch.einsum("pchw,ck->phwk", latents.float(), colours[:-1]) + colours[-1]
    return ((picture / 2 + 0.5).clamp(0, 1) * 255).to(torch.uint8)
