"""A1111's API as a dialect."""

from __future__ import annotations

from fastapi import APIRouter

from garret.service_runtime.api.a1111 import (
    controlnet,
    extensions,
    extras,
    img2img,
    internal,
    machine,
    models,
    options,
    png_info,
    progress,
    refused,
    samplers,
    scripts,
    txt2img,
    upscalers,
    words,
)
from garret.service_runtime.api.a1111.chosen_options import ChosenOptions
from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.dialect import Dialect
from garret.service_runtime.logins import Logins
from garret.service_runtime.service import Service

_PARTS = (
    txt2img,
    img2img,
    extras,
    png_info,
    progress,
    options,
    models,
    words,
    samplers,
    upscalers,
    scripts,
    extensions,
    machine,
    internal,
    controlnet,
    refused,
)


def router(service: Service) -> APIRouter:
    """Return the routes, which share one desk."""
    options = ChosenOptions(service.settings.state_dir / "a1111-options.json")
    opening = Logins(service.settings).current()
    options.adopt(opening.owner, opening.aliases)
    desk = Desk(service, options)
    routes = APIRouter()
    for part in _PARTS:
        routes.include_router(part.router(desk))
    return routes


DIALECT = Dialect(
    name="a1111",
    title="A1111",
    paths=("/sdapi", "/internal", "/queue", "/controlnet"),
    routers=(router,),
    makes="/sdapi/v1/(txt2img|img2img|extra-single-image|extra-batch-images)",
)
