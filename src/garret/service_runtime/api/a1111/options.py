"""A1111's options: the few that change pictures, each caller's own, among those that clients look for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.chosen_options import DEFAULTS, read_options
from garret.service_runtime.api.a1111.desk import Desk, owner_of
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import answer, field, record
from garret.service_runtime.api.describe import body as described
from garret.service_runtime.errors import ServiceError

# What clients read and cannot change here: each says how pictures are made.
_FIXED: Mapping[str, Any] = {
    "samples_save": True,
    "save_images_add_number": True,
    "return_grid": False,
    "grid_save": False,
    "do_not_show_images": False,
    "show_progress_type": "Approx NN",
    "live_previews_enable": True,
    "live_preview_refresh_period": 1000,
    "show_progress_every_n_steps": 5,
    "randn_source": "CPU",
    "eta_noise_seed_delta": 0,
    "img2img_fix_steps": False,
    "img2img_color_correction": False,
    "inpainting_mask_weight": 1.0,
    "face_restoration": False,
    "face_restoration_model": "None",
    "sd_hypernetwork": "None",
    "sd_lora": "None",
    "upscaler_for_img2img": "None",
    "deepbooru_sort_alpha": True,
    "interrogate_return_ranks": False,
}
_OPTIONS = record({
    "sd_model_checkpoint": field("string", "a title of /sd-models; null while there is no model"),
    "sd_checkpoint_hash": field("string", "its SHA-256, null until it is known"),
    "sd_vae": field("string", "Automatic, None or a name of /sd-vae"),
    "CLIP_stop_at_last_layers": field("integer", "1 to 12"),
    "samples_format": field("string", "png, jpg or webp"),
    "jpeg_quality": field("integer", "1 to 100, for JPEG and WebP"),
    "enable_pnginfo": field("boolean", "whether the words are in the file"),
    "initial_noise_multiplier": field("number", "0 to 1.5, for img2img"),
})  # fmt: skip


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    service = desk.service

    @routes.get("/options", responses={200: answer("The settings.", _OPTIONS)})
    async def options(request: Request) -> Response:
        """Return the settings that clients read; what the caller has chosen is theirs alone."""
        return JSONResponse(await asyncio.to_thread(options_of, desk, owner_of(request)))

    @routes.post("/options", openapi_extra=described(_OPTIONS), responses={200: answer("null", {"type": "null"})})
    async def set_options(request: Request) -> Response:
        """Choose for the caller's own requests from now on; settings that are not ours are accepted and change nothing.

        The whole dictionary that GET returns may be sent back.
        """
        body = await read_json(request, service.settings.client_timeout_s)

        def change() -> None:
            desk.options.change(owner_of(request), read_options(body, service.models))

        await asyncio.to_thread(change)
        return JSONResponse(None)

    return routes


def options_of(desk: Desk, owner: str) -> dict[str, Any]:
    """Return all settings as a caller sees them."""
    chosen = {**DEFAULTS, **desk.with_options({}, owner)["override_settings"]}
    models = desk.service.models
    try:
        model = models.find_checkpoint(chosen["sd_model_checkpoint"])
    except ServiceError:
        model = None
    return {
        **_FIXED,
        **chosen,
        "sd_model_checkpoint": model.title if model else None,
        "sd_checkpoint_hash": (model.sha256 or None) if model else None,
    }
