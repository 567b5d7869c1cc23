"""What every API dialect becomes: one frozen record of the pictures asked for, refused here if it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from garret.service_runtime import asked
from garret.service_runtime.asked import (
    Hires,
    Lora,
    Mask,
    Noise,
    Output,
    Refiner,
    Shortcuts,
    Sizes,
    Start,
    Upscale,
    Variation,
)
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.kinds import check_kinds
from garret.service_runtime.limits import (
    MAXIMUM_BATCH,
    MAXIMUM_FINAL_PIXELS,
    MAXIMUM_FINAL_SIDE,
    MAXIMUM_GUIDANCE,
    MAXIMUM_PICTURES,
    MAXIMUM_SECOND_SIDE,
    MAXIMUM_SEED,
    MAXIMUM_STEPS,
    check_choice,
    check_number,
    check_side,
    check_text,
    check_whole,
)
from garret.service_runtime.plain import plain
from garret.service_runtime.samplers import find_sampler

OF_ONE_PICTURE = frozenset({"prompt", "negative_prompt", "styles", "seed", "batch_size", "n_iter", "output"})
"""What may differ between pictures that are made in one batch; a variation's seed may as well."""


@dataclass(frozen=True)
class ImageRequest:
    """Pictures asked for; sides are in pixels, and nothing is left to a default any more.

    Where a picture that is there is only made larger, `width` and `height` are its own, and the checkpoint is none.
    """

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
    styles: tuple[str, ...] = ()
    clip_skip: int = 1
    vae: str = ""
    loras: tuple[Lora, ...] = ()
    sizes: Sizes = field(default_factory=Sizes)
    noise: Noise = field(default_factory=Noise)
    variation: Variation = field(default_factory=Variation)
    start: Start | None = None
    hires: Hires | None = None
    refiner: Refiner | None = None
    upscale: Upscale | None = None
    shortcuts: Shortcuts = field(default_factory=Shortcuts)
    memory: str = "auto"
    output: Output = field(default_factory=Output)

    def __post_init__(self) -> None:
        """Refuse what no engine should be asked for, naming the field."""
        check_text("prompt", self.prompt)
        check_text("negative_prompt", self.negative_prompt)
        self._check_sizes()
        check_whole("steps", self.steps, 1, MAXIMUM_STEPS)
        check_whole("seed", self.seed, 0, MAXIMUM_SEED)
        check_whole("batch_size", self.batch_size, 1, MAXIMUM_BATCH)
        check_whole("n_iter", self.n_iter, 1, MAXIMUM_PICTURES)
        if self.count > MAXIMUM_PICTURES:
            reason = f"{self.batch_size} x n_iter {self.n_iter} makes {self.count} pictures"
            raise BadRequest("batch_size", reason, f"One request makes at most {MAXIMUM_PICTURES}")
        check_number("cfg_scale", self.cfg_scale, 0, MAXIMUM_GUIDANCE)
        check_whole("clip_skip", self.clip_skip, 1, 12)
        check_choice("memory", self.memory, asked.MEMORY_MODES)
        find_sampler(self.sampler, self.schedule, ("sampler", "schedule"))
        for style in self.styles:
            check_text("styles", style, 200)
        check_text("vae", self.vae, 200)
        if self.start is not None and self.hires is not None:
            raise BadRequest("hires", "does not go together with start", "Begin from the picture at a larger size")
        if not self.paints:
            self._check_only_upscaled()

    def _check_sizes(self) -> None:
        """Refuse sizes that are not painted, or not made."""
        for name in ("width", "height"):
            if self.paints:
                check_side(name, getattr(self, name))
            else:
                check_whole(name, getattr(self, name), 1, MAXIMUM_FINAL_SIDE)
        width, height = self.painted_size
        if self.hires is not None and max(width, height) > MAXIMUM_SECOND_SIDE:
            raise BadRequest("hires", f"makes {width} x {height}", f"A side has at most {MAXIMUM_SECOND_SIDE} pixels")
        width, height = self.final_size
        if max(width, height) > MAXIMUM_FINAL_SIDE or width * height > MAXIMUM_FINAL_PIXELS:
            bounds = f"At most {MAXIMUM_FINAL_SIDE} on a side and {MAXIMUM_FINAL_PIXELS} pixels in all"
            raise BadRequest("upscale", f"makes {width} x {height}", bounds)

    def _check_only_upscaled(self) -> None:
        """Refuse what would only be said to somebody who paints."""
        told = {name: getattr(self, name) for name in ("checkpoint", "prompt", "negative_prompt", "styles")}
        told |= {name: getattr(self, name) for name in ("loras", "vae", "start", "hires", "refiner")}
        if name := next((name for name, value in told.items() if value), ""):
            hint = "Leave upscale.image out to have the new pictures made larger, or leave this out"
            raise BadRequest(name, "does not go together with upscale.image: nothing is painted", hint)
        if self.count > 1:
            raise BadRequest("batch_size", "one picture becomes one picture", "Send a request for each picture")

    @property
    def paints(self) -> bool:
        """Say whether anything is painted, or a picture that is there only made larger."""
        return self.upscale is None or not self.upscale.image

    @property
    def painted_size(self) -> tuple[int, int]:
        """Return width and height after a second pass, where there is one."""
        return self.hires.size(self.width, self.height) if self.hires else (self.width, self.height)

    @property
    def final_size(self) -> tuple[int, int]:
        """Return width and height of the pictures that the caller gets."""
        return self.upscale.size(*self.painted_size) if self.upscale else self.painted_size

    @property
    def count(self) -> int:
        """Return how many pictures are asked for."""
        return self.batch_size * self.n_iter

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what pictures must share to be made in one batch."""
        shared = [getattr(self, one.name) for one in fields(self) if one.name not in OF_ONE_PICTURE | {"variation"}]
        other = self.variation
        return (*shared, other.strength, other.from_width, other.from_height)

    def seed_of(self, index: int) -> int:
        """Return the seed of one picture: the first one's, counted on; with a variation all begin from the first."""
        return self.seed if self.variation.strength else (self.seed + index) % (MAXIMUM_SEED + 1)

    def variation_seed_of(self, index: int) -> int:
        """Return the other seed of one picture, of which a variation takes a share."""
        return (self.variation.seed + index) % (MAXIMUM_SEED + 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        values: dict[str, Any] = plain(self)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageRequest:
        """Read what `to_dict` wrote, also before a version that has more fields.

        Raises:
            BadRequest: names the field that no request has, or that is wrong.
        """
        read = dict(values)
        for name, kind in asked.PARTS.items():
            if read.get(name) is not None:
                read[name] = _part(name, kind, read[name])
        read["loras"] = tuple(_part("loras", Lora, entry) for entry in read.get("loras") or ())
        read["styles"] = tuple(read.get("styles") or ())
        return _part("request", cls, read)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ImageResult:
    """The pictures of one job as files, in the order of their seeds, with what each was made from."""

    job_id: str
    request: ImageRequest
    pictures: tuple[bytes, ...] = field(repr=False)
    infotexts: tuple[str, ...]
    model_name: str
    model_sha256: str
    seconds: float
    notes: Mapping[str, str] = field(default_factory=dict)


def _part(name: str, kind: type, values: Mapping[str, Any]) -> Any:
    """Make a record of a mapping, naming a field that it has not."""
    if not isinstance(values, Mapping):
        raise BadRequest(name, "must be an object")
    known = [one.name for one in fields(kind)]
    for key in values:
        if key not in known:
            raise BadRequest(f"{name}.{str(key)[:40]}", "is not a field", f"Known: {', '.join(known)}")
    inner = dict(values)
    if kind is Start and isinstance(inner.get("mask"), Mapping):
        inner["mask"] = _part("mask", Mask, inner["mask"])
    check_kinds(kind, inner, "" if name == "request" else f"{name}.")
    try:
        return kind(**inner)
    except TypeError:
        absent = [one.name for one in fields(kind) if one.name not in inner]
        raise BadRequest(name, f"a field is not there or of the wrong kind; not given: {', '.join(absent)}") from None
