"""What a server's reply to a download means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from garret.service_runtime.download_errors import DownloadError, Interrupted
from garret.service_runtime.fetching import Reply

_LONGEST_RETRY_AFTER_S = 300
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_PLACE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@dataclass(frozen=True)
class Place:
    """Which bytes of the file a reply brings: from `begin` to before `end` of `total`."""

    begin: int
    end: int
    total: int


def place_of(reply: Reply) -> Place | None:
    """Return what a 206 says of its bytes, or None when that makes no sense."""
    found = _PLACE.fullmatch(reply.headers.get("content-range", "").strip())
    if not found:
        return None
    begin, last, total = map(int, found.groups())
    length = reply.headers.get("content-length", "")
    if not begin <= last < total or (length.isdigit() and int(length) != last + 1 - begin):
        return None
    return Place(begin, last + 1, total)


def length_of(reply: Reply) -> int | None:
    """Return how large a reply's body is, where it says so."""
    length = reply.headers.get("content-length", "")
    return int(length) if length.isdigit() and len(length) <= 18 else None


def validator_of(headers: Mapping[str, str]) -> str:
    """Return what tells this version of a file from a later one: a strong ETag, else the time of its last change."""
    tag = headers.get("etag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("last-modified", "")


def refuse_pages(reply: Reply) -> None:
    """Raise DownloadError when the reply is no file."""
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise DownloadError("the server compresses the file although it was asked not to")
    if "html" in reply.headers.get("content-type", ""):
        raise DownloadError(
            "what the address gives is a web page (HTML), not a file",
            "Give the address of the file itself; it may need a login",
        )


def status_error(reply: Reply) -> Exception:
    """Return the error that a reply's status means."""
    status = reply.status
    if status in _RETRIED:
        after = reply.headers.get("retry-after", "")
        if after.isdigit() and int(after) > _LONGEST_RETRY_AFTER_S:
            return DownloadError(f"the server asks to come back in {int(after)} s (status {status})")
        return Interrupted(f"the server answers with status {status}", float(after) if after.isdigit() else None)
    if status in (401, 403):
        return DownloadError(f"the server refuses access (status {status})", "The file may need a login or a token")
    if status in (404, 410):
        return DownloadError(f"there is no such file on the server (status {status})", "Check the address")
    return DownloadError(f"the server answers with status {status}")
