"""The fields of OpenAI's image requests, and garret's own beside them, as a request."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.api import fields
from garret.service_runtime.api.job_body import parse_job
from garret.service_runtime.api.openai.errors import ModelNotFound, UnknownField
from garret.service_runtime.errors import BadRequest, NotFound, UnknownChoice
from garret.service_runtime.limits import (
    MAXIMUM_PICTURES,
    MAXIMUM_STEPS,
    check_choice,
    check_side,
    check_whole,
)
from garret.service_runtime.models import Model
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service

Body = Mapping[str, Any]
QUALITIES = {"low": 0.5, "medium": 1.0, "high": 1.5, "xhigh": 2.0, "max": 3.0}
"""How many times the model's own number of steps each quality takes."""
_SAME_QUALITY = {"auto": "medium", "standard": "medium", "hd": "high"}
_FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.ASCII)
MAXIMUM_PARTIAL_IMAGES = 3
OWN = ("prompt", "model", "n", "size", "quality", "response_format", "output_format", "output_compression",
       "background", "style", "stream", "partial_images")  # fmt: skip
IGNORED = ("user", "safety_identifier", "moderation", "complexity", "input_fidelity")
"""What the real service is told about its callers and itself; nothing here depends on it."""
PASSED = ("negative_prompt", "seed", "steps", "cfg_scale", "sampler", "schedule", "styles", "loras", "clip_skip", "vae",
          "hires", "upscale", "refiner", "variation", "noise", "sizes", "shortcuts", "memory")  # fmt: skip
"""Fields of the native API that are taken as they are: `extra_body` of OpenAI's clients brings them here."""
ALIASES = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "guidance": "cfg_scale",
    "cfg": "cfg_scale",
    "sampler_name": "sampler",
    "scheduler": "schedule",
}
"""What other servers of this API call the same."""
_NOT_MADE = {
    "frame_count": "no moving pictures are made here",
    "frame_duration_ms": "no moving pictures are made here",
    "svg": "no drawings in SVG are made here",
    "markup": "no picture is drawn over another one here",
}


_NAMES = {"n_iter": "n", "checkpoint": "model", "start.denoise": "strength", "width": "size", "height": "size"}


@dataclass(frozen=True)
class Wish:
    """A request, and how its caller wants to be answered; `quality` is one of QUALITIES.

    `names` are those of native fields that the caller knows by others.
    """

    request: ImageRequest
    quality: str = "medium"
    as_urls: bool = False
    stream: bool = False
    partial_images: int = 0
    names: Mapping[str, str] = field(default_factory=dict)


def parse_wish(
    body: Body, service: Service, start: Mapping[str, Any] | None = None, more: Collection[str] = ()
) -> Wish:
    """Turn a body into a request; `start` is what the native API calls so, its pictures being digests by now.

    `more` are fields that only this route has, and that others read: they are known here, and left alone.

    Raises:
        BadRequest, NotFound: names the field as this dialect calls it.
    """
    _refuse_others(body, more)
    quality = _quality(body)
    model = _model(fields.text(body, "model"), service)
    native, names = _passed(body)
    native |= {"checkpoint": model.name, "prompt": fields.text(body, "prompt"), "output": _output(body), **_size(body)}
    native["n_iter"] = fields.integer(body, "n", 1)
    check_whole("n", native["n_iter"], 1, MAXIMUM_PICTURES)
    if "steps" not in native:
        steps = round(model.defaults.steps * QUALITIES[quality])
        native["steps"] = max(1, min(steps, MAXIMUM_STEPS, service.settings.most_steps))
    if start is not None:
        native["start"] = dict(start)
    with named_as(names):
        request = parse_job(native, lambda _: model, service.inputs)
    partial_images = fields.integer(body, "partial_images", 0)
    check_whole("partial_images", partial_images, 0, MAXIMUM_PARTIAL_IMAGES)
    stream = fields.boolean(body, "stream", False)
    return Wish(request, quality, _as_urls(body, stream), stream, partial_images, names)


