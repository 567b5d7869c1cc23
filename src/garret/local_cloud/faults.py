"""The fault board: what goes wrong at the local cloud, for tests and for practice.

A fault is a record in the store, so it survives a restart of the server. `raw_faults.Fault` meets calls; the named ones
(`fault_names`) also empty shelves, use up quotas, silence nodes, and slow or misdate the cloud.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from garret.local_cloud import fault_names
from garret.local_cloud.raw_faults import Fault
from garret.local_cloud.store import Body, Store

__all__ = ["CLOSED", "LOW_STOCK", "NO_STOCK", "STOCK_WORDS", "WITH_STOCK", "Fault", "Faults"]

WITH_STOCK, LOW_STOCK, NO_STOCK, CLOSED = "WithStock", "ClosedWithStock", "WithoutStock", "ClosedWithoutStock"
STOCK_WORDS = (WITH_STOCK, LOW_STOCK, NO_STOCK, CLOSED)
_WEATHER = {"latency": "latency_ms", "clock_skew": "clock_skew_s"}  # one of each: the newest


class Faults:
    """The fault board of one local cloud; `latency_ms` and `clock_skew_s` are what it says of every call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.latency_ms = 0.0
        self.clock_skew_s = 0.0
        self._read_weather()

    def switch(self, wanted: Sequence[Any], stock: Mapping[str, str]) -> list[str]:
        """Switch faults on, named or raw, and fill or empty shelves, all or none; returns the faults' ids."""
        if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
            raise ValueError("faults: must be a list of maps")
        bodies = [
            _raw_body(Fault(**one)) if "effect" in one or _is_raw(one) else fault_names.read(one) for one in wanted
        ]
        for shelf, word in stock.items():
            _check_word(word)
            if "/" not in shelf:
                raise ValueError(f"stock: {shelf!r} has not the form <zone>/<type>")
        for body in bodies:
            self._check_spot(body)
        with self._store.transaction():
            for shelf, word in stock.items():
                zone, _, instance_type = shelf.partition("/")
                self.set_stock(zone, instance_type, word)
            return [self._put(body) for body in bodies]

    def add(self, fault: Fault) -> str:
        """Switch a raw fault on; returns its id."""
        return self._put(_raw_body(fault))

    def listed(self) -> list[Body]:
        """The faults that are on, oldest first."""
        return self._store.find("fault")

    def clear(self, id: str = "") -> None:
        """Switch one fault off, or all and fill all shelves; ValueError when there is no such fault."""
        if id:
            if not self._store.delete("fault", id):
                raise ValueError(f"id: no fault {id!r} is on; GET /_garret/faults lists them")
        else:
            for kind in ("fault", "stock"):
                for known, _ in self._store.pairs(kind):
                    self._store.delete(kind, known)
        self._read_weather()

    def take(self, product: str, action: str, params: Mapping[str, str]) -> Fault | None:
        """The first fault that this call meets, counted as used; None when there is none."""
        with self._store.transaction():
            for body, fault in self._raw():
                if fault.meets(product, action, params):
                    self.use(body)
                    return fault
        return None

    def named(self, name: str, **told: object) -> Body | None:
        """The first named fault that is on and was told all of this; a field that it leaves open fits anything."""
        for body in self.listed():
            fits = all(body.get(field) in (value, "", "*") for field, value in told.items())
            if body.get("fault") == name and fits:
                return body
        return None

    def use(self, body: Body) -> None:
        """Count a fault as met once more; the last time takes it away."""
        if body["times"] == 1:
            self._store.delete("fault", body["id"])
        elif body["times"] > 1:
            self._store.update("fault", body["id"], times=body["times"] - 1)

    def set_stock(self, zone: str, instance_type: str, word: str) -> None:
        """Say how full the shelf of one type in one zone is; `word` is one of STOCK_WORDS."""
        _check_word(word)
        id = f"{zone}/{instance_type}"
        self._store.put("stock", id, {"id": id, "word": word})

    def stock(self, zone: str, instance_type: str, region: str = "") -> str | None:
        """What a customer is shown of this shelf, or None when nothing was said about it."""
        body = self._store.get("stock", f"{zone}/{instance_type}")
        if self.named("no_stock", zone=zone, type=instance_type, region=region, shown=False) is not None:
            return NO_STOCK
        return None if body is None else str(body["word"])

    def _check_spot(self, body: Body) -> None:
        """Refuse to take back what is no spot instance."""
        id = body["instance"] if body.get("fault") == "spot_reclaim" else ""
        if not id:
            return
        found = self._store.get("instance", id)
        if found is None:
            raise ValueError(f"spot_reclaim.instance: there is no instance {id!r}")
        if found.get("SpotStrategy", "NoSpot") == "NoSpot":
            raise ValueError(f"spot_reclaim.instance: {id} is no spot instance: the cloud takes back nothing else")

    def _put(self, body: Mapping[str, Any]) -> str:
        id = f"fault-{uuid.uuid4().hex[:12]}"
        if body.get("fault") in _WEATHER:
            for known in self.listed():
                if known.get("fault") == body["fault"]:
                    self._store.delete("fault", known["id"])
        self._store.put("fault", id, {"id": id, **body})
        self._read_weather()
        return id

    def _raw(self) -> Iterator[tuple[Body, Fault]]:
        for body in self.listed():
            if "fault" in body:
                for fault in fault_names.NAMED[body["fault"]].faults(body):
                    yield body, fault
            else:
                yield body, Fault(**{name: value for name, value in body.items() if name != "id"})

    def _read_weather(self) -> None:
        found = {body["fault"]: body for body in self.listed() if body.get("fault") in _WEATHER}
        for name, field in _WEATHER.items():
            setattr(self, field, float(found[name][field]) if name in found else 0.0)


def _is_raw(wanted: Mapping[str, Any]) -> bool:
    return "fault" not in wanted and "action" in wanted


def _raw_body(fault: Fault) -> Body:
    return {**asdict(fault), "match": dict(fault.match)}


def _check_word(word: str) -> None:
    if word not in STOCK_WORDS:
        raise ValueError(f"stock: {word!r} is none of {', '.join(STOCK_WORDS)}")
