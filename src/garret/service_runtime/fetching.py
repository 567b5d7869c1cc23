"""One HTTP GET that cannot be led astray: vetted addresses, vetted redirects, tokens that stay with their host."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from garret.service_runtime.addresses import Resolver, is_public, resolve

TIMEOUT_S = 30.0
MAXIMUM_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)

Credential = str | Callable[[], Mapping[str, str]]
"""A bearer token, or what makes the headers that prove who asks, anew for each request; empty for nobody."""


class Refused(Exception):
    """The address is not one to fetch from; trying again will not help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Policy:
    """What a download may reach; the resolver and what counts as public are seams."""

    allow_private: bool = False
    allow_plain_http: bool = False
    resolver: Resolver = field(default=resolve)
    public: Callable[[str], bool] = field(default=is_public)
    timeout_s: float = TIMEOUT_S
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context


class Body(http.client.HTTPResponse):
    """A reply's body that is read into memory that is used again and again."""

    def readinto1(self, buffer: Any, /) -> int:
        """Read what is there, waiting for one byte at least; 0 at the end."""
        view = memoryview(buffer)
        if self.fp is None or self.chunked or self.length is None:
            data = self.read1(len(view))
            view[: len(data)] = data
            return len(data)
        count = self.fp.readinto1(view[: self.length])
        self.length -= count
        if not count or not self.length:
            self.close()
        return count


@dataclass(frozen=True)
class Reply:
    """A reply whose body has not been read; `url` is where the redirects led, `more` whether bytes are waiting."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: Body
    more: Callable[[], bool] = lambda: False


class Line:
    """A way to one address, through redirects that pass the same checks; kept open for further requests."""

    def __init__(self, url: str, token: Credential, policy: Policy) -> None:
        self._url, self._token, self._policy = url, token, policy
        self._origin = _origin(check_url(url, policy))
        if token and self._origin[0] == "http" and not policy.allow_private:
            # A hash vouches for the file, and keeps no token from who listens.
            raise Refused("over plain http anybody on the way can read the token", "Use https://, or leave it out")
        self._at = url
        self._connection: VettedConnection | None = None
        self._body: Body | None = None

    def get(self, headers: Mapping[str, str]) -> Reply:
        """Ask where the last request was answered, if that end is still there, else from the beginning."""
        if self._connection is not None and self._connection.sock and self._body is not None and self._body.isclosed():
            with suppress(ConnectionError, http.client.HTTPException):
                reply = self._ask(self._connection, headers)
                # A presigned address that has run out is made anew by the one that led to it.
                if reply.status < 300 or (self._at == self._url and reply.status not in _REDIRECTS):
                    return reply
        return self._follow(headers)

    def _follow(self, headers: Mapping[str, str]) -> Reply:
        self._at = self._url
        for _ in range(MAXIMUM_REDIRECTS + 1):
            self.close()
            self._connection = connection = vetted_connection(check_url(self._at, self._policy), self._policy)
            connection.connect()
            reply = self._ask(connection, headers)
            location = reply.headers.get("location")
            if reply.status not in _REDIRECTS or not location:
                return reply
            self._at = urljoin(self._at, location)
        raise Refused(f"more than {MAXIMUM_REDIRECTS} redirects", "Give the address of the file itself")

    def _ask(self, connection: VettedConnection, headers: Mapping[str, str]) -> Reply:
        parts = check_url(self._at, self._policy)
        sent = {"Accept-Encoding": "identity", "User-Agent": "garret", **headers}
        # A token is for the host it was given for; whoever that host sends us to must not learn it.
        if self._token and _origin(parts) == self._origin:
            token = self._token
            sent |= token() if callable(token) else {"Authorization": f"Bearer {token}"}
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("GET", target, headers=sent)
        end = connection.sock
        self._body = body = connection.getresponse()
        names = {name.lower(): value for name, value in body.getheaders()}
        return Reply(self._at, body.status, names, body, lambda: _has_bytes(end))

    def hang_up(self) -> None:
        """Wake up a thread that waits for bytes from here; it sees the end of them."""
        connection = self._connection
        with suppress(OSError):
            if connection is not None and connection.sock is not None:
                # Past a TLS socket's own method, which would let the waiting thread read what is still encrypted.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; what was not read is lost."""
        if self._body is not None:
            self._body.close()
        if self._connection is not None:
            self._connection.close()
        self._body = self._connection = None


def _has_bytes(end: socket.socket) -> bool:
    """Say whether reading would return at once."""
    if isinstance(end, ssl.SSLSocket) and end.pending():
        return True
    if end.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(end, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def get(url: str, headers: Mapping[str, str], token: Credential, policy: Policy) -> Iterator[Reply]:
    """GET an address once."""
    with closing(Line(url, token, policy)) as line:
        yield line.get(headers)


def check_url(url: str, policy: Policy) -> SplitResult:
    """Return the parts of an address that may be fetched."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"the address cannot be read: {error}") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Refused("only https:// addresses are fetched", "Give the whole address of the file")
    if parts.scheme == "http" and not policy.allow_plain_http:
        raise Refused("over plain http anybody on the way can change the file", "Use https://, or give --sha256")
    if parts.username or parts.password:
        raise Refused("the address holds a login, which would end up in logs", "Leave it out of the address")
    if port == 0 or any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise Refused("the address holds a space, a control character or port 0")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def vetted_connection(parts: SplitResult, policy: Policy) -> VettedConnection:
    """Return a way to the host of an address, not opened yet, to none but the addresses that were looked at.

    Raises:
        Refused: one of them is private.
        OSError: the host has none.
    """
    scheme, host, port = _origin(parts)
    addresses = policy.resolver(host, port)
    if not policy.allow_private:
        private = [address for address in addresses if not policy.public(address)]
        if private:
            raise Refused(
                f"{host} is {private[0]}, which is not a public address",
                "A node fetches from private addresses only when it was deployed with --allow-private-download",
            )
    if not addresses:
        raise OSError(f"{host} has no address")
    context = policy.tls() if scheme == "https" else None
    return VettedConnection(host, port, addresses, policy.timeout_s, context)


class VettedConnection(http.client.HTTPConnection):
    """Connects to addresses that were checked, instead of asking the resolver a second time."""

    response_class = Body
    getresponse: Callable[[], Body]

    def __init__(
        self, host: str, port: int, addresses: list[str], timeout_s: float, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._addresses = addresses
        self._tls = tls
        # Decides whether the Host header names the port; a presigned address is signed without it.
        self.default_port = 443 if tls else 80

    def connect(self) -> None:
        """Open the socket to the first address that answers."""
        failure: OSError | None = None
        for address in self._addresses:
            try:
                self.sock = socket.create_connection((address, self.port), self.timeout)
            except OSError as error:
                failure = error
                continue
            if self._tls is not None:
                self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)
            return
        raise failure or OSError(f"{self.host} has no address")
