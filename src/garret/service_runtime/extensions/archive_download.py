"""An archive from an address into a file: vetted as a model's download is, with an end to its size."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable
from pathlib import Path

from garret.service_runtime.fetching import Policy, Refused, get

MAXIMUM_BYTES = 256 << 20
_CHUNK = 1 << 18


class FetchFailed(Exception):
    """The archive did not come."""

    def __init__(self, reason: str, hint: str = "Check the address") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def fetch_archive(url: str, target: Path, policy: Policy, progress: Callable[[int, int | None], None]) -> str:
    """Write what an address gives into a file and return its SHA-256; `progress` hears the bytes and may raise."""
    digest, done = hashlib.sha256(), 0
    try:
        with get(url, {}, "", policy) as reply, target.open("wb") as file:
            if reply.status != 200:
                raise FetchFailed(f"the server answers with status {reply.status}")
            length = reply.headers.get("content-length", "")
            total = int(length) if length.isdigit() else None
            while chunk := reply.body.read1(_CHUNK):
                done += len(chunk)
                if max(done, total or 0) > MAXIMUM_BYTES:
                    raise FetchFailed(f"the archive is larger than {MAXIMUM_BYTES >> 20} MiB", "Is it an extension?")
                digest.update(chunk)
                file.write(chunk)
                progress(done, total)
            if total is not None and done != total:
                raise FetchFailed(f"the connection ended after {done} of {total} bytes", "Try again")
    except Refused as error:
        raise FetchFailed(error.message, error.hint) from None
    except (OSError, http.client.HTTPException) as error:
        raise FetchFailed(f"no connection: {error}", "Check the address, or give a --mirror") from None
    return digest.hexdigest()
