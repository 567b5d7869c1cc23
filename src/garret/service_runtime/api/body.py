"""JSON bodies, read within bounds: what is no clean JSON object is refused before anything looks at it."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from garret.service_runtime.api.turns import my_turn
from garret.service_runtime.errors import BadRequest, TooLarge, TooSlow
from garret.service_runtime.settings import MAXIMUM_BODY_BYTES

_MOST_VALUES = 100_000
_SHORT_BYTES = 1 << 16


async def read_json(request: Request, timeout_s: float, limit: int = MAXIMUM_BODY_BYTES) -> dict[str, Any]:
    """Return the body's JSON object, or say what is wrong with it; `timeout_s` is the longest silence within it."""
    body = await read_body(request, timeout_s, limit)
    # What is longer takes long enough for others to notice, were it read in the event loop.
    values = parse_json(body) if len(body) <= _SHORT_BYTES else await asyncio.to_thread(parse_json, body)
    if not isinstance(values, dict):
        raise BadRequest("body", "is not a JSON object", 'Send {"prompt": "…"}')
    await my_turn()
    return values


def parse_json(body: bytes) -> Any:
    """Return what JSON text says, or say why it is none, as `body`."""
    # A picture in base64 is one value; millions of small ones would take a hundred times their text in memory.
    if len(body) > MAXIMUM_BODY_BYTES and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise TooLarge("the body holds too many values", f"At most {_MOST_VALUES} beside its pictures")
    try:
        return json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise BadRequest("body", "is not UTF-8 text") from None
    except RecursionError:
        raise BadRequest("body", "is nested too deep") from None
    except json.JSONDecodeError as error:
        raise BadRequest("body", f"is not JSON: {error.msg.removesuffix(' at')} at character {error.pos}") from None
    except ValueError:
        raise BadRequest("body", "holds a number with too many digits") from None


async def read_body(request: Request, timeout_s: float, limit: int = MAXIMUM_BODY_BYTES) -> bytes:
    """Return the body, refusing one that is longer than `limit` bytes as soon as that is known."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and (len(announced) > 12 or int(announced) > limit):
        raise TooLarge(f"the body has {announced[:20]} bytes", f"At most {limit}")
    parts: list[bytes] = []
    size, stream = 0, request.stream()
    try:
        while True:
            async with asyncio.timeout(timeout_s):
                part = await anext(stream, b"")
            if not part:
                return b"".join(parts)
            size += len(part)
            if size > limit:
                raise TooLarge(f"the body is longer than {limit} bytes", f"At most {limit}")
            parts.append(part)
    except TimeoutError:
        raise TooSlow(f"no part of the body came for {timeout_s:g} s") from None
    except ClientDisconnect:
        raise TooSlow("the connection closed before the body was whole") from None


def _no_constant(name: str) -> NoReturn:
    raise BadRequest("body", f"holds {name}, which is not JSON", "Send a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadRequest("body", f"holds {text[:40]}, which is beyond any number here")
    return number
