"""The VAE that pictures go through: the checkpoint's own, one that was chosen, or one that does not overflow."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from garret.service_runtime.batch import Used
from garret.service_runtime.engine.layout import vae_file
from garret.service_runtime.engine.parts import Parts, load_vae
from garret.service_runtime.errors import ModelError
from garret.service_runtime.model_files import version_of

KEPT = 2
Key = tuple[str, int, int, bool, str]
SAID_BY_OWN = ("scaling_factor", "shift_factor", "latents_mean", "latents_std", "force_upcast", "block_out_channels")
"""What a file of weights does not say, and the checkpoint's own VAE does."""


class Vaes:
    """VAEs in memory beside those of checkpoints; a file that was replaced is loaded anew."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype
        self._loaded: OrderedDict[Key, Any] = OrderedDict()

    def choose(self, parts: Parts, used: Used) -> Any:
        """Return the VAE that a batch is made with: the checkpoint's own where no other one is to be taken.

        Raises:
            ModelError: the file is gone, or no VAE of this checkpoint's kind.
        """
        path = used.vae
        if not path and self._dtype == torch.float16 and parts.vae.config.force_upcast:
            path = used.half_vae
        return self._take(Path(path), parts.vae, path == used.half_vae) if path else parts.vae

    def unload(self) -> None:
        """Let every VAE go."""
        self._loaded.clear()

    def _take(self, path: Path, own: Any, half_safe: bool) -> Any:
        try:
            said = str([own.config.get(name) for name in SAID_BY_OWN])
            key = (str(path), *version_of(path), half_safe, said)
        except OSError as error:
            raise ModelError(f"vae: {path.name}: {error.strerror}") from None
        if key not in self._loaded:
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
            self._loaded[key] = _load(path, own, self._device, self._dtype, half_safe)
        self._loaded.move_to_end(key)
        return self._loaded[key]


def _load(path: Path, own: Any, device: torch.device, dtype: torch.dtype, half_safe: bool) -> Any:
    """Load a VAE file with the sizes of the checkpoint's own; one that may overflow in half precision is kept in full.

    Raises:
        ModelError: says what the file lacks.
    """
    config = dict(own.config) | ({"force_upcast": False} if half_safe else {})
    try:
        return load_vae(vae_file(path, config), device, dtype)
    except ModelError as error:
        raise ModelError(f"vae: {error.message}", "Choose a VAE that was made for this kind of checkpoint") from None
    except OSError as error:
        raise ModelError(f"vae: {path.name}: {error.strerror}") from None
