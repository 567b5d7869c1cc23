"""What a picture or a job was made from, as the fields of a form: also those that it has no control for."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from garret.service_runtime.asked import PARTS, Hires, Mask, Refiner, Upscale
from garret.service_runtime.gallery import Shown
from garret.service_runtime.page.form_values import OFF, REST, SWITCHES, paths_of
from garret.service_runtime.request import ImageRequest

_PARTS = {**PARTS, "": ImageRequest, "start.mask": Mask, "hires": Hires, "refiner": Refiner, "upscale": Upscale}
_NEVER = ("upscale.image", "upscale.about")
"""Of a picture that was only made larger: a form paints."""


def request_of(shown: Shown) -> ImageRequest:
    """Return the request that makes just this picture of a job."""
    asked, number = shown.request, shown.number
    if asked.variation.strength:
        variation = replace(asked.variation, seed=asked.variation_seed_of(number))
        return replace(asked, variation=variation, n_iter=1, batch_size=1)
    return replace(asked, seed=asked.seed_of(number), n_iter=1, batch_size=1)


def values_of(body: Mapping[str, Any], known: Collection[str], *, begins: Collection[str]) -> dict[str, Any]:
    """Return a body's fields by their paths, for a form that has controls for those `known`.

    What else is said goes under `rest`, except of parts that only forms with a picture to begin from have (`begins`).
    Parts that a form has no switch for are left out, and LoRAs become tags in the prompt.
    """
    said = paths_of(body)
    said["prompt"] = _with_tags(str(said.get("prompt", "")), said.pop("loras", None) or ())
    parts = {path.split(".")[0] for path in said if "." in path}
    switches = {f"{part}.on": part in parts for part in SWITCHES}
    usual = {path: usual_of(path) for path in known}
    shown = {**{path: value for path, value in usual.items() if value is not None}, **switches, "refiner.mode": OFF}
    shown |= {path: value for path, value in said.items() if path in known}
    if "refiner" in parts:
        shown["refiner.mode"] = said.get("refiner.mode", "finish")
    rest = {
        path: value
        for path, value in said.items()
        if path not in known
        and path not in _NEVER
        and not path.endswith(".on")
        and (path.split(".")[0] != "start" or path in begins)
        and (path.split(".")[0] not in SWITCHES or f"{path.split('.')[0]}.on" in known)
        and value != usual_of(path)
    }
    return {**shown, REST: json.dumps(rest, ensure_ascii=False) if rest else ""}


def usual_of(path: str) -> Any:
    """Return what a field is where nothing is said of it; None where that is the service's own choice."""
    part, _, name = path.rpartition(".")
    kind = _PARTS.get(part)
    found = next((one.default for one in fields(kind) if one.name == name), None) if kind else None
    return None if found is MISSING else found


def _with_tags(prompt: str, loras: Collection[Mapping[str, Any]]) -> str:
    return " ".join([*([prompt] if prompt else []), *map(_tag, loras)])


def _tag(lora: Mapping[str, Any]) -> str:
    weight, text_weight = lora.get("weight", 1.0), lora.get("text_weight")
    weights = f"{weight:g}" if text_weight in (None, weight) else f"{text_weight:g}:{weight:g}"
    return f"<lora:{lora.get('name', '')}:{weights}>"
