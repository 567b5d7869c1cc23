"""The schema of "SDXL 1.0 Open": one picture, by the demo's sampler names, with the refiner after it.

Source: the notebook image-generation-stable-diffusion of https://github.com/aws/amazon-sagemaker-examples. A high
`image_strength` goes far from the picture here; the optimised schema has it the other way round.
"""

from __future__ import annotations

import secrets

from garret.service_runtime.api import fields
from garret.service_runtime.api.describe import Schema, field, record
from garret.service_runtime.api.fields import Values
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.api.sagemaker.foreign import refuse_fields_of
from garret.service_runtime.api.stability.generation import TEXT_PROMPTS, read_guidance, size_fields, whole
from garret.service_runtime.api.stability.prompts import FIELD, joined, read_prompts
from garret.service_runtime.api.stability.start import read_share
from garret.service_runtime.asked import Refiner, Start
from garret.service_runtime.chosen import fitting_refiners
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import InputStore, sized_like
from garret.service_runtime.limits import MAXIMUM_GUIDANCE, MAXIMUM_SEED, MAXIMUM_STEPS
from garret.service_runtime.models import Model
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import find_sampler
from garret.service_runtime.service import Service

NAME = "open"
SAMPLERS = (
    "EulerEDMSampler",
    "HeunEDMSampler",
    "EulerAncestralSampler",
    "DPMPP2SAncestralSampler",
    "DPMPP2MSampler",
    "LinearMultistepSampler",
)
USUAL_SAMPLER, USUAL_STRENGTH, USUAL_REFINING = SAMPLERS[0], 0.75, 0.15


def keep_pictures(body: Values, inputs: InputStore) -> Start | None:
    """Keep the picture of a body and return what is begun from, if anything; blocks as long as decoding takes.

    Raises:
        BadRequest: names the field; also where its name belongs to the other schema.
    """
    refuse_fields_of("optimised", body)
    strength = read_share(body, "image_strength", USUAL_STRENGTH)
    if not fields.text(body, "init_image"):
        return None
    return Start(inputs.put(picture_of(body["init_image"], "init_image"), "init_image"), strength)


def parse_open(body: Values, service: Service, start: Start | None) -> ImageRequest:
    """Turn a body whose picture is kept into a request for one picture.

    Raises:
        BadRequest, UnknownChoice: name the field.
    """
    model = service.models.usable_checkpoint()
    prompt, negative_prompt = joined(read_prompts(body.get(FIELD)))
    named = fields.text(body, "sampler") or USUAL_SAMPLER
    sampler, schedule = find_sampler(named, "", ("sampler", "sampler"))
    width, height = _size(body, service, model, start)
    seed = None if body.get("seed") is None else whole(body, "seed", 0, 0, MAXIMUM_SEED)
    return ImageRequest(
        checkpoint=model.name,
        prompt=prompt,
        negative_prompt=negative_prompt,
        width=width,
        height=height,
        steps=whole(body, "steps", model.defaults.steps, 1, MAXIMUM_STEPS),
        # Up to 1 there is no guidance, of which engines know by the 1.
        cfg_scale=max(1.0, read_guidance(body, model)),
        seed=secrets.randbelow(2**32) if seed is None else seed,
        sampler=sampler.name,
        schedule=schedule.name,
        start=start,
        refiner=_refiner(body, service, model),
    )


def _size(body: Values, service: Service, model: Model, start: Start | None) -> tuple[int, int]:
    native = model.defaults.size
    said = [None if body.get(name) is None else fields.integer(body, name, 0) for name in ("width", "height")]
    if start is not None:
        return sized_like(service.inputs.size(start.image), native, *said)
    return said[0] or native, said[1] or native


def _refiner(body: Values, service: Service, model: Model) -> Refiner | None:
    """Return the refiner that paints over the picture: there unless it is refused, or the node has none."""
    wanted = fields.boolean(body, "use_refiner", True)
    steps = whole(body, "refiner_steps", 0, 0, MAXIMUM_STEPS)
    strength = read_share(body, "refiner_strength", USUAL_REFINING)
    if not wanted:
        return None
    found = fitting_refiners(model, service.models)
    if found:
        return Refiner(found[0].name, mode="again", strength=strength, steps=steps)
    if body.get("use_refiner") is None:
        return None
    hint = "Send use_refiner false, or put one there: garret ops download-model, for SDXL sd_xl_refiner_1.0"
    raise BadRequest("use_refiner", f"no refiner for {model.name} is on this node", hint)


_SHARE = {"minimum": 0, "maximum": 1}
SCHEMA: Schema = record(
    {
        FIELD: TEXT_PROMPTS,
        **size_fields(),
        "sampler": field("string", f"{', '.join(SAMPLERS)}; empty: {USUAL_SAMPLER}"),
        "cfg_scale": field("number", "up to 1: none", minimum=0, maximum=MAXIMUM_GUIDANCE),
        "steps": field("integer", "empty: the model's own", minimum=1, maximum=MAXIMUM_STEPS),
        "seed": field("integer", "empty: any", minimum=0),
        "use_refiner": field("boolean", "empty: where the node has one"),
        "refiner_steps": field("integer", "0 or empty: as many as steps", minimum=0, maximum=MAXIMUM_STEPS),
        "refiner_strength": field("number", f"how much it changes; empty: {USUAL_REFINING}", **_SHARE),
        "init_image": field("string", "a picture to begin from, as base64"),
        "image_strength": field("number", f"how far from it, 0 being the picture; empty: {USUAL_STRENGTH}", **_SHARE),
    },
    required=(FIELD,),
    description="SDXL 1.0 Open",
)
