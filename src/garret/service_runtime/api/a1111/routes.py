"""The dialect of A1111's web UI: `/sdapi/v1`, bodies and replies as its clients send and read them."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.fields import TXT2IMG_SCHEMA, parse_txt2img
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.waiting import wait_for
from garret.service_runtime.extensions.registry import Extension
from garret.service_runtime.infotext import VERSION
from garret.service_runtime.models import Model
from garret.service_runtime.request import ImageRequest, ImageResult
from garret.service_runtime.samplers import SAMPLERS, SCHEDULES
from garret.service_runtime.service import Service


def info_of(result: ImageResult) -> dict[str, Any]:
    """Return what A1111 puts into the reply's `info`, before it becomes text."""
    request, count = result.request, result.request.count
    seeds = [request.seed_of(index) for index in range(count)]
    other = request.variation
    others = [request.variation_seed_of(index) for index in range(count)] if other.strength else seeds
    part = request.start or request.hires
    return {
        "prompt": request.prompt,
        "all_prompts": [request.prompt] * count,
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [request.negative_prompt] * count,
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": others[0],
        "all_subseeds": others,
        "subseed_strength": other.strength,
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampler,
        "cfg_scale": request.cfg_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": result.model_name,
        "sd_model_hash": result.model_sha256[:10],
        "sd_vae_name": request.vae or None,
        "sd_vae_hash": None,
        "seed_resize_from_w": other.from_width or -1,
        "seed_resize_from_h": other.from_height or -1,
        "denoising_strength": part.denoise if part else None,
        "extra_generation_params": dict(result.notes),
        "index_of_first_image": 0,
        "infotexts": list(result.infotexts),
        "styles": list(request.styles),
        "job_timestamp": datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        "clip_skip": request.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": VERSION,
    }


def reply_of(result: ImageResult, body: dict[str, Any], *, send_images: bool) -> bytes:
    """Return the reply's JSON; the pictures are joined in as they are, since encoding megabytes of text takes long."""
    pictures = result.pictures if send_images else ()
    quoted = (b'"' + base64.b64encode(picture) + b'"' for picture in pictures)
    parameters = {**body, **_parameters(result.request)}
    rest = {"parameters": parameters, "info": json.dumps(info_of(result)), "garret_job": result.job_id}
    return b'{"images":[' + b",".join(quoted) + b"]," + json.dumps(rest).encode()[1:]


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    patience_s = service.settings.client_timeout_s

    @routes.post("/txt2img", openapi_extra=TXT2IMG_SCHEMA)
    async def txt2img(request: Request) -> Response:
        """Make pictures from words."""
        body = await read_json(request, patience_s)
        send_images = fields.boolean(body, "send_images", True)
        asked = parse_txt2img(body, service.models.usable_checkpoint)
        result = await wait_for(service, asked, request, body)
        return Response(reply_of(result, body, send_images=send_images), media_type="application/json")

    @routes.get("/sd-models")
    async def sd_models() -> list[dict[str, Any]]:
        """List the checkpoints."""
        return [_checkpoint(model) for model in service.models.all("checkpoint")]

    @routes.get("/extensions")
    async def extensions() -> list[dict[str, Any]]:
        """List the extensions; installing and removing is the operator's, on the command line."""
        return [_extension(one) for one in await asyncio.to_thread(service.extensions.registry.all)]

    @routes.get("/samplers")
    async def samplers() -> list[dict[str, Any]]:
        """List the samplers."""
        return [{"name": entry.name, "aliases": list(entry.aliases), "options": {}} for entry in SAMPLERS]

    @routes.get("/schedulers")
    async def schedulers() -> list[dict[str, Any]]:
        """List the spacings of noise levels."""
        return [
            {
                "name": entry.name,
                "label": entry.label,
                "aliases": list(entry.aliases) or None,
                "default_rho": entry.rho,
                "need_inner_model": False,
            }
            for entry in SCHEDULES
        ]

    @routes.get("/options")
    async def options() -> dict[str, Any]:
        """Return the settings that clients read."""
        models = service.models.all("checkpoint")
        model = service.models.find_checkpoint() if models else None
        return {
            "sd_model_checkpoint": model.title if model else None,
            "sd_checkpoint_hash": model.sha256 if model else None,
            "sd_vae": "Automatic",
            "samples_format": "png",
            "CLIP_stop_at_last_layers": 1,
        }

    @routes.post("/options")
    async def set_options(request: Request) -> Response:
        """Choose the checkpoint for requests that name none; other settings are accepted and change nothing."""
        title = fields.text(await read_json(request, patience_s), "sd_model_checkpoint")
        if title:
            service.models.choose(service.models.usable_checkpoint(title))
        return JSONResponse(None)

    @routes.get("/progress")
    async def progress() -> dict[str, Any]:
        """Tell how far the jobs are that are not over."""
        return progress_of(service)

    @routes.post("/interrupt")
    async def interrupt(request: Request) -> dict[str, Any]:
        """Stop the caller's own jobs at their next step."""
        for live in service.live:
            if live.owner == request.state.caller:
                service.cancel(live.job_id, "interrupted by its owner")
        return {}

    @routes.post("/refresh-checkpoints")
    async def refresh_checkpoints() -> Response:
        """Look for new checkpoints; they would be seen without this as well."""
        service.models.all("checkpoint")
        return JSONResponse(None)

    return routes


def progress_of(service: Service) -> dict[str, Any]:
    """Return A1111's progress record; idle is progress 0 and job_count 0."""
    live = service.live
    running = [job for job in live if job.started]
    state = {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": running[0].job_id if running else "",
        "job_count": len(live),
        "job_timestamp": datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        "job_no": 0,
        "sampling_step": running[0].step if running else 0,
        "sampling_steps": running[0].request.steps if running else 0,
    }
    share, remaining = 0.0, 0.0
    if running:
        job = running[0]
        share = min(1.0, 0.01 + job.step / (len(live) * job.request.steps))
        elapsed = time.time() - job.began
        remaining = elapsed / share - elapsed
    return {"progress": share, "eta_relative": remaining, "state": state, "current_image": None, "textinfo": None}


def _extension(one: Extension) -> dict[str, Any]:
    is_git = one.source.startswith("git+")
    return {
        "name": one.name,
        "remote": one.source,
        "branch": None,
        "commit_hash": one.digest if is_git else None,
        "version": one.version,
        "commit_date": 0,
        "enabled": one.is_on,
    }


def _checkpoint(model: Model) -> dict[str, Any]:
    return {
        "title": model.title,
        "model_name": model.name,
        "hash": model.sha256[:10] or None,
        "sha256": model.sha256 or None,
        "filename": str(model.path),
        "config": None,
        # Not A1111's: the side in pixels the model was made for. A client that does not read it asks for 512.
        "garret_native_size": model.native_size,
        "garret_family": model.family,
    }


def _parameters(request: ImageRequest) -> dict[str, Any]:
    """Return the fields as they were used, under the dialect's names."""
    values = request.to_dict()
    values.pop("checkpoint")
    return {**values, "sampler_name": values.pop("sampler"), "scheduler": values.pop("schedule")}