def _refuse_others(body: Body, more: Collection[str]) -> None:
    """Refuse what nobody would look at: a misspelt field is not left out in silence, nor is it by the real service."""
    for name, value in body.items():
        if value is None or name in OWN or name in more:
            continue
        if name in _NOT_MADE:
            raise BadRequest(name, _NOT_MADE[name], "Leave the field out")
        if name not in IGNORED and name not in PASSED and name not in ALIASES:
            known = ", ".join((*OWN, *more, *PASSED))
            raise UnknownField(str(name)[:40], "is not a field", f"Known: {known}")
    background = fields.text(body, "background") or "auto"
    if background == "transparent":
        raise BadRequest("background", "SDXL paints no transparency", "Give opaque, or leave the field out")
    check_choice("background", background, ("auto", "opaque"))
    check_choice("style", fields.text(body, "style") or "natural", ("vivid", "natural"))


def _quality(body: Body) -> str:
    said = fields.text(body, "quality") or "auto"
    check_choice("quality", said, (*QUALITIES, *_SAME_QUALITY))
    return _SAME_QUALITY.get(said, said)


def _model(name: str, service: Service) -> Model:
    """Return the model of that name; for OpenAI's, which clients name, the node's own stands in by its setting."""
    try:
        return service.models.usable_checkpoint(name)
    except NotFound as error:
        if not name:
            raise
        if service.settings.openai_unknown_model == "refuse":
            raise ModelNotFound(error.message, error.hint) from None
    return service.models.usable_checkpoint()


def _passed(body: Body) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields that are native ones, and by which names the caller said what is called otherwise there."""
    native = {name: body[name] for name in PASSED if body.get(name) is not None}
    if fields.mapping(native, "upscale").get("image"):
        raise BadRequest("upscale.image", "is nothing that is painted", "Ask POST /v1/jobs for a larger picture alone")
    names = dict(_NAMES)
    for alias, name in ALIASES.items():
        if body.get(alias) is None:
            continue
        if native.setdefault(name, body[alias]) != body[alias]:
            raise BadRequest(alias, f"says another thing than {names.get(name, name)}", "Give one of them")
        names.setdefault(name, alias)
    return native, names


@contextmanager
def named_as(names: Mapping[str, str]) -> Iterator[None]:
    """Give the fields of errors the names that the caller knows them by."""
    try:
        yield
    except BadRequest as error:
        name = names.get(error.field)
        if name is None:
            raise
        raise type(error)(name, error.reason, error.hint) from None


def _output(body: Body) -> dict[str, Any]:
    said = fields.text(body, "output_format") or "png"
    if said not in _FORMATS:
        raise UnknownChoice("output_format", f"{said[:40]!r} is not there", "Known: png, jpeg, webp")
    output: dict[str, Any] = {"format": _FORMATS[said]}
    if body.get("output_compression") is not None:
        quality = fields.integer(body, "output_compression", 100)
        check_whole("output_compression", quality, 0, 100)
        if said == "png" and quality < 100:
            raise BadRequest("output_compression", "PNG loses nothing", "Give output_format jpeg or webp with it")
        output["quality"] = max(quality, 1)
    return output


def _size(body: Body) -> dict[str, int]:
    """Return the sides that were asked for; none for auto, which the model or the picture sent decides."""
    said = fields.text(body, "size") or "auto"
    if said == "auto":
        return {}
    found = _SIZE.fullmatch(said)
    if found is None:
        raise BadRequest("size", f"{said[:40]!r} is no size", "Give it as 1024x1024, or auto")
    width, height = int(found[1]), int(found[2])
    check_side("size", width)
    check_side("size", height)
    return {"width": width, "height": height}


def _as_urls(body: Body, stream: bool) -> bool:
    said = fields.text(body, "response_format") or "b64_json"
    check_choice("response_format", said, ("b64_json", "url"))
    if stream and said == "url":
        raise BadRequest("response_format", "a stream brings the pictures themselves", "Leave stream or this field out")
    return said == "url"
