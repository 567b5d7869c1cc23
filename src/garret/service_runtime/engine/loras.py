"""LoRAs on a checkpoint's parts: added to the weights as a set, and exactly gone with the next set.

The sum stands in the weights themselves, so a step costs what it costs without, and what was compiled stays valid. What
a weight was before is kept aside, in the CPU's memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from garret.service_runtime.batch import UsedLora
from garret.service_runtime.engine.keys import unet_sources
from garret.service_runtime.engine.lora_file import Change, read_lora
from garret.service_runtime.engine.lora_keys import FIRST, SECOND, UNET, layer_of
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import ModelError
from garret.service_runtime.model_files import version_of

Identity = tuple[tuple[str, int, int, float, float], ...]
Place = tuple[str, str]
"""A part and the name of one of its weights."""
Plan = dict[Place, list[tuple[Change, float]]]
NAMED = 3
"""So many of the names that are passed over are said."""


def identity_of(loras: Sequence[UsedLora]) -> Identity:
    """Return what tells one set of LoRAs from another: a file that was replaced is another one.

    Raises:
        ModelError: a file is gone.
    """
    found = []
    for lora in loras:
        try:
            found.append((lora.path, *version_of(Path(lora.path)), lora.weight, lora.text_weight))
        except OSError as error:
            raise ModelError(f"loras: {Path(lora.path).name}: {error.strerror}") from None
    return tuple(found)


class Loras:
    """The LoRAs on one checkpoint's parts: which set they carry now, and what their weights were without it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._originals: dict[Place, torch.Tensor] = {}
        self._notes: dict[str, str] = {}
        self.identity: Identity = ()

    def use(self, loras: Sequence[UsedLora]) -> dict[str, str]:
        """Make the parts carry these LoRAs and no others; returns notes on what of a file was passed over.

        Raises:
            ModelError: a file does not load, or fits no layer of this checkpoint; the parts then carry what they did.
        """
        identity = identity_of(loras)
        if identity != self.identity:
            weights = changeable(self._parts)
            plan, notes = _plan(self._parts, loras, weights)
            try:
                self._carry(plan, weights)
            except BaseException:
                # Half of a set is none: whatever ended this, the checkpoint's own weights are better than a mixture.
                self._carry({}, weights)
                self.identity, self._notes = (), {}
                raise
            self.identity, self._notes = identity, notes
        return dict(self._notes)

    def _carry(self, plan: Plan, weights: Mapping[Place, torch.Tensor]) -> None:
        for place in [place for place in self._originals if place not in plan]:
            weights[place].copy_(self._originals[place])
            del self._originals[place]
        for place, changes in plan.items():
            weight = weights[place]
            if place not in self._originals:
                self._originals[place] = weight.to("cpu", copy=True)
            total = self._originals[place].to(weight.device, torch.float32)
            for change, strength in changes:
                total = total + strength * change.delta(weight.shape, weight.device)
            weight.copy_(total)


def _plan(
    parts: Parts, loras: Sequence[UsedLora], weights: Mapping[Place, torch.Tensor]
) -> tuple[Plan, dict[str, str]]:
    """Return the changes of each weight, having read and checked every file before any weight is touched."""
    layers = layers_of(parts, weights)
    plan: Plan = {}
    notes: dict[str, str] = {}
    for lora in loras:
        path = Path(lora.path)
        changes, unknown = read_lora(path)
        known = 0
        for change in changes:
            place = layers.get((change.part, change.layer))
            if place is None:
                unknown.append(change.base)
                continue
            known += 1
            _check_size(change, weights[place], path)
            strength = lora.weight if change.part == UNET else lora.text_weight
            if strength:
                plan.setdefault(place, []).append((change, strength))
        if unknown:
            named = f"{', '.join(sorted(unknown)[:NAMED])}{', …' if len(unknown) > NAMED else ''}"
            if not known:
                reason = f"none of its {len(unknown)} changes is for a layer of {Path(parts.path).name}: {named}"
                raise ModelError(f"loras: {path.name}: {reason}"[:400], "Choose one that was made for SDXL")
            notes[f"LoRA {path.stem}"] = f"passed over {len(unknown)} of {known + len(unknown)} changes: {named}"
    return plan, notes


def _check_size(change: Change, weight: torch.Tensor, path: Path) -> None:
    try:
        # Without memory: what matters is only whether the numbers of rows and columns fit.
        change.delta(weight.shape, torch.device("meta"))
    except (RuntimeError, IndexError, ValueError):
        sizes = " and ".join("x".join(map(str, one.shape)) for one in change.tensors.values())
        reason = f"{change.base} has {sizes}, and the checkpoint's layer is {'x'.join(map(str, weight.shape))}"
        raise ModelError(f"loras: {path.name} was made for another model: {reason}", "Choose another LoRA") from None


def changeable(parts: Parts) -> dict[Place, torch.Tensor]:
    """Return every weight that a LoRA may change: matrices and convolutions."""
    return {
        (part, name): weight
        for part, module in _modules(parts)
        for name, weight in _named_weights(module)
        if name.endswith(".weight") and weight.ndim in (2, 4)
    }


def _named_weights(module: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield names with the weights themselves, which may be written to."""
    return ((name, parameter.data) for name, parameter in module.named_parameters())


def _modules(parts: Parts) -> Iterator[tuple[str, Any]]:
    for part in (UNET, FIRST, SECOND):
        module = getattr(parts, part)
        if module is not None:
            yield part, module


def layers_of(parts: Parts, weights: Mapping[Place, torch.Tensor]) -> dict[Place, Place]:
    """Return each weight's place by its part and its layer's name, the UNet's also by the original names."""
    names = [name for part, name in weights if part == UNET]
    originals = unet_sources(names, parts.unet.config, "")
    found = {(UNET, layer_of(UNET, originals[name].name.removesuffix(".weight"))): (UNET, name) for name in names}
    found |= {(part, layer_of(part, name.removesuffix(".weight"))): (part, name) for part, name in weights}
    return found
