"""The pictures that show what models do, each lying beside its model under the same name."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_body, read_json
from garret.service_runtime.api.caching import cache_headers, not_changed
from garret.service_runtime.api.describe import Schema, answer, record
from garret.service_runtime.api.image_view import own_image
from garret.service_runtime.api.model_view import SCHEMA, default_path, facts_of, find_model, place_of, version_of
from garret.service_runtime.errors import BadRequest, Gone, NotFound
from garret.service_runtime.model_files import INCOMING
from garret.service_runtime.models import Model
from garret.service_runtime.own_operations import refusal
from garret.service_runtime.results import storage_error
from garret.service_runtime.service import Service

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
JSON = "application/json"
_FILE: Schema = {"type": "string", "format": "binary"}
_FILES = {kind: {"schema": _FILE} for kind in dict.fromkeys(MEDIA_TYPES.values())}
_PICTURE = {**answer("The picture"), "content": _FILES}
_IMAGE = record({"image": {"type": "string", "description": "one of the caller's images: JOB-NUMBER"}}, ("image",))
_BODY = {"requestBody": {"required": True, "content": {**_FILES, JSON: {"schema": _IMAGE}}}}
_DELETED = record({"deleted": {"const": True}}, required=("deleted",))


def router(service: Service) -> APIRouter:
    """Return the routes; they stand before those of models, whose names may have slashes in them."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])
    path = "/{model_type}/{name:path}/preview"

    def read(model_type: str, name: str, request: Request) -> Response:
        found = find_model(service, model_type, name).preview
        if found is None:
            raise NotFound(f"there is no preview of the {model_type} {name[:120]!r}", "PUT one there")
        headers = cache_headers(version_of(found), for_ever=False)
        if known := not_changed(request, headers):
            return known
        return Response(found.read_bytes(), media_type=MEDIA_TYPES[found.suffix.lower()], headers=headers)

    def put_beside(model: Model, data: bytes) -> dict[str, Any]:
        _place(service, model, data)
        return facts_of(service, find_model(service, model.type, place_of(service, model.path)), default_path(service))

    def delete(model_type: str, name: str) -> None:
        if find_model(service, model_type, name).preview is None:
            raise NotFound(f"there is no preview of the {model_type} {name[:120]!r}")
        # There may be one of each kind; the next one would be shown in its place.
        while (preview := find_model(service, model_type, name).preview) is not None:
            preview.unlink(missing_ok=True)

    async def picture_in(request: Request) -> bytes:
        patience_s = service.settings.client_timeout_s
        if request.headers.get("content-type", "").partition(";")[0].strip() != JSON:
            return await read_body(request, patience_s, service.settings.picture_body_bytes)
        kept = (await own_image(service, fields.text(await read_json(request, patience_s), "image"), request)).kept
        try:
            return await asyncio.to_thread(service.results.path(kept.name).read_bytes)
        except FileNotFoundError:
            raise Gone("this picture is not kept any more", "Ask for it again") from None

    @routes.get(path, response_class=Response, responses={200: _PICTURE, 304: answer("The caller has it already")})
    async def show_preview(model_type: str, name: str, request: Request) -> Response:
        """Return the picture that belongs to a model."""
        return await asyncio.to_thread(read, model_type, name, request)

    @routes.put(path, responses={200: answer("The model now", SCHEMA)}, openapi_extra=_BODY)
    async def put_preview(model_type: str, name: str, request: Request) -> dict[str, Any]:
        """Give a model its picture: the body is a PNG, JPEG or WebP file, or JSON that names one of one's own images.

        A picture that it had is replaced.
        """
        model = await asyncio.to_thread(find_model, service, model_type, name)
        return await asyncio.to_thread(put_beside, model, await picture_in(request))

    @routes.delete(path, responses={200: answer("It is gone", _DELETED)})
    async def delete_preview(model_type: str, name: str) -> dict[str, bool]:
        """Delete a model's picture."""
        await asyncio.to_thread(delete, model_type, name)
        return {"deleted": True}

    return routes


def _place(service: Service, model: Model, data: bytes) -> None:
    """Put a picture beside its model, by way of a file on the same disk."""
    from garret.service_runtime.operations.placing import place_preview
    from garret.service_runtime.operations.run import WrongParameter
    from garret.service_runtime.transfer import DownloadError

    incoming = service.settings.models_dir / INCOMING
    incoming.mkdir(mode=0o750, parents=True, exist_ok=True)
    staged = incoming / f"preview-{secrets.token_hex(8)}.part"
    try:
        staged.write_bytes(data)
        place_preview(service.settings, staged, model.path.parent, model.path.name, force=True)
    except WrongParameter as error:
        raise refusal({"message": error.message, "hint": error.hint}) from None
    except DownloadError as error:
        raise BadRequest("body", error.message, error.hint) from None
    except OSError as error:
        raise storage_error(error) from error
    finally:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
