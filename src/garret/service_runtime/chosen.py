"""The models that a request means: the checkpoint, its LoRAs, another VAE, the refiner; found by name or by fitting."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from garret.service_runtime.asked import Lora
from garret.service_runtime.batch import Used, UsedLora
from garret.service_runtime.errors import ModelError, UnknownChoice
from garret.service_runtime.models import Model, Models
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.tensor_families import REFINER, SDXL, VAE
from garret.service_runtime.upscalers import Upscaler, find_enlarger, find_upscaler, model_of
from garret.service_runtime.widths import fits

AUTOMATIC = ("", "automatic")
OWN = "none"
"""What a request says for the checkpoint's own VAE."""
MAXIMUM_LORAS = 32
_HALF_SAFE = re.compile(r"fp16.?fix", re.IGNORECASE)


@dataclass(frozen=True)
class ChosenLora:
    """One LoRA with its weights; named several times, it has the sum of them."""

    model: Model
    weight: float
    text_weight: float

    @property
    def used(self) -> UsedLora:
        """Return what the engine is told of it."""
        return UsedLora(str(self.model.path), self.weight, self.text_weight)


@dataclass(frozen=True)
class Chosen:
    """The models of a request; `half_vae` is for engines in half precision, which most checkpoints' own overflow.

    Where nothing is painted, `checkpoint` is the upscaler. `upscalers` are those of `Upscale.names`.
    """

    checkpoint: Model
    vae: Model | None = None
    half_vae: Model | None = None
    refiner: Model | None = None
    loras: tuple[ChosenLora, ...] = ()
    hires_upscaler: Upscaler | None = None
    upscalers: tuple[Upscaler, ...] = ()
    paints: bool = True

    @property
    def used(self) -> Used:
        """Return their files, as the engine is told of them."""
        networks = tuple(one.path for one in self.upscalers)
        if not self.paints:
            return Used("", upscalers=networks)
        again = self.hires_upscaler.path if self.hires_upscaler else ""
        vae, half_vae, refiner = (str(one.path) if one else "" for one in (self.vae, self.half_vae, self.refiner))
        loras = tuple(one.used for one in self.loras)
        return Used(
            str(self.checkpoint.path),
            vae=vae,
            half_vae=half_vae,
            refiner=refiner,
            loras=loras,
            hires_upscaler=again,
            upscalers=networks,
        )


def choose_models(request: ImageRequest, loras: Iterable[Lora], models: Models) -> Chosen:
    """Find the models of a request, with the LoRAs of its fields and tags.

    Raises:
        NotFound, UnknownChoice, ModelError: name what is not there, or does not fit, and what there is.
    """
    upscalers = _upscalers(request, models)
    if not request.paints:
        return Chosen(model_of(upscalers[0]), upscalers=upscalers, paints=False)
    checkpoint = models.usable_checkpoint(request.checkpoint)
    vae, half_vae = _vae(request.vae, checkpoint, models)
    refiner = _refiner(request.refiner.checkpoint, checkpoint, models) if request.refiner else None
    again = find_enlarger(models, request.hires.upscaler, "hires.upscaler") if request.hires else None
    return Chosen(checkpoint, vae, half_vae, refiner, _loras(loras, checkpoint, models), again, upscalers)


def _upscalers(request: ImageRequest, models: Models) -> tuple[Upscaler, ...]:
    if request.upscale is None:
        return ()
    fields = ("upscale.upscaler", "upscale.second")
    return tuple(find_upscaler(models, name, field) for name, field in zip(request.upscale.names, fields, strict=False))


