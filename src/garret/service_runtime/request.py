"""What every API dialect becomes: one frozen record of the pictures asked for, refused here if it is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.errors import BadRequest

MINIMUM_SIDE, MAXIMUM_SIDE, SIDE_STEP = 64, 2048, 8
MAXIMUM_STEPS = 100
MAXIMUM_BATCH = 4
MAXIMUM_PICTURES = 16
MAXIMUM_PROMPT = 4_000
MAXIMUM_GUIDANCE = 30.0
MAXIMUM_SEED = 2**63 - 1


@dataclass(frozen=True)
class ImageRequest:
    """Pictures asked for; sides are in pixels, and nothing is left to a default any more."""

    checkpoint: str
    prompt: str
    width: int
    height: int
    steps: int
    cfg_scale: float
    seed: int
    negative_prompt: str = ""
    sampler: str = "Euler"
    schedule: str = "automatic"
    batch_size: int = 1
    n_iter: int = 1

    def __post_init__(self) -> None:
        """Refuse what no engine should be asked for, naming the field."""
        _check_text("prompt", self.prompt)
        _check_text("negative_prompt", self.negative_prompt)
        for name in ("width", "height"):
            side = getattr(self, name)
            _check_integer(name, side, MINIMUM_SIDE, MAXIMUM_SIDE)
            if side % SIDE_STEP:
                nearest = max(MINIMUM_SIDE, round(side / SIDE_STEP) * SIDE_STEP)
                raise BadRequest(name, f"{side} is not a multiple of {SIDE_STEP}", f"Try {nearest}")
        _check_integer("steps", self.steps, 1, MAXIMUM_STEPS)
        _check_integer("seed", self.seed, 0, MAXIMUM_SEED)
        _check_integer("batch_size", self.batch_size, 1, MAXIMUM_BATCH)
        _check_integer("n_iter", self.n_iter, 1, MAXIMUM_PICTURES)
        if self.count > MAXIMUM_PICTURES:
            reason = f"{self.batch_size} x n_iter {self.n_iter} makes {self.count} pictures"
            raise BadRequest("batch_size", reason, f"One request makes at most {MAXIMUM_PICTURES}")
        if not (math.isfinite(self.cfg_scale) and 0 <= self.cfg_scale <= MAXIMUM_GUIDANCE):
            raise BadRequest("cfg_scale", f"must be 0 to {MAXIMUM_GUIDANCE:g}")

    @property
    def count(self) -> int:
        """Return how many pictures are asked for."""
        return self.batch_size * self.n_iter

    def seed_of(self, index: int) -> int:
        """Return the seed of one picture: the first one's, counted on."""
        return (self.seed + index) % (MAXIMUM_SEED + 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImageRequest:
        """Read what `to_dict` wrote."""
        return cls(**values)


@dataclass(frozen=True)
class ImageResult:
    """The pictures of one job as PNG files, in the order of their seeds, with what each was made from."""

    job_id: str
    request: ImageRequest
    pictures: tuple[bytes, ...] = field(repr=False)
    infotexts: tuple[str, ...]
    model_name: str
    model_sha256: str
    seconds: float
    notes: Mapping[str, str] = field(default_factory=dict)


def _check_text(name: str, text: str) -> None:
    if len(text) > MAXIMUM_PROMPT:
        raise BadRequest(name, f"has {len(text)} characters", f"At most {MAXIMUM_PROMPT}")
    if "\0" in text:
        raise BadRequest(name, "holds a NUL character", "Leave it out")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest(name, "holds half of a surrogate pair, which is no character", "Send valid Unicode") from None


def _check_integer(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(name, "must be a whole number")
    if not low <= value <= high:
        shown = str(value) if abs(value) < 10**12 else "the number"
        raise BadRequest(name, f"{shown} is out of range", f"Give {low} to {high}")
