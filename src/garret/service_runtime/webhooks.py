"""Telling an address of a job's end: one signed POST, as Standard Webhooks has it, to public addresses only.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md; its libraries, in a
dozen languages, verify what is sent here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from garret.service_runtime.deliveries import WEBHOOK, Delivery
from garret.service_runtime.delivery_errors import GaveUp, NotNow
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.fetching import Policy, Refused, check_url, vetted_connection
from garret.service_runtime.files import write_atomically
from garret.service_runtime.jobs import Job

PREFIX = "whsec_"
LONGEST_URL = 2000
TIMEOUT_S = 15.0
"""The longest silence; and a try is over after twice as long, however slowly its answer comes."""
_SECRET_BYTES = (24, 64)
_ANSWER_BYTES = 4096
_GONE = 410
_MAKING = threading.Lock()


def event_of(job: Job) -> dict[str, Any]:
    """Return what is told of a job."""
    at = datetime.fromtimestamp(job.ended_at or 0.0, UTC).isoformat().replace("+00:00", "Z")
    return {"type": f"job.{job.state.lower()}", "timestamp": at, "data": job.to_dict()}


@dataclass(frozen=True)
class Webhooks:
    """How jobs are told of; `secret` gives what signs, as people hold it, `clock` gives seconds since 1970.

    `body` is what is said of a job as it is when it is told.
    """

    secret: Callable[[], str]
    policy: Policy
    clock: Callable[[], float] = time.time
    body: Callable[[Job], Mapping[str, Any]] = event_of

    def check(self, url: str) -> None:
        """Refuse an address that would never be told; one whose name is not known now may be later.

        Raises:
            BadRequest: says why.
        """
        if not url.startswith("https://") and not self.policy.allow_plain_http:
            raise BadRequest("webhook", "is not an https:// address")
        if len(url) > LONGEST_URL:
            raise BadRequest("webhook", f"has {len(url)} characters", f"At most {LONGEST_URL}")
        try:
            vetted_connection(check_url(url, self.policy), self.policy)
        except Refused as refused:
            raise BadRequest("webhook", refused.message, "Give an https:// address that the internet knows") from None
        except (OSError, UnicodeError):
            return

    def __call__(self, one: Delivery, job: Job) -> str:
        """Tell one address; return what it said.

        Raises:
            NotNow: it may be told later.
            GaveUp: it never will.
        """
        body = json.dumps(self.body(job), separators=(",", ":")).encode()
        # Of one job's end there is one message; a dialect's form may have several.
        identifier = f"msg_{job.id}" if one.kind == WEBHOOK else f"msg_{job.id}_{one.id}"
        at = int(self.clock())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "garret",
            "webhook-id": identifier,
            "webhook-timestamp": str(at),
            "webhook-signature": sign(read_secret(self.secret()), identifier, at, body),
        }
        status = self._post(one.target, headers, body)
        if status == _GONE:
            raise GaveUp("the address answers that it is gone (410)")
        if not 200 <= status < 300:
            raise NotNow(f"the address answers with {status}")
        return str(status)

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        try:
            parts = check_url(url, self.policy)
            with closing(vetted_connection(parts, self.policy)) as connection:
                target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
                connection.connect()
                with _hung_up(connection.sock, 2 * self.policy.timeout_s):
                    connection.request("POST", target, body, headers)
                    reply = connection.getresponse()
                    reply.read(_ANSWER_BYTES)
                return reply.status
        except Refused as refused:
            # A name that led to a private address once may be a mistake of its owner's that is mended.
            raise NotNow(refused.message) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise NotNow(f"{type(error).__name__}: {error}"[:200]) from None


@contextmanager
def _hung_up(end: socket.socket, after_s: float) -> Iterator[None]:
    """End a connection that is still used after so long: whoever answers a byte at a time holds up others' news."""

    def hang_up() -> None:
        with suppress(OSError):
            socket.socket.shutdown(end, socket.SHUT_RDWR)

    timer = threading.Timer(after_s, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def sign(secret: bytes, identifier: str, at: int, body: bytes) -> str:
    """Return the header webhook-signature: HMAC-SHA256 of id, seconds since 1970 and body, joined by full stops."""
    signed = f"{identifier}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode("ascii")


def read_secret(text: str) -> bytes:
    """Return the bytes of a secret as people hold it.

    Raises:
        ValueError: it is none.
    """
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        found = b""
    if not _SECRET_BYTES[0] <= len(found) <= _SECRET_BYTES[1]:
        raise ValueError(f"must be {PREFIX} and 24 to 64 bytes in base64")
    return found


def secret_in(path: Path) -> str:
    """Return the secret that this service made once, making it if there is none; nobody else may read the file."""
    with _MAKING:
        try:
            return path.read_text("ascii").strip()
        except FileNotFoundError:
            made = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")
            write_atomically(path, made.encode(), 0o600)
            return made
