"""Faults switched on for tests and for practice: errors, lost replies, slowness and empty shelves.

A fault is a record in the store, so it survives a restart of the server. See `Fault` for what it can do.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from garret.local_cloud.store import Store

WITH_STOCK, LOW_STOCK, NO_STOCK, CLOSED = "WithStock", "ClosedWithStock", "WithoutStock", "ClosedWithoutStock"
STOCK_WORDS = (WITH_STOCK, LOW_STOCK, NO_STOCK, CLOSED)


@dataclass(frozen=True)
class Fault:
    """What goes wrong, at which action, and how often.

    `effect`: "error" answers `status`, `code`, `message` and does nothing; "lost" carries the call out and drops the
    connection instead of answering; "unsent" drops it without carrying anything out; "slow" waits `seconds` first.
    `times` 0 means until it is taken away. `match` narrows it to calls whose parameters have these values.
    """

    action: str
    effect: str = "error"
    product: str = ""
    code: str = "ServiceUnavailable"
    message: str = "switched on at the local cloud's fault board"
    status: int = 503
    times: int = 1
    seconds: float = 0.0
    retry_after_ms: int = 0
    match: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.effect not in ("error", "lost", "unsent", "slow"):
            raise ValueError(f"effect: {self.effect!r} is none of error, lost, unsent, slow")
        if not 400 <= self.status <= 599:
            raise ValueError(f"status: {self.status} is no HTTP error (400..599)")
        if self.times < 0:
            raise ValueError("times: must be 0 (for ever) or more")


class Faults:
    """The fault board of one local cloud."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, fault: Fault) -> str:
        """Switch a fault on; returns its id."""
        id = f"fault-{uuid.uuid4().hex[:12]}"
        self._store.put("fault", id, {"id": id, **asdict(fault), "match": dict(fault.match)})
        return id

    def listed(self) -> list[dict[str, Any]]:
        """The faults that are on, oldest first."""
        return self._store.find("fault")

    def clear(self) -> None:
        """Switch all faults off and fill all shelves."""
        for kind in ("fault", "stock"):
            for body in self._store.find(kind):
                self._store.delete(kind, body["id"])

    def take(self, product: str, action: str, params: Mapping[str, str]) -> Fault | None:
        """The first fault that this call meets, counted as used; None when there is none."""
        with self._store.transaction():
            for body in self._store.find("fault"):
                fault = Fault(**{name: value for name, value in body.items() if name != "id"})
                if not _meets(fault, product, action, params):
                    continue
                if fault.times == 1:
                    self._store.delete("fault", body["id"])
                elif fault.times > 1:
                    self._store.update("fault", body["id"], times=fault.times - 1)
                return fault
        return None

    def set_stock(self, zone: str, instance_type: str, word: str) -> None:
        """Say how full the shelf of one type in one zone is; `word` is one of STOCK_WORDS."""
        if word not in STOCK_WORDS:
            raise ValueError(f"stock: {word!r} is none of {', '.join(STOCK_WORDS)}")
        id = f"{zone}/{instance_type}"
        self._store.put("stock", id, {"id": id, "word": word})

    def stock(self, zone: str, instance_type: str) -> str | None:
        """What was said about this shelf, or None when nothing was."""
        body = self._store.get("stock", f"{zone}/{instance_type}")
        return None if body is None else str(body["word"])


def _meets(fault: Fault, product: str, action: str, params: Mapping[str, str]) -> bool:
    if fault.action not in ("*", action) or fault.product.lower() not in ("", product.lower()):
        return False
    return all(params.get(name) == value for name, value in fault.match.items())
