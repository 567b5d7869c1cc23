"""The names that A1111 gives a picture's settings, each with the field of a request that it stands for.

What A1111 has no name for has one of ours, in words of the same kind; programs that do not know it leave it out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from garret.service_runtime.asked import PARTS, Mask
from garret.service_runtime.request import ImageRequest

_DIGEST = re.compile(r"[0-9a-f]{64}")
_HASH_AFTER_NAME = re.compile(r" \[[0-9a-f]{8,12}\]$")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


@dataclass(frozen=True)
class Pair:
    """One name with the fields it stands for: `write` makes text of their values, `read` values of a text."""

    key: str
    fields: tuple[str, ...]
    write: Callable[..., str]
    read: Callable[[str], tuple[Any, ...]]
    always: bool = False
    default: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Look the fields' defaults up: what has them is not written, unless always."""
        object.__setattr__(self, "default", tuple(_default(name) for name in self.fields))


def number_text(value: float) -> str:
    """Return a number without a point that says nothing: 7, 0.75."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _whole(key: str, name: str, *, always: bool = False) -> Pair:
    return Pair(key, (name,), str, lambda text: (int(text),), always)


def _number(key: str, name: str, *, always: bool = False) -> Pair:
    return Pair(key, (name,), number_text, lambda text: (_finite(text),), always)


def _text(key: str, name: str, *, always: bool = False) -> Pair:
    return Pair(key, (name,), str, lambda text: (text,), always)


def _model(key: str, name: str) -> Pair:
    return Pair(key, (name,), str, lambda text: (_HASH_AFTER_NAME.sub("", text),), always=True)


def _size(key: str, first: str, second: str, *, always: bool = False) -> Pair:
    return Pair(key, (first, second), lambda a, b: f"{a}x{b}", _two, always)


def _digest(key: str, name: str) -> Pair:
    """Read only digests of ours: A1111 has shorter ones, which find no picture here."""
    return Pair(key, (name,), str, _whole_digest, always=True)


def _named(key: str, name: str, words: Mapping[Any, str]) -> Pair:
    values = {text: value for value, text in words.items()}
    return Pair(key, (name,), lambda value: words[value], lambda text: (values[text],))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _two(text: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(text)
    return int(found[1]), int(found[2])


def _whole_digest(text: str) -> tuple[str]:
    if not _DIGEST.fullmatch(text):
        raise ValueError(text)
    return (text,)


def _default(name: str) -> Any:
    part, _, rest = name.rpartition(".")
    kind = {**PARTS, "": ImageRequest, "start.mask": Mask}[part]
    return next(one.default for one in fields(kind) if one.name == rest)


PAIRS = (
    _whole("Steps", "steps", always=True),
    _text("Sampler", "sampler", always=True),
    _text("Schedule type", "schedule", always=True),
    _number("CFG scale", "cfg_scale", always=True),
    _whole("Seed", "seed", always=True),
    _size("Size", "width", "height", always=True),
    _text("Model", "checkpoint", always=True),
    _text("VAE", "vae"),
    _whole("Variation seed", "variation.seed"),
    _number("Variation seed strength", "variation.strength"),
    _size("Seed resize from", "variation.from_width", "variation.from_height"),
    _number("Denoising strength", "start.denoise", always=True),
    _whole("Clip skip", "clip_skip"),
    _digest("Init image hash", "start.image"),
    _text("Resize mode", "start.resize"),
    _number("Noise multiplier", "start.noise"),
    _digest("Mask hash", "start.mask.image"),
    _number("Mask blur", "start.mask.blur", always=True),
    _named("Mask mode", "start.mask.invert", {True: "Inpaint not masked"}),
    _named("Inpaint area", "start.mask.only_masked", {True: "Only masked"}),
    _whole("Masked area padding", "start.mask.padding"),
    _named("Masked content", "start.mask.fill", {"fill": "fill", "noise": "latent noise", "nothing": "latent nothing"}),
    _named("Soft inpainting enabled", "start.mask.soft", {True: "True"}),
    _number("Eta", "noise.eta"),
    _number("Sigma churn", "noise.s_churn"),
    _number("Sigma tmin", "noise.s_tmin"),
    _number("Sigma tmax", "noise.s_tmax"),
    _number("Sigma noise", "noise.s_noise"),
    _number("Hires upscale", "hires.scale", always=True),
    _size("Hires resize", "hires.width", "hires.height"),
    _text("Hires upscaler", "hires.upscaler", always=True),
    _whole("Hires steps", "hires.steps"),
    _number("Hires denoising strength", "hires.denoise", always=True),
    _number("Hires CFG Scale", "hires.cfg_scale"),
    _text("Hires sampler", "hires.sampler"),
    _text("Hires schedule type", "hires.schedule"),
    _text("Hires prompt", "hires.prompt"),
    _text("Hires negative prompt", "hires.negative_prompt"),
    _number("Postprocess upscale by", "upscale.scale", always=True),
    _size("Postprocess upscale to", "upscale.width", "upscale.height"),
    _named("Postprocess crop", "upscale.crop", {False: "none"}),
    _text("Postprocess upscaler", "upscale.upscaler", always=True),
    _text("Postprocess upscaler 2", "upscale.second"),
    _number("Postprocess upscaler 2 visibility", "upscale.visibility"),
    _model("Refiner", "refiner.checkpoint"),
    _number("Refiner switch at", "refiner.switch_at", always=True),
    _named("Refiner mode", "refiner.mode", {"again": "image to image"}),
    _number("Refiner strength", "refiner.strength"),
    _whole("Refiner steps", "refiner.steps"),
    _number("Aesthetic score", "refiner.aesthetic_score"),
    _number("Negative aesthetic score", "refiner.negative_aesthetic_score"),
    _size("Original size", "sizes.original_width", "sizes.original_height"),
    _size("Crop", "sizes.crop_left", "sizes.crop_top"),
    _size("Target size", "sizes.target_width", "sizes.target_height"),
    _number("Guidance from", "shortcuts.guidance_from"),
    _number("Guidance until", "shortcuts.guidance_until"),
    _named("FP8 weight", "shortcuts.fp8", {True: "Enable"}),
)
SIGNS = {
    "start": ("start.image",),
    "start.mask": ("start.mask.image",),
    "hires": ("hires.scale", "hires.width", "hires.upscaler"),
    "upscale": ("upscale.scale", "upscale.width", "upscale.upscaler"),
    "refiner": ("refiner.checkpoint",),
}
"""What must be said for a part to be there at all: A1111 uses some names for more than one part."""
