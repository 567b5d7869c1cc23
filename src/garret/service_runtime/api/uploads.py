"""Models from a caller's own disk: announced, sent in chunks that may be sent again, and finished."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect

from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import answer, body, field, query, record
from garret.service_runtime.errors import BadRequest, InsufficientStorage, TooSlow
from garret.service_runtime.model_files import TYPES
from garret.service_runtime.operations.upload_places import UploadPlaces
from garret.service_runtime.service import Service
from garret.service_runtime.uploads import Announced, Uploads

_PIECE = 1 << 20


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/uploads", tags=["uploads"])
    places, patience = UploadPlaces(service.settings), service.settings.client_timeout_s
    uploads = Uploads(service.settings.models_dir, places.place)

    @routes.post("", openapi_extra=_ANNOUNCE, responses=_STATE)
    async def announce(request: Request) -> dict[str, Any]:
        """Announce a file: type, name, size in bytes and sha256; also kind, directory and force, as download-model.

        The reply's `received` says where to go on; `model` is there, and nothing to send, when the node has the file.
        """
        announced = Announced.parse(await read_json(request, patience))
        known = await asyncio.to_thread(places.known, announced)
        if known is not None:
            return {"received": announced.size, "size": announced.size, "model": known}
        return await asyncio.to_thread(uploads.begin, announced)

    @routes.get("/{identifier}", responses=_STATE)
    async def show(identifier: str) -> dict[str, Any]:
        """Say how much has arrived."""
        return await asyncio.to_thread(uploads.state, identifier)

    @routes.put("/{identifier}", openapi_extra=_CHUNK, responses=_STATE)
    async def send(identifier: str, request: Request) -> dict[str, Any]:
        """Append the body, which begins at the byte `offset` of the file; answers 409 when that is not the next one."""
        text = request.query_params.get("offset", "")
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise BadRequest("offset", "must be the byte at which the body begins")
        try:
            await _receive(request, uploads.chunk(identifier, int(text)), patience)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            await asyncio.to_thread(uploads.drop, identifier)
            raise InsufficientStorage("the disk is full; nothing of the file was kept", "Remove models") from None
        return await asyncio.to_thread(uploads.state, identifier)

    @routes.post("/{identifier}/finish")
    async def finish(identifier: str) -> dict[str, Any]:
        """Check the file and put it in its place; the model is listed from then on."""
        try:
            return await asyncio.to_thread(uploads.finish, identifier)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            reason = "the disk is full; the file is there, and has no name yet"
            raise InsufficientStorage(reason, "Remove models, then give the command again") from None

    @routes.delete("/{identifier}")
    async def drop(identifier: str) -> dict[str, bool]:
        """Throw away what came of a file."""
        await asyncio.to_thread(uploads.drop, identifier)
        return {"dropped": True}

    return routes


_STATE: dict[int | str, dict[str, Any]] = {
    200: answer(
        "How much of it has arrived",
        record({"received": {"type": "integer"}, "size": {"type": "integer"}}, required=("received", "size")),
    )
}
_ANNOUNCE = body(
    record(
        {
            "type": {"type": "string", "enum": list(TYPES)},
            "name": {"type": "string", "description": "the file's name"},
            "size": {"type": "integer", "minimum": 1, "description": "in bytes"},
            "sha256": {"type": "string", "description": "of the file, in hex"},
            "kind": field("string", "what it is, as download-model has it"),
            "directory": field("string", "of the type other: the folder below the models"),
            "force": field("boolean", "true: instead of a file of that name"),
        },
        required=("type", "name", "size", "sha256"),
    )
)
_CHUNK = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    "parameters": [
        {
            **query("offset", {"type": "integer", "minimum": 0}, "the byte of the file at which it begins"),
            "required": True,
        }
    ],
}


async def _receive(request: Request, chunk: AbstractContextManager[Callable[[bytes], None]], patience_s: float) -> None:
    """Bring a body to the disk as it comes, in large pieces; what came before a connection broke is kept."""
    write = await asyncio.to_thread(chunk.__enter__)
    stream, held = request.stream(), bytearray()
    try:
        while part := await asyncio.wait_for(anext(stream, b""), patience_s):
            held += part
            if len(held) >= _PIECE:
                await asyncio.to_thread(write, bytes(held))
                held.clear()
    except TimeoutError:
        raise TooSlow(f"no part of the body came for {patience_s:g} s") from None
    except ClientDisconnect:
        raise TooSlow("the connection closed before the body was whole") from None
    finally:
        try:
            await asyncio.to_thread(write, bytes(held))
        finally:
            await asyncio.to_thread(chunk.__exit__, None, None, None)
