"""The few sizes by which parts fit together: LoRAs, VAEs and refiners of others are refused before they are loaded."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from garret.service_runtime.families import REFINER_WORDS, SECOND_WORDS
from garret.service_runtime.safetensors_header import Header

_DECODER = re.compile(r"^(first_stage_model\.)?decoder\.conv_in\.weight$")
_READER = re.compile(r"attn2[._]to_[kv][._](weight|lora[._](down|A)[._]weight|lora\.down\.weight|hada_w[12]_b)$")


@dataclass(frozen=True)
class Widths:
    """How wide are the text that a UNet reads, the second text encoder's, and a VAE's decoder; 0 is not known.

    SDXL has 2048, 1280 and 512; its refiner reads 1280.
    """

    text: int = 0
    second_text: int = 0
    decoder: int = 0


def widths_of(header: Header) -> Widths:
    """Return what a file's tensors say of it."""
    text = decoder = 0
    for name, tensor in header.tensors.items():
        if not text and len(tensor.shape) >= 2 and _READER.search(name):
            text = tensor.shape[1]
        if len(tensor.shape) == 4 and _DECODER.match(name):
            decoder = tensor.shape[0]
    words = header.shape(SECOND_WORDS) or header.shape(REFINER_WORDS)
    return Widths(text, words[1] if len(words) == 2 else 0, decoder)


def widths_of_folder(folder: Path) -> Widths:
    """Return what the config.json files of a diffusers folder say; nothing where they cannot be read."""
    try:
        unet, vae, second = (
            json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
            for part in ("unet", "vae", "text_encoder_2")
        )
        return Widths(unet["cross_attention_dim"], second["hidden_size"], vae["block_out_channels"][-1])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return Widths()


def fits(one: int, other: int) -> bool:
    """Return whether two widths are the same, as far as both are known."""
    return not one or not other or one == other
