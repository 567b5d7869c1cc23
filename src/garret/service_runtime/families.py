"""The configuration folder that fits a checkpoint's sizes, and what an empty field of a request means for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from garret.service_runtime.safetensors_header import Header
from garret.service_runtime.tensor_families import UNET

FIRST_WORDS = "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"
SECOND_WORDS = "conditioner.embedders.1.model.token_embedding.weight"
REFINER_WORDS = "conditioner.embedders.0.model.token_embedding.weight"
_DECODER = "first_stage_model.decoder.conv_in.weight"
SDXL_SIZE = 1024


@dataclass(frozen=True)
class Defaults:
    """What an empty field of a request means for one model; `size` is in pixels on either side."""

    size: int
    steps: int
    cfg_scale: float
    sampler: str = "Euler"


def defaults_of(size: int) -> Defaults:
    """Return a model's defaults by its native size: a small demonstration model needs fewer steps and less guidance."""
    return Defaults(size, 30, 6.0) if size >= 512 else Defaults(size, 8, 3.0)


def find_configuration(header: Header, root: Path) -> Path | None:
    """Return the folder with a model_index.json below `root` whose sizes are this checkpoint's, or None."""
    patterns = ("model_index.json", "*/model_index.json", "*/*/model_index.json")
    for index in sorted(path for pattern in patterns for path in root.glob(pattern)):
        if _fits(header, _sizes(index.parent)):
            return index.parent
    return None


def native_size(folder: Path | None) -> int:
    """Return the side in pixels that a configuration was made for; SDXL's without one."""
    sizes = _sizes(folder) if folder else {}
    return int(sizes.get("native_size") or SDXL_SIZE)


def _fits(header: Header, sizes: dict[str, Any]) -> bool:
    if not sizes:
        return False
    # A refiner may leave its VAE out: it shares the base's.
    decoder = header.shape(_DECODER)[:2] or (sizes["vae_input"] if header.shape(REFINER_WORDS) else ())
    return bool(
        header.shape(UNET + "input_blocks.0.0.weight")[:2] == sizes["unet_input"]
        and header.shape(UNET + "label_emb.0.0.weight")[1:] == sizes["unet_added"]
        and (header.shape(SECOND_WORDS) or header.shape(REFINER_WORDS)) == sizes["second_words"]
        and (header.shape(FIRST_WORDS) or None) == sizes["first_words"]
        and decoder == sizes["vae_input"]
    )


@lru_cache(maxsize=64)
def _sizes(folder: Path) -> dict[str, Any]:
    """Return the sizes that tell one architecture from another, read from a folder's config.json files."""
    try:
        unet, vae, second = (_read(folder / name) for name in ("unet", "vae", "text_encoder_2"))
        has_first = (folder / "text_encoder" / "config.json").exists()
        first = _read(folder / "text_encoder") if has_first else None
        return {
            "unet_input": (unet["block_out_channels"][0], unet["in_channels"]),
            "unet_added": (unet["projection_class_embeddings_input_dim"],),
            "second_words": (second["vocab_size"], second["hidden_size"]),
            "first_words": (first["vocab_size"], first["hidden_size"]) if first else None,
            "vae_input": (vae["block_out_channels"][-1], vae["latent_channels"]),
            "native_size": unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1),
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return {}


def _read(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return values
