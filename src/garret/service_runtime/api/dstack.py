"""dstack's published example of SDXL: `/generate`, `/download/{id}` and `/refine`, without what was wrong with it.

Source: https://github.com/dstackai/dstack-examples (deployment/sdxl). An id is a job's; the picture's refinement keeps
what the picture was asked for with, and paints again as diffusers' pipeline of the refiner does by default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, body, field, record
from garret.service_runtime.api.dialect import Dialect
from garret.service_runtime.api.idempotency import key_of
from garret.service_runtime.api.job_body import parse_job
from garret.service_runtime.api.job_view import own_job
from garret.service_runtime.api.waiting import first_of, wait_for
from garret.service_runtime.asked import Refiner, Start, Variation
from garret.service_runtime.errors import BadRequest, Gone, NotFound, TimedOut, Unavailable
from garret.service_runtime.inputs import sized_like
from garret.service_runtime.jobs import Job, Kept
from garret.service_runtime.limits import MAXIMUM_SIDE, MINIMUM_SIDE, SIDE_STEP
from garret.service_runtime.models import Model
from garret.service_runtime.pictures.encode import ENDINGS, MEDIA_TYPES
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service

REFINED = 0.3
"""How much of a picture is painted again: the default of diffusers' image-to-image pipeline of SDXL."""
LONGEST_WAIT_S = 300.0
"""For so long a download waits for a picture that is still being made."""
_BESIDE = ("checkpoint", "sampler", "schedule", "seed", "steps", "cfg_scale")


def parse_generate(said: Mapping[str, Any], service: Service) -> ImageRequest:
    """Turn a body of /generate into a request; fields that it does not know are left alone, as they always were."""
    if not fields.text(said, "prompt"):
        raise BadRequest("prompt", "is missing", "Say what the picture shows")
    asked = {name: said[name] for name in ("prompt", "negative_prompt", *_BESIDE) if name in said}
    asked |= {name: _side(said, name) for name in ("width", "height")}
    return parse_job(asked, service.models.usable_checkpoint, service.inputs)


def refined(request: ImageRequest, image: str, size: tuple[int, int], prompt: str, model: Model) -> ImageRequest:
    """Return the request for a picture once more, by a refiner alone; `image` is the stored input, `size` its own.

    One that was only made larger was not painted by any model: it takes `model` and what that likes.
    """
    likes = model.defaults
    if not request.paints:
        request = replace(
            request, upscale=None, checkpoint=model.name, steps=likes.steps, cfg_scale=likes.cfg_scale,
            width=likes.size, height=likes.size,
        )  # fmt: skip
    as_it_is = all(MINIMUM_SIDE <= side <= MAXIMUM_SIDE and side % SIDE_STEP == 0 for side in size)
    width, height = size if as_it_is else sized_like(size, likes.size)
    return replace(
        request,
        prompt=prompt or request.prompt,
        width=width,
        height=height,
        batch_size=1,
        n_iter=1,
        styles=(),
        loras=(),
        hires=None,
        upscale=None,
        variation=Variation(),
        start=Start(image, denoise=REFINED),
        refiner=Refiner(switch_at=0.0),
    )


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["dstack"])
    patience_s = service.settings.client_timeout_s

    @routes.post("/generate", openapi_extra=_GENERATE, responses=_MADE)
    async def generate(request: Request) -> Response:
        """Make a picture from words, and answer its id when it is there."""
        said = await read_json(request, patience_s)
        asked = await asyncio.to_thread(parse_generate, said, service)
        result = await wait_for(service, asked, request, said)
        return JSONResponse({"id": result.job_id})

    @routes.get("/download/{id}", response_class=Response, responses={200: _FILE})
    async def download(id: str, request: Request) -> Response:
        """Return a picture by its id; one that is being made is waited for."""
        kept = _picture(await _over(service, id, request))
        try:
            data = await asyncio.to_thread(lambda: service.results.path(kept.name).read_bytes())
        except FileNotFoundError:
            raise Gone("this picture is not kept any more", "Ask for it again") from None
        ending = next(ending for form, ending in ENDINGS.items() if MEDIA_TYPES[form] == kept.media_type)
        headers = {"content-disposition": f'attachment; filename="{id}{ending}"'}
        return Response(data, media_type=kept.media_type, headers=headers)

    @routes.post("/refine", openapi_extra=_REFINE, responses=_MADE)
    async def refine(request: Request) -> Response:
        """Paint a picture again by the refiner, with the negative prompt and the seed that it was made with."""
        said = await read_json(request, patience_s)
        identifier = fields.text(said, "id")
        if not identifier:
            raise BadRequest("id", "is missing", "Give the id that /generate answered")
        prompt = fields.text(said, "prompt")
        if not key_of(request):  # one that has a key may have its picture already
            service.check_room(request.state.caller)
        job = await _over(service, identifier, request)
        asked = await asyncio.to_thread(again, job, prompt)
        result = await wait_for(service, asked, request, said)
        return JSONResponse({"id": result.job_id})

    def again(job: Job, prompt: str) -> ImageRequest:
        path = service.results.path(_picture(job).name)
        try:
            image = service.inputs.put(path.read_bytes(), "id")
        except FileNotFoundError:
            raise Gone("this picture is not kept any more", "Ask for it again") from None
        model = service.models.usable_checkpoint(job.request.checkpoint)
        return refined(job.request, image, service.inputs.size(image), prompt, model)

    return routes


