"""Who the other side is: TLS to exactly one certificate, or to whom an authority vouches for.

A node signs its certificate itself, for an address that it may lose; its digest is what it is known by, and it is
compared before the first byte of a request is sent. The same context serves blocking and awaiting connections: Python
lets one say of which class their TLS objects are (`sslsocket_class`, `sslobject_class`), and those look after the
handshake.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from garret.client.errors import ClientError, Misused, Unreachable, Untrusted, WrongCertificate


@dataclass(frozen=True)
class Address:
    """Where a service answers; `prefix` is what its paths begin with."""

    url: str
    secure: bool
    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL.

        Raises:
            Misused: it is none, or a token would travel in the clear.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise Misused(f"{url[:200]!r} is not an address: {error}", "https://HOST") from None
        if parts.scheme not in ("http", "https") or not host:
            raise Misused(f"{url[:200]!r} is not the address of a service", "https://HOST, or GARRET_URL")
        if parts.username is not None or parts.query or parts.fragment:
            raise Misused("an address of a service holds neither a login nor a query", "login=, password= or a token")
        secure = parts.scheme == "https"
        if not secure and not _is_loopback(host):
            raise Misused(f"{url}: a token travels only by https, or by http on this machine itself", "https://HOST")
        return cls(url.rstrip("/"), secure, host, port or (443 if secure else 80), parts.path.rstrip("/"))


@dataclass(frozen=True)
class Way:
    """One TLS to try: its context, and the name that is asked for."""

    context: ssl.SSLContext
    name: str


@dataclass(frozen=True)
class Trust:
    """What is known of the other side: `fingerprint` is the SHA-256 of its certificate, in hexadecimal.

    Without one, an authority of this machine must vouch for it. `authority` lets one do so beside the fingerprint: for
    `name` (else the host that is called), and by those in `ca` (PEM) as well.
    """

    fingerprint: str = ""
    authority: bool = False
    name: str = ""
    ca: str = ""

    def __post_init__(self) -> None:
        """Refuse a fingerprint that no certificate can have, before somebody is taken for an impostor."""
        if self.pinned and not re.fullmatch(r"[0-9a-f]{64}", self.pinned):
            reason = f"the fingerprint {self.fingerprint[:80]!r} is no SHA-256 in hexadecimal"
            raise Misused(reason, "`garret env` prints it as GARRET_FINGERPRINT")

    @property
    def pinned(self) -> str:
        """The fingerprint as digits alone."""
        return self.fingerprint.replace(":", "").lower()

    def ways(self, host: str) -> list[Way]:
        """Return what to try, in this order: the next only after a handshake in which nobody vouched."""
        ways = []
        if self.authority or self.ca or not self.pinned:
            ways.append(Way(verifying_context(self.ca), self.name or host))
        if self.pinned:
            ways.append(Way(PinnedContext(self.pinned), host))
        return ways


class NotThePinned(ssl.SSLError):
    """The other side's certificate is not the pinned one."""

    def __init__(self, pinned: str, found: str) -> None:
        super().__init__(1, "the certificate is not the pinned one")
        self.pinned = pinned
        self.found = found


class _PinnedSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, and go no further with anyone else."""
        super().do_handshake(block)
        _look(self.context, self.getpeercert(binary_form=True))


class _PinnedObject(ssl.SSLObject):
    def do_handshake(self) -> None:
        """Shake hands, and go no further with anyone else."""
        super().do_handshake()
        _look(self.context, self.getpeercert(binary_form=True))


class PinnedContext(ssl.SSLContext):
    """TLS to exactly one certificate, which no authority need have signed."""

    sslsocket_class = _PinnedSocket
    sslobject_class = _PinnedObject

    def __new__(cls, _pinned: str) -> PinnedContext:
        """Make the context; what is pinned is a SHA-256 in lower-case hexadecimal."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        _leave_to_the_caller(context)
        return context

    def __init__(self, _pinned: str) -> None:
        self.pinned = _pinned


def _look(context: ssl.SSLContext, certificate: bytes | None) -> None:
    pinned: str = getattr(context, "pinned", "")
    found = hashlib.sha256(certificate or b"").hexdigest()
    if not hmac.compare_digest(found, pinned):
        raise NotThePinned(pinned, found)


def bare_context() -> ssl.SSLContext:
    """TLS that asks nobody who the other side is: its certificate is looked at by whoever pinned it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _leave_to_the_caller(context)
    return context


def _leave_to_the_caller(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def verifying_context(ca: str) -> ssl.SSLContext:
    """This machine's own authorities (SSL_CERT_FILE names others), and those that were given."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def untrusted(url: str, error: ssl.SSLError, doubt: str = "") -> ClientError:
    """Return what a failed handshake is to a caller; `doubt` is why no authority's word helped before."""
    if isinstance(error, NotThePinned):
        return WrongCertificate(
            f"{url} shows another certificate (SHA-256 {error.found}) than the one that was pinned "
            f"({error.pinned}){doubt}; nothing was sent to it",
            error.pinned,
            error.found,
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(
            f"{url} shows a certificate that this machine does not trust, and none was pinned: {error.verify_message}",
            "Give the fingerprint of its certificate, which `garret env` prints as GARRET_FINGERPRINT",
        )
    return Unreachable(f"{url} does not speak TLS as expected: {error.reason or error}", sent=False)


def doubt_of(name: str, error: ssl.SSLCertVerificationError) -> str:
    """Say why an authority's word does not help."""
    return f", and no authority vouches for it as {name}: {error.verify_message}"


def cause_of(error: BaseException) -> ssl.SSLError | None:
    """Return the TLS error that another one comes from."""
    seen: Any = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
