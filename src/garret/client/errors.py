"""What a caller of garret's client may catch, drawn as a tree with the statuses of HTTP.

ClientError                 message, hint
├── Misused                 it cannot be asked like this; nothing was sent
├── Unreachable             nobody answers, or not in time; `sent`: whether the request may have arrived
├── Untrusted               the other side's certificate is not one to trust; nothing was sent
│   └── WrongCertificate    it is not the pinned one: pinned, found
├── Unreadable              an answer that is not what such a service answers
├── Refused                 any status from 300: status, name, field, reason
│   ├── BadRequest          400, 422    `field` says which
│   ├── Unauthorized        401
│   ├── Forbidden           403
│   ├── NotFound            404
│   ├── Conflict            409
│   ├── Gone                410
│   ├── TooLarge            413
│   ├── NotBuilt            501
│   ├── InsufficientStorage 507
│   └── Later               408, 502, 504    the same may do a moment later: retry_after
│       ├── Busy            429
│       └── Unavailable     503
├── JobFailed               a job has ended without all its pictures: job, name
│   ├── JobCancelled
│   └── JobExpired          no worker had begun it in time
├── DownloadFailed          a model did not arrive: download
└── Stalled                 a job, or an upload, has not moved for very long
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from garret.client.records import Download, Job
    from garret.client.steps import Reply


class ClientError(Exception):
    """Anything that went wrong; `hint` is what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class Misused(ClientError):
    """It cannot be asked like this."""


class Unreachable(ClientError):
    """Nobody answers; `sent` says whether the request may have arrived all the same."""

    def __init__(self, message: str, hint: str = "", *, sent: bool = True) -> None:
        super().__init__(message, hint)
        self.sent = sent


class Untrusted(ClientError):
    """The other side shows a certificate that nobody vouches for."""


class WrongCertificate(Untrusted):
    """The other side shows another certificate than the pinned one; both are SHA-256 in hexadecimal."""

    def __init__(self, message: str, pinned: str, found: str) -> None:
        super().__init__(message, "Someone may be in between, or the node was made anew")
        self.pinned = pinned
        self.found = found


class Unreadable(ClientError):
    """An answer that is not what such a service answers."""


class Refused(ClientError):
    """The service does not do what was asked; `field` and `reason` say where and why, `name` is the service's word."""

    def __init__(self, message: str, hint: str = "", *, status: int, body: bytes = b"", name: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.body = body
        self.name = name
        self.field = ""
        self.reason = message
        self.retry_after: float | None = None


class BadRequest(Refused):
    """A field of the request is wrong."""


class Unauthorized(Refused):
    """The token, or the login and password, are not taken."""


class Forbidden(Refused):
    """Not for this caller."""


class NotFound(Refused):
    """What was named is not there, or is somebody else's."""


class Conflict(Refused):
    """It does not fit what is there."""


class Gone(Refused):
    """It was there, and is not kept any more."""


class TooLarge(Refused):
    """More than the service reads."""


class NotBuilt(Refused):
    """The service knows what is meant, and cannot do it."""


class InsufficientStorage(Refused):
    """The node's disk is full."""


class Later(Refused):
    """Nothing is wrong with the request; the same may do after `retry_after` seconds."""


class Busy(Later):
    """The queue is full, or there were too many failed logins."""


class Unavailable(Later):
    """The service starts, stops or has no worker."""


class JobFailed(ClientError):
    """A job has ended without all its pictures; `name` is the service's word for why."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.why or f"the job has ended as {job.state}")
        self.job = job
        self.name = job.error


class JobCancelled(JobFailed):
    """Somebody has cancelled the job."""


class JobExpired(JobFailed):
    """No worker had begun the job in time."""


class DownloadFailed(ClientError):
    """A model did not arrive."""

    def __init__(self, download: Download) -> None:
        super().__init__(download.why or f"the download has ended as {download.state}", download.hint)
        self.download = download


class Stalled(ClientError):
    """What was waited for has not moved for very long."""


_KINDS: dict[int, type[Refused]] = {
    400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 408: Later, 409: Conflict, 410: Gone,
    413: TooLarge, 422: BadRequest, 429: Busy, 501: NotBuilt, 502: Later, 503: Unavailable, 504: Later,
    507: InsufficientStorage,
}  # fmt: skip


def refusal(method: str, path: str, reply: Reply) -> Refused:
    """Return the error that an answer with a status from 400 is, in the service's own words."""
    said = _record(reply.body)
    message, hint = _words(said)
    kind = _KINDS.get(reply.status, Refused)
    text = message or f"{method} {path.partition('?')[0]} is answered with HTTP {reply.status}"
    error = kind(text, hint, status=reply.status, body=reply.body, name=str(said.get("error") or ""))
    error.field = str(said.get("field") or "")
    error.reason = text.removeprefix(f"{error.field}: ") if error.field else text
    error.retry_after = _seconds(reply.headers.get("retry-after", ""))
    return error


def job_error(job: Job) -> JobFailed:
    """Return the error that a job's end is."""
    return {"Cancelled": JobCancelled, "Expired": JobExpired}.get(job.state, JobFailed)(job)


def _record(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    # Where OpenAI's clients ask as well, the same facts lie one level deeper.
    inner = value.get("error")
    if isinstance(inner, dict):
        message = value.get("errors") or inner.get("message")
        named = {"error": inner.get("code") or inner.get("type"), "errors": message}
        return {**inner, "field": inner.get("param"), **value, **named}
    return value


def _words(said: dict[str, Any]) -> tuple[str, str]:
    """Return the message and the hint: `errors` is the message, `detail` the same with the hint behind it."""
    message, detail = str(said.get("errors") or ""), said.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = f"{detail[0].get('loc', ['?'])[-1]}: {detail[0].get('msg', '')}"
    text = detail if isinstance(detail, str) else ""
    if not message:
        return text, ""
    return message, text.removeprefix(message).lstrip(". ") if text.startswith(message) else ""


def _seconds(text: str) -> float | None:
    """Return a Retry-After in seconds; a date there is not one of ours."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None