async def _over(service: Service, job_id: str, request: Request) -> Job:
    """Return a job of the caller's when it is over."""
    job = await _own(service, job_id, request)
    live = service.find(job.id) if job.is_open else None
    if live is not None and not await first_of(live.future, request, service, LONGEST_WAIT_S):
        if service.stopping:
            raise Unavailable("the service is stopping", "Ask again", retry_after=5)
        raise TimedOut("the picture is still being made", "Ask again")
    return await _own(service, job_id, request) if job.is_open else job


async def _own(service: Service, job_id: str, request: Request) -> Job:
    try:
        return await own_job(service, job_id, request)
    except NotFound:
        raise NotFound(f"id: there is no picture {job_id[:64]!r}", "/generate answers the id of a new one") from None


def _picture(job: Job) -> Kept:
    """Return the first picture of a job that is over, or say what became of it."""
    if job.removed:
        raise Gone("this picture had to make room for newer ones", "Ask for it again")
    if 0 not in job.pictures:
        why = (job.error or {}).get("message", "it was not made")
        raise NotFound(f"id: there is no picture {job.id[:64]!r}: {why}", "Ask for another one")
    return job.pictures[0]


def _side(said: Mapping[str, Any], name: str) -> int | None:
    """Return a side in pixels, also where it comes as text: the published example declares its height so."""
    value = said.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        return int(value)
    return fields.integer(said, name, 0) if value is not None else None


_SIDE: Schema = {"type": ["integer", "string", "null"], "description": "in pixels; empty: the model's own size"}
_GENERATE = body(
    record(
        {
            "prompt": {"type": "string", "description": "what the picture shows", "minLength": 1},
            "negative_prompt": field("string", "what it should not show"),
            "width": _SIDE,
            "height": _SIDE,
            "seed": field("integer", "-1 or empty for any"),
            "steps": field("integer", "empty: as the model likes"),
            "cfg_scale": field("number", "how closely the words are followed; empty: as the model likes"),
            "sampler": field("string", "a sampler's name; empty: Euler"),
            "schedule": field("string", "how its steps are spaced"),
            "checkpoint": field("string", "a model's name; empty: the node's default"),
        },
        required=("prompt",),
    ),
    example={"prompt": "A cat in a hat"},
)
_REFINE = body(
    record(
        {
            "id": {"type": "string", "description": "what /generate or /refine answered", "minLength": 1},
            "prompt": field("string", "what the picture shows; empty: what it was asked for with"),
        },
        required=("id",),
    )
)
_MADE: dict[int | str, dict[str, Any]] = {
    200: answer("The picture is there", record({"id": {"type": "string"}}, required=("id",)))
}
_FILE: dict[str, Any] = {
    **answer("The picture"),
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
}

DIALECT = Dialect(
    name="dstack",
    title="dstack",
    paths=("/generate", "/download", "/refine"),
    routers=(router,),
    makes="/(generate|refine)",
)
