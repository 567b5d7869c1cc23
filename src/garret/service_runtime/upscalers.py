"""The upscalers of this node: those that every node has, and the networks among its models, by the names of all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from garret.service_runtime.asked import LATENT_UPSCALERS, PICTURE_UPSCALERS
from garret.service_runtime.errors import UnknownChoice
from garret.service_runtime.model_files import UPSCALER
from garret.service_runtime.models import Model, Models

LATENT, PLAIN, NETWORK = "latent", "plain", "network"
PLAIN_SCALE = 4
"""What A1111 says of an upscaler that makes a picture any size."""
OTHER_NAMES = {
    "r-esrgan 4x+": "RealESRGAN_x4plus",
    "r-esrgan 4x+ anime6b": "RealESRGAN_x4plus_anime_6B",
    "r-esrgan 2x+": "RealESRGAN_x2plus",
    "r-esrgan general 4xv3": "realesr-general-x4v3",
    "r-esrgan general wdn 4xv3": "realesr-general-wdn-x4v3",
    "r-esrgan animevideo": "realesr-animevideov3",
}
"""What A1111 calls networks that are published under other files' names."""


@dataclass(frozen=True)
class Upscaler:
    """One upscaler: "plain" is arithmetic, "network" a model, "latent" only for a second pass.

    `scale` is how much larger a network makes a picture in one go.
    """

    name: str
    kind: str
    scale: int = PLAIN_SCALE
    model: Model | None = None

    @property
    def path(self) -> str:
        """Return a network's file, empty for the others."""
        return str(self.model.path) if self.model else ""


def all_upscalers(models: Models) -> list[Upscaler]:
    """Return what enlarges pictures: the plain ones, "None" first as A1111's clients expect it, then the networks."""
    networks = [_network(one) for one in models.all(UPSCALER) if not one.why_useless]
    return [*(Upscaler(name, PLAIN) for name in PICTURE_UPSCALERS), *networks]


def latent_modes() -> list[str]:
    """Return the names of what enlarges latents in a second pass."""
    return list(LATENT_UPSCALERS)


def find_upscaler(models: Models, text: str, field: str) -> Upscaler:
    """Return the upscaler of pictures that a name means, in whatever case; an empty one means the node's choice.

    That is the first network, for want of any the best arithmetic.

    Raises:
        UnknownChoice, ModelError: names the field, and what there is.
    """
    if not text:
        return next((one for one in all_upscalers(models) if one.kind == NETWORK), Upscaler("Lanczos", PLAIN))
    plain = {name.lower(): name for name in PICTURE_UPSCALERS}
    if text.lower() in plain:
        return Upscaler(plain[text.lower()], PLAIN)
    try:
        return _network(models.usable(UPSCALER, OTHER_NAMES.get(text.lower(), text), field))
    except UnknownChoice:
        known = ", ".join(one.name for one in all_upscalers(models))
        raise UnknownChoice(field, f"no upscaler is called {text[:120]!r}", f"There are: {known[:1000]}") from None


def find_enlarger(models: Models, text: str, field: str) -> Upscaler:
    """Return what enlarges before a second pass: also one of latents.

    Raises:
        UnknownChoice, ModelError: as `find_upscaler`.
    """
    latent = next((name for name in LATENT_UPSCALERS if name.lower() == text.lower()), "")
    return Upscaler(latent, LATENT) if latent else find_upscaler(models, text, field)


def model_of(upscaler: Upscaler) -> Model:
    """Return the model that a picture is made with where it is only made larger; arithmetic is a model by name."""
    return upscaler.model or Model(upscaler.name, UPSCALER, Path(), 0, 0, PLAIN)


def _network(model: Model) -> Upscaler:
    return Upscaler(model.name, NETWORK, model.scale, model)
