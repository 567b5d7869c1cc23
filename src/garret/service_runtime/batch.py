"""What one run of an engine makes: pictures that differ in nothing but their words and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Picture:
    """One picture of a batch."""

    prompt: str
    negative_prompt: str
    seed: int


@dataclass(frozen=True)
class Batch:
    """Pictures of one shape to be made together; `checkpoint` is a path, sides are in pixels."""

    checkpoint: str
    width: int
    height: int
    steps: int
    cfg_scale: float
    sampler: str
    schedule: str
    pictures: tuple[Picture, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the batch as JSON values."""
        return {**vars(self), "pictures": [dict(vars(picture)) for picture in self.pictures]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Batch:
        """Read what `to_dict` wrote."""
        return cls(**{**values, "pictures": tuple(Picture(**entry) for entry in values["pictures"])})
