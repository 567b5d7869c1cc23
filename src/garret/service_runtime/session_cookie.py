"""The cookie of a session: its name, what a request sends of it, and what puts it into a browser and out again."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection

from garret.service_runtime.sessions import ID_LENGTH

NAME = "garret_session"
_ID = re.compile(rf"[A-Za-z0-9_-]{{{ID_LENGTH}}}")
# A browser has one; another port of the same host can add to it, which must not cost more than a look at a few.
_LOOKED_AT = 4


def is_secure(connection: HTTPConnection) -> bool:
    """Say whether a request came by TLS, here or at the front."""
    return bool(connection.scope["scheme"] == "https")


def cookie_name(*, secure: bool) -> str:
    """Return the cookie's name; by TLS it is one that no other host of the same domain can put into a browser."""
    return f"__Host-{NAME}" if secure else NAME


def is_sent(connection: HTTPConnection) -> bool:
    """Say whether a request brings the cookie, whatever it holds."""
    return bool(_values(connection))


def sent_ids(connection: HTTPConnection) -> list[str]:
    """Return the ids that a request brings, each once; what has not their form is left out."""
    return [value for value in dict.fromkeys(_values(connection)) if _ID.fullmatch(value)][:_LOOKED_AT]


def setting(identifier: str, seconds: float, *, secure: bool) -> str:
    """Return the header that has a browser keep an id for so long."""
    return f"{cookie_name(secure=secure)}={identifier}; Max-Age={int(seconds)}; {_attributes(secure=secure)}"


def clearing(*, secure: bool) -> str:
    """Return the header that has a browser forget it."""
    return f"{cookie_name(secure=secure)}=; Max-Age=0; {_attributes(secure=secure)}"


def _attributes(*, secure: bool) -> str:
    return "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


def _values(connection: HTTPConnection) -> list[str]:
    wanted = cookie_name(secure=is_secure(connection))
    sent = (pair for header in connection.headers.getlist("cookie") for pair in header.split(";"))
    pairs = (pair.strip().partition("=") for pair in sent)
    return [value.strip() for name, _, value in pairs if name == wanted]
