"""The caller's finished pictures: newest first, searched in words, small and whole, linked to, deleted."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.caching import cache_headers, not_changed
from garret.service_runtime.api.describe import Schema, answer, query, record
from garret.service_runtime.api.image_view import LONG, SHORT, long_of, own_image, place_before, place_in, short_of
from garret.service_runtime.api.job_pictures import PICTURE_ANSWER, file_of
from garret.service_runtime.api.lists import LIMIT, limit_of, list_reply, list_schema
from garret.service_runtime.errors import Gone, NotFound
from garret.service_runtime.limits import check_text
from garret.service_runtime.results import storage_error
from garret.service_runtime.service import Service
from garret.service_runtime.thumbnails import MEDIA_TYPE

LONGEST_SEARCH = 500
_MORE: Schema = {"type": "boolean", "description": "whether there are older ones"}
_LIST = {
    "parameters": [
        LIMIT,
        query("before", {"type": "string"}, "only those older than this image: the last one's id of the page before"),
        query("q", {"type": "string", "maxLength": LONGEST_SEARCH}, "words that must all be in an image's text"),
    ]
}
_SMALL = answer("Its small form", {"type": "string", "format": "binary"}, MEDIA_TYPE)
_UNCHANGED = answer("The caller has it already")
_LINK = record(
    {
        "url": {"type": "string", "description": "opens the picture without a login"},
        "expires_at": {"type": "integer", "description": "until then, in seconds since 1970"},
    },
    required=("url", "expires_at"),
)
_DELETED = record({"deleted": {"const": True}}, required=("deleted",))


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/images", tags=["images"])

    @routes.get("", responses={200: answer("Images", list_schema(SHORT, has_more=_MORE))}, openapi_extra=_LIST)
    async def list_images(request: Request) -> Response:
        """List the caller's finished pictures, newest first; those of a job that is not over are among them."""
        limit, before = limit_of(request), place_before(request)
        text = request.query_params.get("q", "")
        check_text("q", text, LONGEST_SEARCH)
        found = await service.records.pictures(request.state.caller, limit + 1, before, text.split())
        shown = await asyncio.to_thread(lambda: [short_of(service, one) for one in found[:limit]])
        return await list_reply(shown, has_more=len(found) > limit)

    @routes.get("/{identifier}", responses={200: answer("The image", LONG)})
    async def show_image(identifier: str, request: Request) -> Response:
        """Show one of the caller's pictures with all that it was made from."""
        one = await own_image(service, identifier, request)
        return JSONResponse(await asyncio.to_thread(long_of, service, one))

    @routes.get("/{identifier}/file", response_class=Response, responses={200: PICTURE_ANSWER, 304: _UNCHANGED})
    async def show_file(identifier: str, request: Request) -> Response:
        """Return the picture's file; a browser may keep it, since it never changes."""
        one = await own_image(service, identifier, request)
        headers = cache_headers(one.id, for_ever=True)
        if known := not_changed(request, headers):
            return known
        reply = await file_of(service, one.kept)
        reply.headers.update(headers)
        return reply

    @routes.get("/{identifier}/thumbnail", response_class=Response, responses={200: _SMALL, 304: _UNCHANGED})
    async def show_thumbnail(identifier: str, request: Request) -> Response:
        """Return the picture small, its longer side at most 384 pixels; made at the first look, and kept."""
        one = await own_image(service, identifier, request)
        headers = cache_headers(f"{one.id}-small", for_ever=True)
        if known := not_changed(request, headers):
            return known
        try:
            data = await service.results.thumbnails.of(service.results.path(one.kept.name))
        except FileNotFoundError:
            raise Gone("this picture is not kept any more", "Ask for it again") from None
        except OSError as error:
            if error.errno is not None:
                raise storage_error(error) from error
            raise Gone("the file of this picture is broken", "Ask for it again") from None
        return Response(data, media_type=MEDIA_TYPE, headers=headers)

    @routes.post("/{identifier}/link", responses={200: answer("The link", _LINK)})
    async def link(identifier: str, request: Request) -> dict[str, Any]:
        """Make a link that opens the picture without a login for a while (the setting link_s), for whoever has it."""
        one = await own_image(service, identifier, request)
        until = service.links.good_until()
        return {"url": service.links.url_of(request, one.job_id, one.number, until), "expires_at": until}

    @routes.delete("/{identifier}", responses={200: answer("It is gone", _DELETED)})
    async def delete(identifier: str, request: Request) -> dict[str, bool]:
        """Delete one of the caller's pictures; its job stays in the list. 409 as long as the job is not over."""
        if not await service.results.delete_picture(request.state.caller, *place_in(identifier)):
            raise NotFound(f"there is no image {identifier[:64]!r}", "GET /v1/images lists yours")
        return {"deleted": True}

    return routes
