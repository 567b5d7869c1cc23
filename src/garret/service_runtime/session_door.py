"""The way in by a session's cookie, beside the one by a header: who is in, who was, and who only seems to ask."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from garret.service_runtime.auth import Authenticator
from garret.service_runtime.errors import Forbidden, SessionExpired, Unauthorized
from garret.service_runtime.idle import is_use
from garret.service_runtime.session_cookie import is_sent, sent_ids
from garret.service_runtime.sessions import Sessions

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_ELSEWHERE = "this request does not come from the service's own page"


class SessionDoor:
    """Knows sessions by their cookie; a login that is changed ends all that it opened."""

    def __init__(self, authenticator: Authenticator, sessions: Sessions) -> None:
        self._authenticator = authenticator
        self._sessions = sessions

    def owner(self, connection: HTTPConnection, *, in_use: bool = True) -> str:
        """Return who is logged in, "" for nobody; of several cookies with the name the first that is good counts."""
        mark = self._authenticator.mark
        found = (self._sessions.owner(one, mark, in_use=in_use) for one in sent_ids(connection))
        return next(filter(None, found), "")

    async def caller(self, connection: HTTPConnection) -> str:
        """Return who calls.

        Raises:
            Unauthorized: nobody is logged in; SessionExpired, if it is not any more.
            Forbidden: the browser sends the cookie for another site.
        """
        owner = self.owner(connection, in_use=is_use(connection.scope["path"]))
        if not owner:
            raise _stranger(connection)
        check_own_page(connection)
        if self._sessions.is_due:
            await asyncio.to_thread(self._sessions.write)
        return owner

    async def open(self, connection: HTTPConnection, login: str, secret: str, address: str) -> str:
        """Log in, with an id that was in no browser before, and end what this one had; return the id.

        Raises:
            WrongLogin, Busy: as `Authenticator.enter`.
        """
        owner, mark = await self._authenticator.enter(login, secret, address)
        for one in sent_ids(connection):
            self._sessions.end(one)
        identifier = self._sessions.open(owner, mark)
        await asyncio.to_thread(self._sessions.write)
        return identifier

    async def close(self, connection: HTTPConnection) -> None:
        """Log out; whoever kept the cookie has nothing of it."""
        ended = [self._sessions.end(one) for one in sent_ids(connection)]
        if any(ended):
            await asyncio.to_thread(self._sessions.write)


def check_own_page(connection: HTTPConnection) -> None:
    """Refuse what another page has a browser send with the cookie; what changes something must say where it is from.

    Raises:
        Forbidden: another site, port or scheme; or the request says nothing of it, as no browser's does.
    """
    headers = connection.headers
    site = headers.get("sec-fetch-site", "")
    if connection.scope["method"] in _SAFE_METHODS:
        # Another port of this host is of the same site to a browser, and its pages get the cookie sent as well.
        if site not in ("", "same-origin", "none") and headers.get("sec-fetch-mode", "") != "navigate":
            raise Forbidden(_ELSEWHERE, "Open the service's own page")
        return
    own = site == "same-origin" if site else _is_own(connection, headers.get("origin", ""))
    if not own:
        raise Forbidden(_ELSEWHERE, "Open the service's own page; programs log in with Basic or Bearer instead")


def wants_page(connection: HTTPConnection) -> bool:
    """Say whether somebody looks at what comes back: a browser goes to an address, without saying who it is for."""
    headers = connection.headers
    return (
        connection.scope["method"] in ("GET", "HEAD")
        and "text/html" in headers.get("accept", "")
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and "authorization" not in headers
    )


def is_scripted(connection: HTTPConnection) -> bool:
    """Say whether a page in a browser asks by itself: the browser's own box for a password would be in the way."""
    headers = connection.headers
    return any(name in headers for name in ("sec-fetch-mode", "x-requested-with")) or is_sent(connection)


def _stranger(connection: HTTPConnection) -> Unauthorized:
    # What a page of this service asks for was begun by somebody who was logged in; another tab has logged out since.
    if is_sent(connection) or connection.headers.get("sec-fetch-site") == "same-origin":
        return SessionExpired("your login on this page has ended", "Log in again at /login")
    return Unauthorized("this service needs a login", "Send Basic login:password or Bearer token")


def _is_own(connection: HTTPConnection, origin: str) -> bool:
    try:
        scheme, place, *rest = urlsplit(origin)
    except ValueError:
        return False
    own = (connection.scope["scheme"], connection.headers.get("host", "").lower())
    return (scheme, place.lower()) == own and not any(rest)
