"""What one run of an engine makes: pictures that differ in nothing but their words and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.service_runtime.plain import plain
from garret.service_runtime.request import ImageRequest


@dataclass(frozen=True)
class Picture:
    """One picture of a batch: its words with styles applied and without the tags of LoRAs, and its seeds.

    The words of a second pass are empty where it has the first one's.
    """

    prompt: str
    negative_prompt: str
    seed: int
    variation_seed: int = 0
    hires_prompt: str = ""
    hires_negative_prompt: str = ""


@dataclass(frozen=True)
class UsedLora:
    """One LoRA's file, and the weights of its change to the UNet and to the text encoders."""

    path: str
    weight: float = 1.0
    text_weight: float = 1.0


@dataclass(frozen=True)
class Used:
    """The files that a picture is made with, as paths on this node; empty is what the checkpoint brings itself.

    `embeddings` are words of the prompt with the files that they stand for. `half_vae` takes the place of the
    checkpoint's own VAE in half precision, where `vae` is empty. `picture` is one that is only made larger, without a
    checkpoint; `upscalers` are the networks of `Upscale.names` in their order, empty for those that are none.
    """

    checkpoint: str
    vae: str = ""
    half_vae: str = ""
    refiner: str = ""
    loras: tuple[UsedLora, ...] = ()
    embeddings: tuple[tuple[str, str], ...] = ()
    start: str = ""
    mask: str = ""
    hires_upscaler: str = ""
    picture: str = ""
    upscalers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Pictures of one shape to be made together: `request` is the first one's, equal to the others' in its shape.

    `memory` is "normal" or "low" where the service has decided, "auto" where the engine may.
    """

    request: ImageRequest
    used: Used
    pictures: tuple[Picture, ...]
    memory: str = "auto"

    def to_dict(self) -> dict[str, Any]:
        """Return the batch as JSON values."""
        values: dict[str, Any] = plain(self)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Batch:
        """Read what `to_dict` wrote."""
        used = dict(values["used"])
        used["loras"] = tuple(UsedLora(**entry) for entry in used["loras"])
        used["embeddings"] = tuple((word, path) for word, path in used["embeddings"])
        used["upscalers"] = tuple(used.get("upscalers") or ())
        pictures = tuple(Picture(**entry) for entry in values["pictures"])
        return cls(ImageRequest.from_dict(values["request"]), Used(**used), pictures, values["memory"])
