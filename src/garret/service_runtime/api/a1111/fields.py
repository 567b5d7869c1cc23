"""The fields of A1111's txt2img as a request: null means absent, and "None" or 0 what clients write instead of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.chosen_options import FORMATS
from garret.service_runtime.asked import UPSCALERS, Hires, Noise, Output, Refiner, Variation
from garret.service_runtime.errors import BadRequest, NotBuilt, UnknownChoice
from garret.service_runtime.limits import (
    MAXIMUM_GUIDANCE,
    MAXIMUM_SEED,
    MAXIMUM_STEPS,
    MINIMUM_SIDE,
    SIDE_STEP,
    check_number,
    check_side,
    check_whole,
)
from garret.service_runtime.models import Model
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import find_sampler

Body = Mapping[str, Any]
_NONE = ("", "None", "none")
_SCRIPTS = "what is written for A1111's page cannot run here"
# Asked for in earnest, these are refused rather than silently left out, each for its reason.
_NOT_HERE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "restore_faces": (lambda value: value is True, "no model that mends faces runs here"),
    "tiling": (lambda value: value is True, "pictures whose edges join are not made here"),
    "script_name": (lambda value: value not in (None, *_NONE), _SCRIPTS),
    "init_images": (bool, "pictures to begin from belong to img2img"),
    "hr_checkpoint_name": (
        lambda value: value not in (None, *_NONE, "Use same checkpoint"),
        "the second pass has the first one's checkpoint",
    ),
}
_DEFAULT_SAMPLER = "Euler"


def parse_txt2img(body: Body, find: Callable[[str], Model]) -> ImageRequest:
    """Turn a txt2img body into a request; empty fields take the chosen model's defaults.

    Raises:
        BadRequest, NotBuilt, NotFound: name the field as this dialect calls it.
    """
    for name, (asked, reason) in _NOT_HERE.items():
        if asked(body.get(name)):
            raise NotBuilt(f"{name}: {reason}", "Leave the field out")
    _refuse_scripts(body.get("alwayson_scripts"))
    override = fields.mapping(body, "override_settings")
    model = find(fields.text(override, "sd_model_checkpoint"))
    defaults = model.defaults
    named = fields.text(body, "sampler_name") or fields.text(body, "sampler_index") or _DEFAULT_SAMPLER
    sampler, schedule = find_sampler(named, fields.text(body, "scheduler"))
    width = _whole_steps(fields.integer(body, "width", defaults.size))
    height = _whole_steps(fields.integer(body, "height", defaults.size))
    (width, height), hires = _sizes_and_hires(body, width, height)
    return ImageRequest(
        checkpoint=model.name,
        prompt=fields.text(body, "prompt"),
        negative_prompt=fields.text(body, "negative_prompt"),
        width=width,
        height=height,
        steps=fields.integer(body, "steps", defaults.steps),
        cfg_scale=fields.number(body, "cfg_scale", defaults.cfg_scale),
        seed=_seed(body, "seed"),
        sampler=sampler.name,
        schedule=schedule.name,
        batch_size=fields.integer(body, "batch_size", 1),
        n_iter=fields.integer(body, "n_iter", 1),
        styles=fields.texts(body, "styles"),
        clip_skip=_whole(override, "CLIP_stop_at_last_layers", 1, 1, 12),
        vae=fields.text(override, "sd_vae"),
        noise=_noise(body),
        variation=_variation(body),
        hires=hires,
        refiner=_refiner(body),
        output=output_of(override),
    )


def _refuse_scripts(scripts: Any) -> None:
    """Refuse scripts, but for those that clients always send along switched off."""
    entries = scripts if isinstance(scripts, Mapping) else {"": scripts} if scripts else {}
    for name, entry in entries.items():
        if not (isinstance(entry, Mapping) and "args" in entry and _are_off(entry["args"])):
            raise NotBuilt(f"alwayson_scripts: {name[:80]}: {_SCRIPTS}", "Leave the script out, or switch it off")


def _are_off(arguments: Any) -> bool:
    """Look at a script's arguments: the first says by itself whether it is on, or each unit says it of itself."""
    if isinstance(arguments, Mapping):
        return arguments.get("enabled") is False
    if not isinstance(arguments, list) or not arguments:
        return not arguments
    if isinstance(arguments[0], Mapping):
        return all(isinstance(unit, Mapping) and unit.get("enabled") is False for unit in arguments)
    return arguments[0] is False


def _seed(body: Body, name: str) -> int:
    """Return a seed; -1 is any."""
    seed = fields.integer(body, name, -1)
    if not -1 <= seed <= MAXIMUM_SEED:
        raise BadRequest(name, "is out of range", f"Give 0 to {MAXIMUM_SEED}, or -1 for any")
    return secrets.randbelow(2**32) if seed == -1 else seed


