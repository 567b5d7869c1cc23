"""`infotext`: a picture's text pasted into a request; what the request says itself counts more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api import fields
from garret.service_runtime.asked import FILLS, RESIZES
from garret.service_runtime.errors import NotFound
from garret.service_runtime.infotext_reader import request_fields
from garret.service_runtime.limits import check_text
from garret.service_runtime.models import Models

_LONGEST = 100_000
_NAMES = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "steps": "steps",
    "sampler": "sampler_name",
    "schedule": "scheduler",
    "cfg_scale": "cfg_scale",
    "seed": "seed",
    "width": "width",
    "height": "height",
    "variation.seed": "subseed",
    "variation.strength": "subseed_strength",
    "variation.from_width": "seed_resize_from_w",
    "variation.from_height": "seed_resize_from_h",
    "noise.eta": "eta",
    "noise.s_churn": "s_churn",
    "noise.s_tmin": "s_tmin",
    "noise.s_tmax": "s_tmax",
    "noise.s_noise": "s_noise",
    "start.denoise": "denoising_strength",
    "start.noise": "initial_noise_multiplier",
    "start.mask.blur": "mask_blur",
    "start.mask.only_masked": "inpaint_full_res",
    "start.mask.padding": "inpaint_full_res_padding",
    "start.mask.invert": "inpainting_mask_invert",
    "hires.scale": "hr_scale",
    "hires.width": "hr_resize_x",
    "hires.height": "hr_resize_y",
    "hires.upscaler": "hr_upscaler",
    "hires.denoise": "denoising_strength",
    "hires.steps": "hr_second_pass_steps",
    "hires.cfg_scale": "hr_cfg",
    "hires.sampler": "hr_sampler_name",
    "hires.schedule": "hr_scheduler",
    "hires.prompt": "hr_prompt",
    "hires.negative_prompt": "hr_negative_prompt",
    "refiner.checkpoint": "refiner_checkpoint",
    "refiner.switch_at": "refiner_switch_at",
}
_SETTINGS = {"vae": "sd_vae", "clip_skip": "CLIP_stop_at_last_layers"}


def pasted(body: Mapping[str, Any], models: Models) -> dict[str, Any]:
    """Return a body with what its `infotext` says wherever it says nothing itself.

    Raises:
        BadRequest, NotFound: the text is none, or names a checkpoint that is not here by name or hash.
    """
    text = fields.text(body, "infotext")
    check_text("infotext", text, _LONGEST)
    if not text.strip():
        return dict(body)
    nested, rest = request_fields(text)
    flat = dict(_flat(nested))
    found = {name: flat[own] for own, name in _NAMES.items() if own in flat}
    if flat.get("start.mask.soft"):
        found["mask_round"] = False
    if flat.get("start.resize") in RESIZES:
        found["resize_mode"] = RESIZES.index(flat["start.resize"])
    if flat.get("start.mask.fill") in FILLS:
        found["inpainting_fill"] = FILLS.index(flat["start.mask.fill"])
    if "hires" in nested:
        found["enable_hr"] = True
    settings = {name: flat[own] for own, name in _SETTINGS.items() if own in flat}
    override = {name: value for name, value in fields.mapping(body, "override_settings").items() if value is not None}
    if "checkpoint" in flat and "sd_model_checkpoint" not in override:
        settings["sd_model_checkpoint"] = _checkpoint(flat["checkpoint"], rest.get("Model hash", ""), models)
    said = {name: value for name, value in body.items() if value is not None}
    return {**body, **found, **said, "override_settings": {**settings, **override}}


def _checkpoint(name: str, digest: str, models: Models) -> str:
    """Return the name here of a checkpoint that may be called otherwise where the text was written."""
    try:
        return models.find_checkpoint(name).name
    except NotFound:
        if len(digest) < 10:
            raise
        try:
            return models.find_checkpoint(digest).name
        except NotFound:
            reason = f"infotext: no checkpoint here is called {name[:120]!r} or has the hash {digest[:12]}"
            hint = "Say in override_settings which sd_model_checkpoint to take, or leave Model out of the text"
            raise NotFound(reason, hint) from None


def _flat(nested: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((before + name, value))
    return found
