"""The header Prefer: how long the caller wants to wait. Source: RFC 7240, and Replicate's use of `wait`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

LONGEST_WAIT_S = 300
BARE_WAIT_S = 60
_WAIT = re.compile(r"wait(?:\s*=\s*\"?(\d{1,9})\"?)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Prefer:
    """For how many seconds the caller waits, None for as long as it takes; `applied` is what an answer says of it."""

    wait_s: float | None = None
    applied: str = ""

    @classmethod
    def of(cls, request: Request) -> Prefer:
        """Read the header; what is not known in it is left alone, as the RFC has it."""
        found = [one.partition(";")[0].strip() for text in request.headers.getlist("prefer") for one in text.split(",")]
        waits = [match for one in found if (match := _WAIT.fullmatch(one))]
        if waits:
            seconds = min(int(waits[0][1]) if waits[0][1] else BARE_WAIT_S, LONGEST_WAIT_S)
            return cls(seconds, f"wait={seconds}")
        if any(one.lower() == "respond-async" for one in found):
            return cls(0.0, "respond-async")
        return cls()
