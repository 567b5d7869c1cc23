"""Who calls: Basic and Bearer alike on every route but /healthz; guessing slowed down, other sites out."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from garret.service_runtime.errors import Busy, Forbidden, Unauthorized, WrongLogin
from garret.service_runtime.logins import Logins, Opening
from garret.service_runtime.passwords import verify_password, verify_token
from garret.service_runtime.settings import ServiceSettings

FAILURES_ALLOWED = 10
FAILURE_WINDOW_S = 60.0
_REMEMBERED = 64
_ADDRESSES = 10_000


class Throttle:
    """Counts failed logins per address over a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, addresses: int = _ADDRESSES) -> None:
        self._clock = clock
        self._addresses = addresses
        self._failures: dict[str, deque[float]] = {}

    def check(self, address: str) -> None:
        """Refuse an address that failed too often, saying when to come back."""
        if self.failures(address) >= FAILURES_ALLOWED:
            wait = int(FAILURE_WINDOW_S - (self._clock() - self._failures[address][0])) + 1
            raise Busy("too many failed logins from this address", f"Try again in {wait} s", retry_after=wait)

    def failures(self, address: str) -> int:
        """Return how often an address failed in the last minute."""
        failures = self._failures.get(address, ())
        while failures and self._clock() - failures[0] > FAILURE_WINDOW_S:
            failures.popleft()
        return len(failures)

    def fail(self, address: str) -> None:
        """Note a failed login."""
        # Taken out and put in again, so that the address silent for longest is first, and goes when there are too many.
        failures = self._failures.pop(address, None) or deque(maxlen=FAILURES_ALLOWED)
        while len(self._failures) >= self._addresses:
            del self._failures[next(iter(self._failures))]
        failures.append(self._clock())
        self._failures[address] = failures


class Authenticator:
    """Turns an Authorization header into the caller's name."""

    def __init__(self, settings: ServiceSettings, throttle: Throttle | None = None) -> None:
        self._settings = settings
        self._logins = Logins(settings)
        self._opening = self._logins.current()
        self._throttle = throttle or Throttle()
        self._key = secrets.token_bytes(32)
        # Digests of logins that were right: scrypt is dear by design, and Basic sends the password each time.
        self._known: dict[bytes, str] = {}
        # One costly check at a time, so that guessing cannot take every core.
        self._turn = asyncio.Semaphore(1)

    @property
    def mark(self) -> str:
        """Return what is another one with another login or token; sessions are of the login that opened them."""
        return self._now().mark

    async def caller(self, header: str, address: str) -> str:
        """Return who calls, or raise Unauthorized; without any login set, everybody is "local"."""
        if not self._settings.has_login:
            return "local"
        scheme, _, value = header.strip().partition(" ")
        login, secret = _credentials(scheme, value.strip())
        if not secret:
            raise Unauthorized("this service needs a login", "Send Basic login:password or Bearer token")
        return (await self.enter(login, secret, address))[0]

    async def enter(self, login: str, secret: str, address: str) -> tuple[str, str]:
        """Return who a login and password belong to, or a token with any login or none, and the mark of that login.

        Raises:
            WrongLogin: they open nothing.
            Busy: there were too many from this address that did not.
        """
        opening = self._now()
        for hashed, holder in opening.tokens:
            if verify_token(secret, hashed):
                return holder, opening.mark
        digest = hmac.digest(self._key, f"{login}\0{secret}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        if digest in self._known:
            return self._known[digest], opening.mark
        self._throttle.check(address)
        async with self._turn:
            self._throttle.check(address)
            right = await asyncio.to_thread(_verify, opening, login, secret)
        if not right:
            self._throttle.fail(address)
            raise _wrong(login)
        if self._now() is not opening:  # it was changed while this one was looked at
            return await self.enter(login, secret, address)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = opening.owner
        return opening.owner, opening.mark

    def failures(self, address: str) -> int:
        """Return how often an address failed in the last minute."""
        return self._throttle.failures(address)

    def _now(self) -> Opening:
        """What opens the service now; with another login, nothing that opened it before is remembered."""
        opening = self._logins.current()
        if opening is not self._opening:
            self._opening = opening
            self._known.clear()
        return opening


def _wrong(login: str) -> WrongLogin:
    """Return what to say of a secret that opens nothing; a token comes without a login."""
    if not login:
        return WrongLogin("the token is wrong", "`garret env` prints the deployment's")
    return WrongLogin("the login or password is wrong", "`garret status` shows the login")


def _verify(opening: Opening, login: str, secret: str) -> bool:
    same = hmac.compare_digest(login.encode("utf-8", "surrogatepass"), opening.login.encode("utf-8", "surrogatepass"))
    # Both are always looked at, so that the time taken does not tell whether the login exists.
    return verify_password(secret, opening.password_hash) and same


def check_origin(headers: Mapping[str, str], *, local_only: bool) -> None:
    """Refuse requests that another web site makes in a visitor's browser, or under a foreign name for loopback."""
    host = headers.get("host", "")
    origin = headers.get("origin", "")
    if origin and _place_of(origin) != host.lower():
        raise Forbidden("this request comes from another web site", "Open the service's own page")
    if headers.get("sec-fetch-site", "") == "cross-site" and headers.get("sec-fetch-mode", "") != "navigate":
        raise Forbidden("this request comes from another web site", "Open the service's own page")
    if local_only and not _is_loopback_name(host):
        raise Forbidden(f"without a login the service answers to loopback names only, not to {host[:80]!r}")


def _place_of(origin: str) -> str | None:
    """Return host and port of an origin, None when it is no address at all."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_loopback_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _credentials(scheme: str, value: str) -> tuple[str, str]:
    """Return login and secret of a header; the secret is empty when there is none."""
    if scheme.lower() == "bearer":
        return "", value
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return "", ""
    login, _, secret = text.partition(":")
    return login, secret
