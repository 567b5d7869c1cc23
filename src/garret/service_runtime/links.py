"""Signed links: one finished picture of one job, for whoever has the link, until a time that it names.

Some clients fetch what they were answered without the login that they asked with: browsers, chat programs, other
services. Such a link opens exactly one picture, by GET, and nothing else; it ends with the picture as well.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import Scope

from garret.service_runtime.errors import Forbidden
from garret.service_runtime.webhooks import read_secret, secret_in

_PATH = re.compile(r"/v1/jobs/([0-9a-f]{32})/pictures/(0|[1-9][0-9]{0,3})")
_LONGEST_QUERY = 500


class Links:
    """Makes links that are good for `good_s` seconds, and knows them again, also after a restart.

    `key_file` is made when it is not there, and read once; `clock` gives seconds since 1970.
    """

    def __init__(self, key_file: Path, good_s: float, clock: Callable[[], float] = time.time) -> None:
        self._key_file = key_file
        self._good_s = good_s
        self._clock = clock
        self._kept_key = b""

    def good_until(self) -> int:
        """Return until when a link that is made now is good, in seconds since 1970."""
        return int(self._clock() + self._good_s)

    def url_of(self, request: Request, job_id: str, number: int, until: int | None = None) -> str:
        """Return an absolute address of a job's picture, at the name and scheme that the caller used."""
        return str(request.base_url).rstrip("/") + self.path_of(job_id, number, until)

    def path_of(self, job_id: str, number: int, until: int | None = None) -> str:
        """Return the same without scheme and name, for who is told of a picture without having asked just now."""
        expires = self.good_until() if until is None else until
        proof = f"expires={expires}&signature={self._sign(job_id, number, expires)}"
        return f"/v1/jobs/{job_id}/pictures/{number}?{proof}"

    def opens(self, scope: Scope) -> bool:
        """Say whether a request comes with a link to what it asks for.

        Raises:
            Forbidden: with one whose time is over.
        """
        found = _PATH.fullmatch(scope["path"]) if scope["method"] == "GET" else None
        query: bytes = scope["query_string"]
        if found is None or b"signature=" not in query or len(query) > _LONGEST_QUERY:
            return False
        said = parse_qs(query.decode("latin-1"))
        expires, signature = (said.get(name, [""]) for name in ("expires", "signature"))
        if len(expires) != 1 or len(signature) != 1 or not re.fullmatch(r"[0-9]{1,12}", expires[0], re.ASCII):
            return False
        right = self._sign(found[1], int(found[2]), int(expires[0]))
        if not hmac.compare_digest(right.encode(), signature[0].encode("utf-8", "surrogatepass")):
            return False
        if int(expires[0]) < self._clock():
            raise Forbidden("this link was good until a time that is over", "Ask for the picture with a login")
        return True

    def _sign(self, job_id: str, number: int, expires: int) -> str:
        # The first word keeps this key's signatures apart from whatever else it may sign one day.
        said = f"picture\n{job_id}\n{number}\n{expires}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key(), said, hashlib.sha256)).rstrip(b"=").decode("ascii")

    def _key(self) -> bytes:
        if not self._kept_key:
            self._kept_key = read_secret(secret_in(self._key_file))
        return self._kept_key
