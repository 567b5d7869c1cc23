"""Speak HTTP to a node's service: plain only on loopback, else TLS with the certificate that the node reported.

Where a public certificate was asked for, one that an authority vouches for is taken as well, for that name only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from garret.errors import GarretError, NotReady, OperationError, UsageError
from garret.ops.authority import Authority
from garret.settings import is_loopback

if TYPE_CHECKING:
    from garret.ops.deployment import Login

CONNECT_TIMEOUT_S = 10.0
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST_REPLY = 1 << 30
_LATER = (408, 429, 502, 503, 504)
"""Statuses that say nothing about the request itself: the same one may do a moment later."""


class Full(NotReady):
    """The service takes no more now; it goes on with what it has."""


@dataclass(frozen=True)
class Endpoint:
    """Where a service answers and as whom to ask; `fingerprint` is the SHA-256 of its certificate, hexadecimal.

    Without a fingerprint, the certificate must be one that this machine trusts anyway; with an `authority`, it may be
    one that this authority gave for its name.
    """

    url: str
    token: str = field(repr=False)
    fingerprint: str = ""
    authority: Authority | None = None

    def healthy(self, timeout_s: float = 3) -> bool:
        """Say whether the service can take work now.

        Raises:
            OperationError: something answers, but not with the certificate that was pinned.
        """
        try:
            # It answers strangers as well, and tells them whether it is ready: no token is shown for this.
            status, body = self._ask("GET", "/healthz", None, timeout_s, with_token=False)
        except NotReady:
            return False
        return status == 200 and _parsed(body).get("status") == "ok"

    def get(self, path: str, timeout_s: float = 30) -> Any:
        """Return the JSON that is at a path."""
        return self._answer("GET", path, None, timeout_s)

    def post(
        self, path: str, body: dict[str, Any], timeout_s: float = 30, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Send JSON to a path and return the JSON that it answers."""
        return self._answer("POST", path, body, timeout_s, headers)

    def delete(self, path: str, timeout_s: float = 30) -> Any:
        """Delete what is at a path and return the JSON that is answered."""
        return self._answer("DELETE", path, None, timeout_s)

    def file(self, path: str, timeout_s: float = 60) -> bytes:
        """Return the bytes that are at a path."""
        status, raw = self._ask("GET", path, None, timeout_s)
        if status != 200:
            raise self._refusal(status, raw)
        return raw

    def put(self, path: str, body: dict[str, Any] | bytes, timeout_s: float = 30) -> Any:
        """Put JSON, or bytes as they are, to a path and return the JSON that is answered."""
        return self._answer("PUT", path, body, timeout_s)

    def txt2img(self, body: dict[str, Any], timeout_s: float = 600) -> list[bytes]:
        """Ask for pictures, in the words of A1111's API, and return them as PNG files.

        Raises:
            UsageError: the service does not take the request; its own words.
            NotReady: nothing answers, or not in time.
        """
        reply = self._answer("POST", "/sdapi/v1/txt2img", body, timeout_s)
        try:
            pictures = [base64.b64decode(text.partition(",")[2] or text, validate=True) for text in reply["images"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            pictures = []
        if not pictures or not all(picture.startswith(_PNG) for picture in pictures):
            raise OperationError(f"{self.url} answered without a picture", "garret status")
        return pictures

    def takes(self, login: str = "", password: str = "", timeout_s: float = 10) -> bool:
        """Say whether the service lets in: the token, or a login with its password.

        Raises:
            NotReady: nobody answers, or the service is not there yet.
        """
        basic = base64.b64encode(f"{login}:{password}".encode()).decode("ascii")
        header = f"Basic {basic}" if password else f"Bearer {self.token}"
        status, raw = self._ask("GET", "/machine", None, timeout_s, authorization=header)
        if status in (401, 403):
            return False
        if status != 200:
            raise self._refusal(status, raw)
        return True

    def _answer(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | bytes | None,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        status, raw = self._ask(method, path, body, timeout_s, extra=headers)
        if status in (200, 202):
            try:
                return json.loads(raw)
            except ValueError:
                raise OperationError(f"{self.url}{path} answered with something that is not JSON") from None
        raise self._refusal(status, raw)

    def _refusal(self, status: int, raw: bytes) -> GarretError:
        message, hint = _words(raw)
        if status in (401, 403):
            return OperationError(
                f"{self.url} does not take this deployment's token (HTTP {status})",
                "it was made on another machine, or anew: use its login in a browser, or deploy it from here",
            )
        if status in _LATER and (booting := _booting(raw)):
            return NotReady(f"{self.url}: {booting}", "garret status")
        if status == 429:
            return Full(f"{self.url}: {message}", "the same again in a few minutes")
        # A chunk of an upload that came twice, or while the last one is still being written: asked anew, it goes on.
        if status in _LATER or _parsed(raw).get("error") == "OutOfStep":
            return NotReady(f"{self.url}: {message or f'HTTP {status}'}", hint or "try again in a moment")
        if 400 <= status < 500:
            return UsageError(message or f"{self.url} refuses the request (HTTP {status})", hint)
        return OperationError(f"{self.url}: {message or f'HTTP {status}'}", hint or "garret status")

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | bytes | None,
        timeout_s: float,
        *,
        with_token: bool = True,
        authorization: str = "",
        extra: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", **(extra or {})}
        if with_token:
            headers["Authorization"] = authorization or f"Bearer {self.token}"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        if data is not None:
            headers["Content-Type"] = "application/json" if isinstance(body, dict) else "application/octet-stream"
        connection = self._connection(timeout_s)
        try:
            connection.connect()
            if connection.sock is not None:
                connection.sock.settimeout(timeout_s)
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            return reply.status, reply.read(_LARGEST_REPLY)
        except ssl.SSLError as error:
            raise self._untrusted(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise NotReady(f"{self.url} does not answer: {_reason(error, timeout_s)}", "garret status") from error
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        host, timeout = address.hostname or "", min(CONNECT_TIMEOUT_S, timeout_s)
        if address.scheme == "https":
            return _TrustingConnection(host, address.port or 443, timeout, self.fingerprint, self.authority)
        if address.scheme != "http" or not is_loopback(host):
            raise OperationError(
                f"{self.url}: a token travels only by https, or by http on this machine itself", "garret status"
            )
        return http.client.HTTPConnection(host, address.port or 80, timeout=timeout)

    def _untrusted(self, error: ssl.SSLError) -> GarretError:
        if isinstance(error, _WrongCertificate):
            return OperationError(
                f"{self.url} shows another certificate (SHA-256 {error.found}) than the one this deployment reported "
                f"({error.pinned}){error.doubt}; nothing was sent to it",
                "someone may be in between, or the node was made anew: garret status",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return OperationError(
                f"{self.url} shows a certificate that this machine does not trust, and none was pinned: "
                f"{error.verify_message}",
                "garret deploy   (reads the node's fingerprint from its stack)",
            )
        return NotReady(f"{self.url} does not speak TLS as expected: {error.reason or error}", "garret status")


class _WrongCertificate(ssl.SSLError):
    """The other side's certificate is not the pinned one; `doubt` is why no authority's word helps."""

    def __init__(self, pinned: str, found: str, doubt: str) -> None:
        super().__init__("the certificate is not the pinned one")
        self.pinned = pinned
        self.found = found
        self.doubt = doubt


class _TrustingConnection(http.client.HTTPSConnection):
    """TLS to whom an authority vouches for, where one was asked, else to exactly one certificate.

    Which it is, is settled before the first byte of a request is sent.
    """

    def __init__(
        self, host: str, port: int, timeout: float, fingerprint: str, authority: Authority | None = None
    ) -> None:
        self._pinned = fingerprint.replace(":", "").lower()
        # The node signed its certificate itself, for an address it may lose: its digest is what we know it by.
        self._bare = bare_context()
        if not self._pinned and authority is None:
            authority = Authority()
        self._authority = authority
        super().__init__(host, port, timeout=timeout, context=self._bare)

    def connect(self) -> None:
        """Connect, shake hands, and go no further with anyone else."""
        doubt = ""
        if self._authority is not None:
            name = self._authority.name or self.host
            try:
                self._shake_hands(verifying_context(self._authority.ca), name)
                return
            except ssl.SSLCertVerificationError as error:
                if not self._pinned:
                    raise
                doubt = f", and no authority vouches for it as {name}: {error.verify_message}"
        found = hashlib.sha256(self._shake_hands(self._bare, self.host) or b"").hexdigest()
        if not hmac.compare_digest(found, self._pinned):
            self.close()
            raise _WrongCertificate(self._pinned, found, doubt)

    def _shake_hands(self, context: ssl.SSLContext, name: str) -> bytes | None:
        """Connect anew and return the certificate that was shown."""
        http.client.HTTPConnection.connect(self)
        try:
            secured = context.wrap_socket(self.sock, server_hostname=name)
        except BaseException:
            self.close()
            raise
        self.sock = secured
        return secured.getpeercert(binary_form=True)


def bare_context() -> ssl.SSLContext:
    """TLS that asks nobody who the other side is: its certificate is looked at by whoever pinned it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def verifying_context(ca: str) -> ssl.SSLContext:
    """This machine's own authorities (SSL_CERT_FILE names others), and those that were given."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def endpoint_at(login: Login) -> Endpoint:
    """Where the service of a login answers, and how it is known there."""
    return Endpoint(login.endpoint, login.token, login.tls_sha256, login.authority)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _words(raw: bytes) -> tuple[str, str]:
    """The service's message and hint: `errors` is the message, `detail` ends with the hint."""
    reply = _parsed(raw)
    message, detail = str(reply.get("errors") or ""), reply.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = f"{detail[0].get('loc', ['?'])[-1]}: {detail[0].get('msg', '')}"
    text = detail if isinstance(detail, str) else ""
    if not message:
        return text, ""
    return message, text.removeprefix(message).lstrip(". ") if text.startswith(message) else ""


def _booting(raw: bytes) -> str:
    """What the node's front says while there is no service: how far the bootstrap is, or where it stopped."""
    facts = _parsed(raw)
    status, step = facts.get("status"), str(facts.get("step") or "")[:60]
    if status == "failed":
        return f"setting up the node failed at {step or 'a step'}"
    if status != "starting":
        return ""
    if not step:
        return "the node is starting"
    return f"the node is being set up: {step}, {facts.get('steps_done')} of {facts.get('steps_total')} steps done"


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came within {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, (ConnectionError, http.client.HTTPException)):
        return "the connection broke"
    return str(getattr(error, "strerror", None) or error)
