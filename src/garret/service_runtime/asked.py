"""The parts of a request that not every picture needs: where it begins, what repaints it, how it is finished.

Sides, blurs and paddings are in pixels, shares and strengths 0 to 1; a name that is empty is the node's own choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import (
    MAXIMUM_FINAL_SIDE,
    MAXIMUM_GUIDANCE,
    SIDE_STEP,
    check_choice,
    check_number,
    check_side,
    check_text,
    check_whole,
)
from garret.service_runtime.samplers import find_sampler

RESIZES = ("stretch", "crop", "fill", "latent", "outpaint")
"""How a picture of another size comes to the request's: A1111's four, and one that repaints what `fill` would add."""
FILLS = ("fill", "original", "noise", "nothing")
REFINER_MODES = ("finish", "again")
LATENT_UPSCALERS = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}
"""A1111's names for what enlarges latents, as torch's interpolation and whether it is antialiased."""
PICTURE_UPSCALERS = {
    "None": ("nearest-exact", False),
    "Nearest": ("nearest-exact", False),
    "Bicubic": ("bicubic", True),
    "Lanczos": ("lanczos", True),
}
"""What enlarges the decoded picture instead; "None" is A1111's name for no upscaler of its own."""
UPSCALERS = (*LATENT_UPSCALERS, *PICTURE_UPSCALERS)
"""Those that every node has; the others are networks, models of the type upscaler, known by their files' names."""
LARGEST_SCALE = 8.0
FORMATS = ("png", "jpeg", "webp")
MEMORY_MODES = ("auto", "normal", "low")


@dataclass(frozen=True)
class Lora:
    """A change to the model, by name; `text_weight` is that of the text encoders, the same as `weight` when None."""

    name: str
    weight: float = 1.0
    text_weight: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no LoRA is applied with."""
        check_text("loras.name", self.name, 200)
        check_number("loras.weight", self.weight, -10, 10)
        if self.text_weight is not None:
            check_number("loras.text_weight", self.text_weight, -10, 10)


@dataclass(frozen=True)
class Mask:
    """What of a picture is repainted: white is, black is kept; `image` is a stored input's SHA-256.

    `only_masked` paints the mask's surroundings at the request's full size and puts them back; `padding` is how much of
    what lies around the mask is seen then. `fill` is what the masked part begins from.
    """

    image: str
    blur: float = 4.0
    only_masked: bool = False
    padding: int = 32
    fill: str = "original"
    invert: bool = False
    soft: bool = False

    def __post_init__(self) -> None:
        """Refuse what no mask can be."""
        check_number("mask.blur", self.blur, 0, 64)
        check_whole("mask.padding", self.padding, 0, 256)
        check_choice("mask.fill", self.fill, FILLS)


@dataclass(frozen=True)
class Start:
    """A picture to begin from: a stored input's SHA-256, and how much of it is denoised anew."""

    image: str
    denoise: float = 0.75
    resize: str = "stretch"
    noise: float = 1.0
    mask: Mask | None = None

    def __post_init__(self) -> None:
        """Refuse what no picture begins with."""
        check_number("start.denoise", self.denoise, 0, 1)
        check_choice("start.resize", self.resize, RESIZES)
        check_number("start.noise", self.noise, 0, 1.5)
        if self.resize == "outpaint" and self.mask is not None and self.mask.only_masked:
            hint = "Outpaint first, then repaint a part"
            raise BadRequest("mask.only_masked", "does not go together with outpainting", hint)


@dataclass(frozen=True)
class Refiner:
    """The second model: "finish" takes over after the share `switch_at` of the steps, "again" paints at `strength`."""

    checkpoint: str = ""
    mode: str = "finish"
    switch_at: float = 0.8
    strength: float = 0.15
    steps: int = 0
    aesthetic_score: float = 6.0
    negative_aesthetic_score: float = 2.5

    def __post_init__(self) -> None:
        """Refuse what no refiner does."""
        check_text("refiner.checkpoint", self.checkpoint, 200)
        check_choice("refiner.mode", self.mode, REFINER_MODES)
        check_number("refiner.switch_at", self.switch_at, 0, 1)
        check_number("refiner.strength", self.strength, 0, 1)
        check_whole("refiner.steps", self.steps, 0, 150)
        check_number("refiner.aesthetic_score", self.aesthetic_score, 0, 10)
        check_number("refiner.negative_aesthetic_score", self.negative_aesthetic_score, 0, 10)


