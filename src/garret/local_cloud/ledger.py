"""The ledger: what was billed, from when to when, at which rate; written as it happens, kept when the thing goes.

Every change of an instance, disk, address, snapshot or NAT gateway passes by here, in the transaction that makes it.
A thing has one open line; a new rate or state closes it and opens the next. What is paid beforehand is a line of its
own, whose sum falls due at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from garret.local_cloud import prices
from garret.local_cloud.clock import Clock, parse_stamp
from garret.local_cloud.store import Body, Store

_OPEN, _CLOSED = "ledger_open", "ledger_line"


class Ledger:
    """The book of one local cloud."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        store.watch(prices.BILLED, self._changed)
        with store.transaction():
            for kind in prices.BILLED:  # things of a store that is older than its ledger
                for id, body in store.pairs(kind):
                    if store.get(_OPEN, id) is None:
                        self._changed(kind, id, body)

    def lines(self, resource: str = "") -> list[Body]:
        """All lines, of one thing or of all, oldest first; `until` is empty where it goes on."""
        found = [*self._store.find(_CLOSED), *self._store.find(_OPEN)]
        return sorted((one for one in found if resource in ("", one["resource"])), key=lambda one: str(one["since"]))

    def cost(self, line: Mapping[str, Any], start: datetime, end: datetime) -> tuple[float, float]:
        """The hours of a line that lie within `start` and `end`, and what they cost."""
        since = parse_stamp(line["since"])
        until = parse_stamp(line["until"]) if line["until"] else self._clock.now()
        if line["once"]:
            return (0.0, float(line["once"])) if start <= since < end else (0.0, 0.0)
        hours = max(0.0, (min(until, end) - max(since, start)).total_seconds() / 3600)
        return hours, hours * float(line["per_hour"])

    def total(self) -> float:
        """What everything has cost so far."""
        always = datetime.min.replace(tzinfo=self._clock.now().tzinfo), self._clock.now()
        return sum(
            self.cost(line, always[0], datetime.max.replace(tzinfo=always[1].tzinfo))[1] for line in self.lines()
        )

    def _changed(self, kind: str, id: str, body: Body | None) -> None:
        before, now = self._store.get(_OPEN, id), self._now()
        rate = None if body is None else prices.rate(kind, body)
        after = None if body is None or rate is None else _line(kind, id, body, rate)
        if before is not None and after is not None and all(before[name] == after[name] for name in _SAME):
            if before["tags"] != after["tags"]:
                self._store.update(_OPEN, id, tags=after["tags"])
            return
        if before is not None:
            self._store.delete(_OPEN, id)
            if before["since"] != now:  # what lasted no time at all was never there
                self._close(before, now)
        if after is not None:
            self._store.put(_OPEN, id, {**after, "since": now, "until": ""})
        if body is not None and rate is not None and rate.once and (before is None or before["paid"] != rate.paid):
            paid = {**_line(kind, id, body, rate), "once": rate.once, "per_hour": 0.0, "state": "paid beforehand"}
            self._close({**paid, "since": now}, now)

    def _close(self, line: Body, now: str) -> None:
        self._store.put(_CLOSED, f"{line['resource']}/{uuid.uuid4().hex[:12]}", {**line, "until": now})

    def _now(self) -> str:
        return self._clock.now().isoformat().replace("+00:00", "Z")


_SAME = ("kind", "item", "about", "state", "charge", "per_hour", "paid")


def _line(kind: str, id: str, body: Body, rate: prices.Rate) -> Body:
    return {
        "resource": id,
        "kind": kind,
        "region": body.get("RegionId", ""),
        "zone": body.get("ZoneId", ""),
        "name": body.get("InstanceName") or body.get("Name") or body.get("DiskName") or "",
        "group": body.get("ResourceGroupId", ""),
        "tags": body.get("Tags", []),
        "item": rate.item,
        "about": rate.about,
        "state": rate.state,
        "charge": rate.charge,
        "per_hour": rate.per_hour,
        "list_per_hour": rate.list_per_hour,
        "once": 0.0,
        "paid": rate.paid,
    }
