"""The local cloud's own doors, `/_garret/…`: faults, keys, clock, quotas, bill, ledger and the log of calls.

They ask for the secret of this home's access key in the header x-garret-secret; docs/local-cloud-faults.md shows them.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from garret.local_cloud import keys, prices
from garret.local_cloud.core import Cloud
from garret.local_cloud.ecs import spot
from garret.local_cloud.quotas import limits

Door = Callable[[str, Mapping[str, str], bytes], dict[str, Any]]
FURTHEST_S = 10 * 366 * 86_400  # one step of the clock: ten years


class Control:
    """The doors of one local cloud; `secrets` are those of the account's own keys."""

    def __init__(self, cloud: Cloud, secrets: Mapping[str, str]) -> None:
        self._cloud, self._secrets = cloud, secrets

    def routes(self) -> list[Route]:
        """All doors, each with its methods."""
        doors: dict[str, tuple[Door, str]] = {
            "faults": (self._faults, "GET POST DELETE"),
            "keys": (lambda *given: keys.door(self._cloud.store, *given), "GET POST DELETE"),
            "clock": (self._clock, "GET POST"),
            "quotas": (lambda *given: limits.door(self._cloud, *given), "GET POST DELETE"),
            "bill": (lambda *_: prices.bill(self._cloud.store), "GET"),
            "ledger": (self._ledger, "GET"),
            "calls": (self._calls, "GET"),
        }
        return [
            Route(f"/_garret/{name}", self._endpoint(door), methods=methods.split())
            for name, (door, methods) in doors.items()
        ]

    def _endpoint(self, door: Door) -> Callable[[Request], Any]:
        async def answer(http: Request) -> Response:
            given = http.headers.get("x-garret-secret", "").encode()
            if not any(hmac.compare_digest(given, secret.encode()) for secret in self._secrets.values()):
                return JSONResponse({"error": "x-garret-secret: not the secret of this local cloud's access key"}, 403)
            body = await http.body()
            try:
                reply = await run_in_threadpool(door, http.method, dict(http.query_params), body)
            except (ValueError, TypeError) as error:
                return JSONResponse({"error": str(error)}, 400)
            return JSONResponse(reply)

        return answer

    def _faults(self, method: str, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        board = self._cloud.faults
        added: list[str] = []
        if method == "DELETE":
            board.clear(query.get("id", ""))
        elif method == "POST":
            wanted = json.loads(body)
            if not isinstance(wanted, dict) or set(wanted) - {"faults", "stock"}:
                raise ValueError('the body must be {"faults": [...], "stock": {"<zone>/<type>": "..."}}')
            added = board.switch(wanted.get("faults", []), wanted.get("stock", {}))
            spot.notice(self._cloud)
        told = {"faults": board.listed(), "stock": self._cloud.store.find("stock")}
        return told | ({"added": added} if method == "POST" else {})

    def _clock(self, method: str, _query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        clock = self._cloud.clock
        if method == "POST":
            seconds = json.loads(body).get("advance_s")
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= FURTHEST_S:
                raise ValueError(f"advance_s: {seconds!r} is no number of seconds within 0 to {FURTHEST_S}")
            self._cloud.advance(float(seconds))
        return {"now": clock.stamp(), "advanced_s": clock.advanced_s}

    def _calls(self, _method: str, query: Mapping[str, str], _body: bytes) -> dict[str, Any]:
        inner = query.get("inner", "") not in ("", "0", "false")
        return {"calls": self._cloud.store.calls(int(query.get("since", "0")), inner)}

    def _ledger(self, _method: str, query: Mapping[str, str], _body: bytes) -> dict[str, Any]:
        return {"currency": prices.CURRENCY, "lines": self._cloud.ledger.lines(query.get("resource", ""))}
