"""OpenAI's three image routes: each reads its body its own way, and all answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.idempotency import key_of
from garret.service_runtime.api.openai.fields import Wish, named_as, parse_wish
from garret.service_runtime.api.openai.pictures import MORE, Sent, keep_edit, keep_variation, read_sent
from garret.service_runtime.api.openai.reply import reply_of
from garret.service_runtime.api.openai.schema import ANSWERS, EDIT_BODY, GENERATION_BODY, VARIATION_BODY
from garret.service_runtime.api.openai.stream import PictureStream, Teller
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.api.waiting import accept_for, wait_for
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.service import Service

GENERATION, EDIT = "image_generation", "image_edit"
"""What the events of a stream are called."""


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/images", tags=["OpenAI"])
    patience_s = service.settings.client_timeout_s

    async def begun(request: Request, keep: Callable[[Sent, InputStore], dict[str, Any]]) -> tuple[Sent, Wish]:
        """Read a body with a picture, keep that, and return both it and the wish."""
        sent = await read_sent(request, patience_s, service.settings.picture_body_bytes)
        if not key_of(request):  # one that has a key may have its pictures already
            service.check_room(request.state.caller)

        def wish() -> Wish:
            return parse_wish(sent.values, service, keep(sent, service.inputs), MORE)

        return sent, await asyncio.to_thread(wish)

    @routes.post("/generations", openapi_extra=GENERATION_BODY, responses=ANSWERS)
    async def generations(request: Request) -> Response:
        """Make pictures from words."""
        body = await read_json(request, patience_s)
        _need_prompt(body)
        # Files are looked up, and whoever reads one's header meanwhile is waited for.
        wish = await asyncio.to_thread(parse_wish, body, service)
        return await _answer(service, request, wish, body, GENERATION)

    @routes.post("/edits", openapi_extra=EDIT_BODY, responses=ANSWERS)
    async def edits(request: Request) -> Response:
        """Paint a picture anew, or only what is transparent in its mask."""
        sent, wish = await begun(request, keep_edit)
        _need_prompt(sent.values)
        return await _answer(service, request, wish, sent.told, EDIT)

    @routes.post("/variations", openapi_extra=VARIATION_BODY, responses=ANSWERS)
    async def variations(request: Request) -> Response:
        """Make pictures like a picture; words are not needed."""
        sent, wish = await begun(request, keep_variation)
        return await _answer(service, request, wish, sent.told, EDIT)

    return routes


def _need_prompt(body: Mapping[str, Any]) -> None:
    if body.get("prompt") in (None, ""):
        raise BadRequest("prompt", "is missing", "Say what the picture shows")


async def _answer(service: Service, request: Request, wish: Wish, told: Mapping[str, Any], kind: str) -> Response:
    """Submit the request, and answer with its pictures or with how they come to be."""
    if wish.stream:
        with named_as(wish.names):
            job_id, terms = await accept_for(service, wish.request, request, told)
        return PictureStream(service, job_id, terms, Teller(kind, wish))
    with named_as(wish.names):
        result = await wait_for(service, wish.request, request, told)

    def link(job_id: str, number: int) -> str:
        return service.links.url_of(request, job_id, number)

    return await picture_reply(reply_of(wish, result, link), headers={"x-request-id": result.job_id})