def _whole(values: Body, name: str, default: int, low: int, high: int) -> int:
    value = fields.integer(values, name, default)
    check_whole(name, value, low, high)
    return value


def _number(values: Body, name: str, default: float, low: float, high: float) -> float:
    value = fields.number(values, name, default)
    check_number(name, value, low, high)
    return value


def _whole_steps(side: int) -> int:
    """Return a side as A1111 takes it: what is more than a multiple of 8 is cut off, as selections have any size."""
    return side if side < MINIMUM_SIDE else side // SIDE_STEP * SIDE_STEP


def _side(body: Body, name: str) -> int:
    """Return a side in pixels, 0 where there is none: A1111 writes that as 0 or -1."""
    side = _whole_steps(max(fields.integer(body, name, 0), 0))
    if side:
        check_side(name, side)
    return side


def _noise(body: Body) -> Noise:
    """Return what samplers are told; a highest level of 0 is none, since nothing lies below it."""
    return Noise(
        eta=None if body.get("eta") is None else _number(body, "eta", 0.0, 0, 1),
        s_churn=_number(body, "s_churn", 0.0, 0, 1000),
        s_tmin=_number(body, "s_tmin", 0.0, 0, 1000),
        s_tmax=_number(body, "s_tmax", 0.0, 0, 1000) or None,
        s_noise=_number(body, "s_noise", 1.0, 0, 2),
    )


def _variation(body: Body) -> Variation:
    strength = _number(body, "subseed_strength", 0.0, 0, 1)
    seed = _seed(body, "subseed")
    return Variation(
        seed if strength else 0, strength, _side(body, "seed_resize_from_w"), _side(body, "seed_resize_from_h")
    )


def _refiner(body: Body) -> Refiner | None:
    """Return the refiner that takes over; told to do so after the last step, it is none."""
    name = fields.text(body, "refiner_checkpoint")
    switch_at = _number(body, "refiner_switch_at", 0.8, 0, 1)
    return None if name in _NONE or switch_at == 1 else Refiner(name, switch_at=switch_at)


def output_of(override: Body) -> Output:
    """Return the file that options ask for."""
    named = fields.text(override, "samples_format") or "png"
    if named.lower() not in FORMATS:
        raise UnknownChoice("samples_format", f"{named[:40]!r} is not there", f"Known: {', '.join(FORMATS)}")
    quality = _whole(override, "jpeg_quality", Output().quality, 1, 100)
    return Output(FORMATS[named.lower()], quality, fields.boolean(override, "enable_pnginfo", True))


def _sizes_and_hires(body: Body, width: int, height: int) -> tuple[tuple[int, int], Hires | None]:
    """Return the first pass's size and the second pass.

    With a size of the first phase the asked one is the second's, as the older form of these fields has it.
    """
    if not fields.boolean(body, "enable_hr", False):
        return (width, height), None
    wide, high = _side(body, "hr_resize_x"), _side(body, "hr_resize_y")
    first = _side(body, "firstphase_width"), _side(body, "firstphase_height")
    if any(first):
        wide, high = width, height
        width, height = (
            first[0] or _in_proportion(first[1], wide, high),
            first[1] or _in_proportion(first[0], high, wide),
        )
    return (width, height), _hires(body, wide, high)


def _in_proportion(side: int, one: int, other: int) -> int:
    """Return the side that is to this one as one is to the other, as a multiple that sides are."""
    return max(round(side * one / max(other, 1) / SIDE_STEP), 1) * SIDE_STEP


def _hires(body: Body, width: int, height: int) -> Hires:
    sampler, schedule = _second_sampler(body)
    upscaler = fields.text(body, "hr_upscaler") or UPSCALERS[0]
    return Hires(
        scale=_number(body, "hr_scale", 2.0, 1, 4),
        width=width,
        height=height,
        upscaler=upscaler,
        denoise=_number(body, "denoising_strength", 0.75, 0, 1),
        steps=_whole(body, "hr_second_pass_steps", 0, 0, MAXIMUM_STEPS),
        cfg_scale=_number(body, "hr_cfg", 0.0, 0, MAXIMUM_GUIDANCE),
        sampler=sampler,
        schedule=schedule,
        prompt=fields.text(body, "hr_prompt"),
        negative_prompt=fields.text(body, "hr_negative_prompt"),
    )


def _second_sampler(body: Body) -> tuple[str, str]:
    """Return the second pass's own sampler and schedule, empty for the first one's."""
    same = (*_NONE, "Use same sampler", "Use same scheduler")
    named, spacing = fields.text(body, "hr_sampler_name"), fields.text(body, "hr_scheduler")
    names = ("hr_sampler_name", "hr_scheduler")
    schedule = "" if spacing in same else find_sampler(_DEFAULT_SAMPLER, spacing, names)[1].name
    if named in same:
        return "", schedule
    sampler, found = find_sampler(named, schedule, names)
    return sampler.name, schedule if found.name == "automatic" else found.name
