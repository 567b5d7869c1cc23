"""From a body in A1111's fields to its reply: accepted under its name, waited for, refused in its own words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.chosen_options import read_options
from garret.service_runtime.api.a1111.desk import Desk, owner_of
from garret.service_runtime.api.a1111.numbers import with_numbers
from garret.service_runtime.api.a1111.pasting import pasted
from garret.service_runtime.api.a1111.schema import IMG2IMG
from garret.service_runtime.api.waiting import wait_for
from garret.service_runtime.errors import BadRequest, Cancelled
from garret.service_runtime.jobs import Job
from garret.service_runtime.limits import check_text
from garret.service_runtime.request import ImageRequest, ImageResult

Body = Mapping[str, Any]
_NAMES = {
    "vae": "sd_vae",
    "clip_skip": "CLIP_stop_at_last_layers",
    "sampler": "sampler_name",
    "schedule": "scheduler",
    "loras": "prompt",
    "hires": "hr_scale",
    "hires.upscaler": "hr_upscaler",
    "hires.steps": "hr_second_pass_steps",
    "hires.prompt": "hr_prompt",
    "hires.negative_prompt": "hr_negative_prompt",
    "upscale": "upscaling_resize",
    "upscale.scale": "upscaling_resize",
    "upscale.width": "upscaling_resize_w",
    "upscale.height": "upscaling_resize_h",
    "upscale.upscaler": "upscaler_1",
    "upscale.second": "upscaler_2",
    "upscale.visibility": "extras_upscaler_2_visibility",
    "upscale.image": "image",
    "refiner.checkpoint": "refiner_checkpoint",
    "start.image": "init_images",
    "start.resize": "resize_mode",
    "mask.image": "mask",
    "mask.only_masked": "inpaint_full_res",
}


@dataclass(frozen=True)
class Made:
    """A result, and the numbers of its pictures where they are not all that were asked for."""

    result: ImageResult
    numbers: tuple[int, ...]


async def make(desk: Desk, request: Request, body: Body, parse: Callable[[Body], ImageRequest]) -> Made:
    """Have a body's pictures made; `parse` gets it with the caller's options and what was pasted.

    A job that is stopped after some of its pictures brings those, as A1111 does.
    """
    owner, name = owner_of(request), fields.text(body, "force_task_id")
    check_text("force_task_id", name, 200)
    keeps = not fields.boolean(body, "override_settings_restore_afterwards", True)
    accepted: list[str] = []

    def ready() -> ImageRequest:
        models = desk.service.models
        whole = desk.with_options(pasted(with_numbers(body, IMG2IMG), models), owner)
        asked = parse(whole)
        if keeps:
            desk.options.change(owner, read_options(fields.mapping(body, "override_settings"), models))
        return asked

    def note(job_id: str) -> None:
        accepted.append(job_id)
        desk.tasks.began(owner, job_id, name)

    try:
        asked = await asyncio.to_thread(ready)
        result = await wait_for(desk.service, asked, request, body, note)
        return Made(result, tuple(range(result.request.count)))
    except BadRequest as error:
        raise in_its_words(error) from None
    except Cancelled:
        made = await _made_before(desk, accepted[0]) if accepted else None
        if made is None:
            raise
        return made


async def _made_before(desk: Desk, job_id: str) -> Made | None:
    """Return the pictures that a job had before it was stopped, None when there were none."""
    job = await desk.service.records.get(job_id)
    return await asyncio.to_thread(_of_record, desk, job) if job is not None and job.pictures else None


def _of_record(desk: Desk, job: Job) -> Made | None:
    files = desk.service.results.read(job)
    if not files:
        return None
    numbers = tuple(sorted(files))
    with_name = [one for one in desk.service.models.all("checkpoint") if one.name == job.request.checkpoint]
    sha256 = with_name[0].sha256 if with_name else ""
    texts = tuple(job.pictures[number].infotext for number in numbers)
    pictures = tuple(files[number] for number in numbers)
    seconds = (job.ended_at or job.created_at) - job.created_at
    result = ImageResult(job.id, job.request, pictures, texts, job.request.checkpoint, sha256, seconds)
    return Made(result, numbers)


def in_its_words(error: BadRequest) -> BadRequest:
    """Name the field as this dialect calls it."""
    field = _NAMES.get(error.field)
    return type(error)(field, error.reason, error.hint) if field else error