def _loras(asked: Iterable[Lora], checkpoint: Model, models: Models) -> tuple[ChosenLora, ...]:
    weights: dict[str, tuple[float, float]] = {}
    for lora in asked:
        before, text_before = weights.get(lora.name, (0.0, 0.0))
        text_weight = lora.weight if lora.text_weight is None else lora.text_weight
        weights[lora.name] = before + lora.weight, text_before + text_weight
    if len(weights) > MAXIMUM_LORAS:
        raise ModelError(f"loras: {len(weights)} are asked for", f"Ask for at most {MAXIMUM_LORAS}")
    found: dict[str, ChosenLora] = {}
    # Each name is looked for once: a prompt has room for a thousand tags, and a folder for a thousand files.
    for name, (weight, text_weight) in weights.items():
        model = models.usable("lora", name, "loras")
        if not fits(model.widths.text, checkpoint.widths.text):
            raise ModelError(
                f"loras: {model.name} was made for text {model.widths.text} wide, and {checkpoint.name} reads "
                f"{checkpoint.widths.text}",
                "Choose one that was made for this checkpoint's family",
            )
        same = found.get(str(model.path), ChosenLora(model, 0.0, 0.0))
        found[str(model.path)] = ChosenLora(model, same.weight + weight, same.text_weight + text_weight)
    # One that changes nothing is none: it neither costs time nor keeps a request from a batch.
    return tuple(one for one in found.values() if one.weight or one.text_weight)


def _vae(text: str, checkpoint: Model, models: Models) -> tuple[Model | None, Model | None]:
    """Return the VAE that is asked for or lies beside the checkpoint, and one that does not overflow in half precision.

    As A1111 has it, a VAE lies beside NAME.safetensors when it is called NAME or NAME.vae, in the folder of VAEs or in
    the checkpoint's.
    """
    if text.lower() == OWN:
        return None, None
    if text.lower() not in AUTOMATIC:
        vae = models.usable(VAE, text, "vae")
        if not fits(vae.widths.decoder, checkpoint.widths.decoder):
            raise ModelError(
                f"vae: {vae.name} has a decoder {vae.widths.decoder} wide, and {checkpoint.name} needs one of "
                f"{checkpoint.widths.decoder}",
                "Say Automatic",
            )
        return vae, vae if _HALF_SAFE.search(vae.name) else None
    there = [one for one in models.all(VAE, "checkpoint") if one.family == VAE and not one.problem]
    fitting = [one for one in there if fits(one.widths.decoder, checkpoint.widths.decoder)]
    beside = next((one for one in fitting if one.name in (checkpoint.name, f"{checkpoint.name}.vae")), None)
    return beside, next((one for one in fitting if one.type == VAE and _HALF_SAFE.search(one.name)), None)


def fitting_refiners(checkpoint: Model, models: Models) -> list[Model]:
    """Return the refiners on this node that read what a checkpoint writes; the first is taken where none is named."""
    refiners = [one for one in models.all("checkpoint") if one.family == REFINER and not one.problem]
    return [one for one in refiners if fits(one.widths.second_text, checkpoint.widths.second_text)]


def _refiner(text: str, checkpoint: Model, models: Models) -> Model:
    """Return the refiner of a name; without one the first that fits the checkpoint."""
    fitting = fitting_refiners(checkpoint, models)
    names = ", ".join(one.name for one in fitting) or "none"
    if not text:
        if fitting:
            return fitting[0]
        hint = "Put one there: garret ops download-model, for SDXL sd_xl_refiner_1.0"
        raise UnknownChoice("refiner.checkpoint", f"no refiner for {checkpoint.name} is on this node", hint)
    found = models.find("checkpoint", text, "refiner.checkpoint")
    if found.problem:
        raise ModelError(f"refiner.checkpoint: {found.path.name} {found.problem}", "Choose another refiner")
    if found.family == SDXL:
        raise ModelError(f"refiner.checkpoint: {found.name} is a base model of SDXL", f"Refiners here: {names}")
    if found.family != REFINER:
        reason = found.why_useless or f"{found.path.name} is of the family {found.family!r}"
        raise ModelError(f"refiner.checkpoint: {found.name}: {reason}", f"Refiners here: {names}")
    if found not in fitting:
        reason = f"{found.name} reads other words than {checkpoint.name} writes"
        raise ModelError(f"refiner.checkpoint: {reason}", f"Refiners that fit: {names}")
    return found
