"""Models brought from addresses and hubs: begun here, watched and stopped; each is an execution among the node's."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, body, field, record
from garret.service_runtime.api.executions import LONGEST_TOKEN
from garret.service_runtime.api.job_words import WAIT
from garret.service_runtime.api.lists import LIMIT, limit_of, list_reply, list_schema
from garret.service_runtime.api.waiting import first_of, wait_s_of
from garret.service_runtime.errors import BadRequest, NotFound
from garret.service_runtime.executions import ENDED, IDENTIFIER, Execution, UnknownExecution
from garret.service_runtime.fetching import Policy, Refused, check_url
from garret.service_runtime.model_files import PREVIEW_SUFFIXES, SUFFIX, TYPES
from garret.service_runtime.model_sources import WrongSource, parse_place
from garret.service_runtime.names import BadName, check_name
from garret.service_runtime.operations.entry import folder_of, parse_entry
from garret.service_runtime.operations.run import WrongParameter
from garret.service_runtime.own_operations import DOWNLOAD, as_api_says, refusal
from garret.service_runtime.service import Service
from garret.service_runtime.settings import ServiceSettings

_LOOK_EVERY_S = 0.2
_TOKEN_NAME = "token"  # noqa: S105  (a name, not a token)
_TEXT: Schema = {"type": "string"}
_PERHAPS: Schema = {"type": ["string", "null"]}
_BYTES: Schema = {"type": ["integer", "null"], "description": "in bytes"}
EXECUTION = record(
    {
        "id": _TEXT,
        "verb": {"const": DOWNLOAD},
        "requested_by": _TEXT,
        "status": {"enum": ["Started", "Queued", "Running", "Success", "Failed", "Cancelled"]},
        "created_at": _TEXT,
        "started_at": _PERHAPS,
        "ended_at": _PERHAPS,
        "progress": record({"done": _BYTES, "total": _BYTES}),
        "tasks": {"type": "array", "items": {"type": "object"}},
        "output": {"type": "object", "description": "after success: name, type, family, size, sha256, path, …"},
        "subject": {"type": "object", "description": "what it is: type, kind, name, source; of an address no query"},
        "error": {"type": ["object", "null"], "description": "why it failed: message and hint"},
        "url": {**_TEXT, "description": "where it is asked for"},
    },
    required=("id", "verb", "status", "progress", "tasks", "output", "error", "url"),
)
_ASKED = record(
    {
        "url": field("string", "the https:// address of a safetensors file"),
        "from": field("string", "or where on a hub: civitai:ID, hf:owner/repo/file, modelscope:…, oss://bucket/key"),
        "type": field("string", "checkpoint when it is not said", enum=[*TYPES, None]),
        "name": field("string", "the file's name here, else its own"),
        "directory": field("string", "of the type other: the folder below that of all models"),
        "kind": field("string", "preview for the picture of the model called `name`", enum=["model", "preview", None]),
        "sha256": field("string", "what the file must hash to"),
        "force": field("boolean", "take it also when this service has no use for it"),
        "token": field("string", "for the source; used once, and never kept or shown", maxLength=LONGEST_TOKEN),
    }
)
_BEGUN = {**answer("It has begun", EXECUTION), "headers": {"Location": {"schema": _TEXT}}}
_WAIT = {"parameters": [WAIT]}
_CANCELLED = record({"cancelled": {"type": "boolean"}}, required=("cancelled",))


def begin_router(service: Service) -> APIRouter:
    """Return the route that begins one."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    @routes.post("", status_code=202, responses={202: _BEGUN}, openapi_extra=body(_ASKED))
    async def download(request: Request) -> Response:
        """Bring a model from an address or a hub: checked, resumed when it breaks, and listed when it is whole.

        Answers 202 with the execution at once, and where to ask for it in Location. A file that is here already is not
        fetched again. The same body again, while it runs, is the same execution.
        """
        said = await read_json(request, service.settings.client_timeout_s)
        parameters = await asyncio.to_thread(parameters_of, said, service.settings)
        subject = subject_of(parameters)
        begun = await asyncio.to_thread(service.operations.download, parameters, request.state.caller, subject)
        return JSONResponse(view_of(begun), 202, {"location": f"/v1/downloads/{begun.id}"})

    return routes


