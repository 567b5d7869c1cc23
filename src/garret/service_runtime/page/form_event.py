"""What a form of the page sends, looked at before Gradio gets it.

Gradio takes whatever comes, and where it does not fit writes into the log what somebody typed; so a page from before an
update, and whoever makes requests by hand, are answered here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive

from garret.service_runtime.api.body import read_json
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.page.words import language_of, say

LARGEST = 1_000_000
"""More bytes than any form of ours has."""
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


async def event_of(request: Request, timeout_s: float, inputs: Mapping[int, int]) -> dict[str, Any] | None:
    """Return what Gradio needs of an event, None for one that this page has not; `inputs` counts values by event.

    Raises:
        BadRequest, TooLarge, TooSlow: it is none.
    """
    said = await read_json(request, timeout_s, LARGEST)
    event, values, session = said.get("fn_index"), said.get("data"), said.get("session_hash")
    if isinstance(event, bool) or not isinstance(event, int):
        raise BadRequest("fn_index", "must be a whole number")
    if not isinstance(values, list) or not all(one is None or isinstance(one, str | int | float) for one in values):
        raise BadRequest("data", "must be a list of texts, numbers, true and false")
    if session is not None and not (isinstance(session, str) and _SESSION.fullmatch(session)):
        raise BadRequest("session_hash", "must be 1 to 64 letters and digits")
    if inputs.get(event) != len(values):
        return None
    return {"fn_index": event, "data": values, "session_hash": session}


def outdated(request: Request) -> Response:
    """Return the answer to a page that is not this one, as Gradio shows it."""
    return JSONResponse({"error": say(language_of(request), "fault.NoRoute")}, 409)


def sent_again(event: Mapping[str, Any], receive: Receive) -> Receive:
    """Return what gives an event as a request's body."""
    body: list[Message] = [{"type": "http.request", "body": json.dumps(event).encode("ascii"), "more_body": False}]

    async def replayed() -> Message:
        return body.pop() if body else await receive()

    return replayed