@dataclass(frozen=True)
class Hires:
    """A second pass at a larger size; 0 and empty mean the first pass's own. `upscaler` may name a network's file."""

    scale: float = 2.0
    width: int = 0
    height: int = 0
    upscaler: str = "Latent"
    denoise: float = 0.7
    steps: int = 0
    cfg_scale: float = 0.0
    sampler: str = ""
    schedule: str = ""
    prompt: str = ""
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        """Refuse what no second pass does."""
        check_number("hires.scale", self.scale, 1, 4)
        for name in ("width", "height"):
            if getattr(self, name):
                check_side(f"hires.{name}", getattr(self, name))
        check_text("hires.upscaler", self.upscaler, 200)
        check_number("hires.denoise", self.denoise, 0, 1)
        check_whole("hires.steps", self.steps, 0, 150)
        check_number("hires.cfg_scale", self.cfg_scale, 0, MAXIMUM_GUIDANCE)
        find_sampler(self.sampler or "Euler", self.schedule, ("hires.sampler", "hires.schedule"))
        check_text("hires.prompt", self.prompt)
        check_text("hires.negative_prompt", self.negative_prompt)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the second pass over a picture of this size, as multiples of 8.

        One side alone takes the other one with it.
        """
        if self.width and self.height:
            return self.width, self.height
        scale = self.width / width if self.width else self.height / height if self.height else self.scale
        wide, high = (max(SIDE_STEP, int(side * scale) // SIDE_STEP * SIDE_STEP) for side in (width, height))
        return self.width or wide, self.height or high


@dataclass(frozen=True)
class Upscale:
    """A larger picture with nothing painted anew: of what the request makes, or of `image` alone, an input's SHA-256.

    With both sides the picture covers them, cut to them where `crop` says so; one side takes the other one with it.
    Without sides it grows by `scale`. `second` is a second upscaler, of whose picture `visibility` shines through.
    `about` is what `image` says of itself, which the new picture goes on to say.
    """

    image: str = ""
    upscaler: str = ""
    scale: float = 2.0
    width: int = 0
    height: int = 0
    crop: bool = True
    second: str = ""
    visibility: float = 0.0
    about: str = ""

    def __post_init__(self) -> None:
        """Refuse what makes no picture larger; it may make one smaller."""
        check_text("upscale.about", self.about)
        check_text("upscale.image", self.image, 64)
        check_text("upscale.upscaler", self.upscaler, 200)
        check_text("upscale.second", self.second, 200)
        check_number("upscale.scale", self.scale, 0.05, LARGEST_SCALE)
        for name in ("width", "height"):
            check_whole(f"upscale.{name}", getattr(self, name), 0, MAXIMUM_FINAL_SIDE)
        if not isinstance(self.crop, bool):
            raise BadRequest("upscale.crop", "must be true or false")
        check_number("upscale.visibility", self.visibility, 0, 1)
        for name in ("upscaler", "second"):
            if getattr(self, name) in LATENT_UPSCALERS:
                hint = "It belongs to a second pass: hires.upscaler"
                raise BadRequest(f"upscale.{name}", f"{getattr(self, name)!r} enlarges latents, not pictures", hint)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the upscalers that take part."""
        return (self.upscaler, self.second) if self.second and self.visibility else (self.upscaler,)

    def covering(self, width: int, height: int) -> tuple[int, int]:
        """Return the size before anything is cut off, in the proportions of a picture of this width and height."""
        to_sides = max(self.width / width, self.height / height)
        scale = to_sides or self.scale
        wide, high = (max(1, round(side * scale)) for side in (width, height))
        return max(wide, self.width), max(high, self.height)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of what becomes of a picture of this size."""
        whole = self.covering(width, height)
        return (self.width, self.height) if self.crop and self.width and self.height else whole


@dataclass(frozen=True)
class Sizes:
    """What SDXL is told of the picture's origin; 0 for a side is the request's own."""

    original_width: int = 0
    original_height: int = 0
    crop_left: int = 0
    crop_top: int = 0
    target_width: int = 0
    target_height: int = 0

    def __post_init__(self) -> None:
        """Refuse what no picture was cut from."""
        for name, value in vars(self).items():
            check_whole(f"sizes.{name}", value, 0, 8192)


@dataclass(frozen=True)
class Noise:
    """What a sampler may be told beside its name; None is the sampler's own habit."""

    eta: float | None = None
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float | None = None
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no sampler takes."""
        if self.eta is not None:
            check_number("noise.eta", self.eta, 0, 1)
        check_number("noise.s_churn", self.s_churn, 0, 1000)
        check_number("noise.s_tmin", self.s_tmin, 0, 1000)
        if self.s_tmax is not None:
            check_number("noise.s_tmax", self.s_tmax, 0, 1000)
        check_number("noise.s_noise", self.s_noise, 0, 2)


@dataclass(frozen=True)
class Variation:
    """A little of another seed's noise: each picture's own other seed counts on from `seed` as the first one's does."""

    seed: int = 0
    strength: float = 0.0
    from_width: int = 0
    from_height: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no variation."""
        check_whole("variation.seed", self.seed, 0, 2**63 - 1)
        check_number("variation.strength", self.strength, 0, 1)
        for name in ("from_width", "from_height"):
            if getattr(self, name):
                check_side(f"variation.{name}", getattr(self, name))


@dataclass(frozen=True)
class Shortcuts:
    """Speed that changes pictures, only when it is asked for: guidance in a part of the steps, 8-bit weights."""

    guidance_from: float = 0.0
    guidance_until: float = 1.0
    fp8: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no part of the steps."""
        check_number("shortcuts.guidance_from", self.guidance_from, 0, 1)
        check_number("shortcuts.guidance_until", self.guidance_until, 0, 1)


@dataclass(frozen=True)
class Output:
    """The file that is made of a picture; quality 1 to 100 for JPEG and WebP, None: the service's setting decides."""

    format: str = "png"
    quality: int = 90
    metadata: bool = True
    watermark: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what is no file."""
        check_choice("output.format", self.format, FORMATS)
        check_whole("output.quality", self.quality, 1, 100)


PARTS: dict[str, type] = {
    "start": Start,
    "refiner": Refiner,
    "hires": Hires,
    "upscale": Upscale,
    "sizes": Sizes,
    "noise": Noise,
    "variation": Variation,
    "shortcuts": Shortcuts,
    "output": Output,
}
