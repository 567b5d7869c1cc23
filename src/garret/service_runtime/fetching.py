"""One HTTP GET that cannot be led astray: vetted addresses, vetted redirects, tokens that stay with their host."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Reply:
    """A reply whose body has not been read; `url` is where the redirects led."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: http.client.HTTPResponse


@contextmanager
def get(url: str, headers: Mapping[str, str], token: Credential, policy: Policy) -> Iterator[Reply]:
    """GET an address, following redirects that pass the same checks."""
    origin = None
    for _ in range(MAXIMUM_REDIRECTS + 1):
        parts = check_url(url, policy)
        origin = origin or _origin(parts)
        sent = {"Accept-Encoding": "identity", "User-Agent": "garret", **headers}
        # A token is for the host it was given for; whoever that host sends us to must not learn it.
        if token and _origin(parts) == origin:
            sent |= token() if callable(token) else {"Authorization": f"Bearer {token}"}
        connection = _connection(parts, policy)
        try:
            connection.connect()
            target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request("GET", target, headers=sent)
            response = connection.getresponse()
            location = response.getheader("location")
            if response.status not in _REDIRECTS or not location:
                names = {name.lower(): value for name, value in response.getheaders()}
                yield Reply(url, response.status, names, response)
                return
            url = urljoin(url, location)
        finally:
            connection.close()
    raise Refused(f"more than {MAXIMUM_REDIRECTS} redirects", "Give the address of the file itself")


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


def _connection(parts: SplitResult, policy: Policy) -> http.client.HTTPConnection:
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
