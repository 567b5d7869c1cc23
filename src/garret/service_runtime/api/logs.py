"""The service's own last log lines, for whoever is logged in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.describe import Schema, answer, query, record
from garret.service_runtime.api.lists import list_of, list_schema
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.log_ring import MOST_LINES, RING
from garret.service_runtime.service import Service

SOURCES = ("service",)
USUAL = 200
_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_LINE = record(
    {
        "number": {**_NUMBER, "description": "grows from line to line, also over a restart of the service"},
        "time": _TEXT,
        "level": {"enum": ["info", "warning", "error", "critical"]},
        "logger": _TEXT,
        "message": {**_TEXT, "description": "one line; what could open anything is hidden"},
        "job": {**_TEXT, "description": "the job that it is about; with model, pictures, seconds, end where known"},
        "traceback": {"type": "array", "items": _TEXT, "description": "where an error happened, and its kind"},
    },
    required=("number", "time", "level", "logger", "message"),
)
_LAST = {**_NUMBER, "description": "what to say as `after` the next time"}
_PARAMETERS = {
    "parameters": [
        query("source", {"enum": list(SOURCES), "default": SOURCES[0]}, "whose log"),
        query("lines", {"type": "integer", "minimum": 1, "maximum": MOST_LINES, "default": USUAL}, "how many at most"),
        query("after", {"type": "integer", "minimum": 0, "default": 0}, "only lines that came after this number"),
    ]
}


def router(service: Service) -> APIRouter:  # noqa: ARG001  (all routers are made so)
    """Return the route."""
    routes = APIRouter(prefix="/v1/logs", tags=["machine"])

    @routes.get("", responses={200: answer("The lines", list_schema(_LINE, last=_LAST))}, openapi_extra=_PARAMETERS)
    async def logs(request: Request) -> dict[str, Any]:
        """Return the last lines of this service's log since it started, oldest first; asking is no use of the node.

        No line holds a prompt, a login or a token; the whole log is the operator's (`garret ops logs`).
        """
        source = request.query_params.get("source", SOURCES[0])
        if source not in SOURCES:
            raise BadRequest("source", f"{source[:40]!r} is no log here", f"Known: {', '.join(SOURCES)}")
        lines, after = _whole(request, "lines", USUAL, 1, MOST_LINES), _whole(request, "after", 0, 0, 10**15)
        found = RING.newest(lines, after)
        return list_of(found, last=found[-1]["number"] if found else after)

    return routes


def _whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or not low <= int(text) <= high:
        raise BadRequest(name, f"must be {low} to {high}")
    return int(text)
