"""What a browser may keep: files that never change under their address, and such as are asked after each time."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

FOR_EVER = "private, max-age=31536000, immutable"
ASKED_AFTER = "private, no-cache"
# Kept for the login that had it: without one, or with another one, the service is asked again.
_VARY = "Cookie, Authorization"


def cache_headers(tag: str, *, for_ever: bool) -> dict[str, str]:
    """Return the headers of an answer that may be kept; `tag` names its content, without quotes."""
    return {"cache-control": FOR_EVER if for_ever else ASKED_AFTER, "etag": f'"{tag}"', "vary": _VARY}


def not_changed(request: Request, headers: dict[str, str]) -> Response | None:
    """Return 304 for a caller that has this content already, else None."""
    asked = request.headers.get("if-none-match", "")
    tags = {part.strip().removeprefix("W/") for part in asked.split(",")} if len(asked) <= 4096 else set()
    return Response(status_code=304, headers=headers) if headers["etag"] in tags or "*" in tags else None
