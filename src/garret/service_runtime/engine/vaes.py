"""The VAE that pictures go through: the checkpoint's own, one that was chosen, or one that does not overflow."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from garret.service_runtime.batch import Used
from garret.service_runtime.engine.keys import vae_sources
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import ModelError
from garret.service_runtime.model_files import version_of

KEPT = 2
Key = tuple[str, int, int, bool]
_PREFIXES = ("", "first_stage_model.")


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
            key = (str(path), *version_of(path), half_safe)
        except OSError as error:
            raise ModelError(f"vae: {path.name}: {error.strerror}") from None
        if key not in self._loaded:
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
            self._loaded[key] = load_vae(path, own, self._device, self._dtype, half_safe)
        self._loaded.move_to_end(key)
        return self._loaded[key]


def load_vae(path: Path, own: Any, device: torch.device, dtype: torch.dtype, half_safe: bool = False) -> Any:
    """Load a VAE file, in the original names or diffusers', with the sizes of the checkpoint's own VAE.

    One that may overflow in half precision is kept in full.

    Raises:
        ModelError: says what the file lacks.
    """
    config = dict(own.config) | ({"force_upcast": False} if half_safe else {})
    with torch.device("meta"):
        vae = type(own).from_config(config)
    weights = _read(path, vae, own.config)
    precision = torch.float32 if dtype == torch.float16 and vae.config.force_upcast else dtype
    try:
        vae.load_state_dict({name: value.to(device, precision) for name, value in weights.items()}, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f"vae: {path.name} is not of this checkpoint's kind: {reason}"[:300]) from None
    vae.requires_grad_(False).eval()
    return vae.to(device, memory_format=torch.channels_last)


def _read(path: Path, vae: Any, config: Any) -> dict[str, torch.Tensor]:
    """Return the weights by diffusers' names."""
    shapes = {name: value.shape for name, value in vae.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            there = set(file.keys())
            if shapes.keys() <= there:
                return {name: file.get_tensor(name) for name in shapes}
            for prefix in _PREFIXES:
                sources = {name: source.name for name, source in vae_sources(shapes, config, prefix).items()}
                if set(sources.values()) <= there:
                    # The original's attention is made of 1x1 convolutions.
                    return {name: _flat(file.get_tensor(source), shapes[name]) for name, source in sources.items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"vae: {path.name} does not load: {error}"[:300]) from None
    raise ModelError(f"vae: {path.name} has not the tensors of this checkpoint's VAE", "Choose another VAE")


def _flat(value: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    return value.reshape(shape) if value.numel() == shape.numel() else value
