"""What the node costs per hour, as whoever deployed it told it: the node itself can ask nobody."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from garret.service_runtime.files import write_atomically

HIGHEST = 1e9
_CURRENCY = 8


class WrongPrices(ValueError):
    """A value is wrong; `field` names it, `hint` says what would do."""

    def __init__(self, field: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason, self.hint = field, reason, hint


@dataclass(frozen=True)
class Prices:
    """Per hour, running and stopped; `made_up` are the local cloud's.

    `since` is when the machine was started, in seconds since 1970, as far as whoever told it knows; 0 when not.
    """

    running_per_hour: float
    stopped_per_hour: float | None = None
    currency: str = "CNY"
    made_up: bool = False
    since: float = 0.0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Prices:
        """Read what was told, or what the file has.

        Raises:
            WrongPrices: names the field.
        """
        for name in values:
            if name not in cls.__dataclass_fields__:
                raise WrongPrices(str(name)[:40], "is not known", f"Known: {', '.join(cls.__dataclass_fields__)}")
        if values.get("running_per_hour") is None:
            raise WrongPrices("running_per_hour", "is missing", "What an hour costs while the node runs")
        stopped, currency, made_up = values.get("stopped_per_hour"), values.get("currency"), values.get("made_up")
        currency = "CNY" if currency is None else currency
        if not (isinstance(currency, str) and currency.isascii() and currency.isalpha() and len(currency) <= _CURRENCY):
            raise WrongPrices("currency", "is no currency", "For example CNY or USD")
        if made_up not in (None, True, False):
            raise WrongPrices("made_up", "must be true or false")
        return cls(
            _number(values, "running_per_hour"),
            None if stopped is None else _number(values, "stopped_per_hour"),
            currency,
            bool(made_up),
            _number(values, "since") if values.get("since") is not None else 0.0,
        )

    def facts(self, now: float, booted: float) -> dict[str, Any]:
        """Return what it costs, since when this run goes on, and what it has cost so far, counted from there."""
        since = min(now, max(self.since, booted))
        hours = max(0.0, now - since) / 3600
        return {
            "currency": self.currency,
            "made_up": self.made_up,
            "running_per_hour": self.running_per_hour,
            "stopped_per_hour": self.stopped_per_hour,
            "since": round(since, 1),
            "hours": round(hours, 4),
            "so_far": round(hours * self.running_per_hour, 4),
        }


class PricesFile:
    """Where they are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Prices | None:
        """Return them, None when nobody has told any that can be read."""
        try:
            return Prices.from_dict(json.loads(self._path.read_text("utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def write(self, prices: Prices) -> None:
        """Keep new ones."""
        write_atomically(self._path, json.dumps(asdict(prices)).encode(), 0o640)


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongPrices(name, "must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    highest = HIGHEST if name.endswith("per_hour") else 1e11
    if not 0 <= number <= highest:
        raise WrongPrices(name, f"must be 0 to {highest:g}")
    return number