def router(service: Service) -> APIRouter:
    """Return the routes that watch and stop one."""
    routes = APIRouter(prefix="/v1/downloads", tags=["models"])
    operations = service.operations

    def found(identifier: str) -> Execution:
        try:
            execution = operations.store.get(identifier) if IDENTIFIER.fullmatch(identifier) else None
        except UnknownExecution:
            execution = None
        if execution is None or execution.verb != DOWNLOAD:
            raise NotFound(f"there is no download {identifier[:64]!r}", "GET /v1/downloads lists them")
        return execution

    async def ended(identifier: str) -> None:
        while (await asyncio.to_thread(found, identifier)).status not in ENDED:
            await asyncio.sleep(_LOOK_EVERY_S)

    @routes.get("", responses={200: answer("Downloads", list_schema(EXECUTION))}, openapi_extra={"parameters": [LIMIT]})
    async def list_downloads(request: Request) -> Response:
        """List the downloads of this node, newest first, those of `garret ops download-model` among them."""
        limit = limit_of(request)
        found = (await asyncio.to_thread(operations.downloads))[:limit]
        return await list_reply(map(view_of, found))

    @routes.get("/{identifier}", responses={200: answer("The download", EXECUTION)}, openapi_extra=_WAIT)
    async def show_download(identifier: str, request: Request) -> Response:
        """Show how far a download is; with `wait`, when it is over or after so many seconds."""
        wait_s = wait_s_of(request)
        await asyncio.to_thread(found, identifier)
        if wait_s:
            end = asyncio.ensure_future(ended(identifier))
            try:
                await first_of(end, request, service, wait_s)
            finally:
                end.cancel()
        return JSONResponse(view_of(await asyncio.to_thread(found, identifier)))

    @routes.delete("/{identifier}", responses={200: answer("Whether it was running", _CANCELLED)})
    async def cancel(identifier: str) -> dict[str, bool]:
        """Stop a download; what has come of the file stays for a while, and the next one goes on from there."""
        running = (await asyncio.to_thread(found, identifier)).status not in ENDED
        if running:
            await asyncio.to_thread(operations.store.ask_to_cancel, identifier)
        return {"cancelled": running}

    return routes


def view_of(execution: Execution) -> dict[str, Any]:
    """Return an execution as JSON values, with where it is asked for."""
    error = execution.error and {**execution.error, "hint": as_api_says(execution.error.get("hint", ""))}
    return {**execution.to_dict(), "error": error, "url": f"/v1/downloads/{execution.id}"}


def parameters_of(said: dict[str, Any], settings: ServiceSettings) -> dict[str, Any]:
    """Return the verb's parameters that a body means.

    Raises:
        BadRequest: names the field that is wrong.
    """
    token = fields.text(said, "token")
    if len(token) > LONGEST_TOKEN or not token.isascii() or not (token.isprintable() or not token):
        raise BadRequest("token", f"must be at most {LONGEST_TOKEN} printable ASCII characters")
    values = {name: value for name, value in said.items() if name != "token" and value is not None}
    values.setdefault("type", "checkpoint")
    if "token_env" in values:
        raise BadRequest("token_env", "is a field of the command line", "Send the token itself, as token")
    try:
        _check(values, settings)
    except WrongParameter as error:
        raise refusal({"message": error.message, "hint": error.hint}) from None
    return {**values, "tokens": {_TOKEN_NAME: token}, "token_env": _TOKEN_NAME} if token else values


def subject_of(parameters: dict[str, Any]) -> dict[str, str]:
    """Return what lists say of a download with these parameters, which have been checked."""
    return parse_entry({name: value for name, value in parameters.items() if name != "tokens"}).subject


def _check(values: dict[str, Any], settings: ServiceSettings) -> None:
    """Refuse what would fail anyway, before a process is begun for it; nobody is asked yet."""
    entry = parse_entry(values)
    folder_of(settings, entry.type, entry.directory)
    private = settings.allow_private_download
    try:
        if entry.name:
            check_name(entry.name)
        if entry.url:
            check_url(entry.url, Policy(allow_private=private, allow_plain_http=private or bool(entry.sha256)))
        elif not entry.source.startswith("civitai:"):
            parse_place(entry.source, (SUFFIX,) if entry.kind == "model" else PREVIEW_SUFFIXES)
    except BadName as error:
        raise WrongParameter("name", str(error)) from None
    except Refused as refused:
        raise WrongParameter("url", refused.message, refused.hint) from None
    except WrongSource as error:
        raise WrongParameter("from", error.reason, error.hint) from None
