"""When a node is to stop itself: one small record, changed while it runs, kept in a file that is read anew."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from garret.service_runtime.files import write_atomically

SHORTEST_IDLE_S, LONGEST_IDLE_S = 1.0, 604_800.0
SHORTEST_DELETE_S, LONGEST_DELETE_S = 3600.0, 3 * 365 * 86_400.0
"""The cloud takes no release sooner than half an hour ahead, and none later than three years."""
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_OFFSET = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])")


class WrongAutostop(ValueError):
    """A value is wrong; `field` names it, `hint` says what would do."""

    def __init__(self, field: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason, self.hint = field, reason, hint


@dataclass(frozen=True)
class AutostopSettings:
    """Idle seconds until the stop, 0 for never; with `learn` they are the most, and the node finds out what is best.

    `stop_by` is a time of day ("02:00") in `time_zone` (a name or "+08:00") at which it stops in any case, empty for
    none; `delete_after_s` is how long after a stop the cloud releases the machine, 0 for never.
    """

    idle_s: float = 0.0
    learn: bool = False
    stop_by: str = ""
    time_zone: str = "+00:00"
    delete_after_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.idle_s and not SHORTEST_IDLE_S <= self.idle_s <= LONGEST_IDLE_S:
            raise WrongAutostop("idle_s", f"{self.idle_s:g} is neither 0 nor 1 to 604800 seconds")
        if self.learn and not self.idle_s:
            raise WrongAutostop("learn", "there is no longest time", "give idle_s as well")
        if self.stop_by and not _TIME.fullmatch(self.stop_by):
            raise WrongAutostop("stop_by", f"{self.stop_by[:40]!r} is no time of day", "for example 02:00")
        zone_of(self.time_zone)
        if self.delete_after_s and not SHORTEST_DELETE_S <= self.delete_after_s <= LONGEST_DELETE_S:
            raise WrongAutostop("delete_after_s", f"{self.delete_after_s:g} is neither 0 nor an hour to three years")

    @property
    def is_on(self) -> bool:
        """Say whether the node ever stops itself."""
        return bool(self.idle_s or self.stop_by)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AutostopSettings:
        """Read what `to_dict` wrote, or a part of it.

        Raises:
            WrongAutostop: names the field.
        """
        known = {field.name: field.type for field in fields(cls)}
        for name, value in values.items():
            kind = known.get(name)
            fits = {
                "float": isinstance(value, int | float) and not isinstance(value, bool),
                "bool": isinstance(value, bool),
                "str": isinstance(value, str),
            }
            if kind is None or not fits[str(kind)]:
                reason = "is not a setting of autostop" if kind is None else f"should be a {kind}"
                raise WrongAutostop(name[:40], reason, f"settings are: {', '.join(known)}")
        taken: dict[str, Any] = dict(values)
        for name in [name for name in values if known[name] == "float"]:
            try:
                taken[name] = float(values[name])
            except OverflowError:
                raise WrongAutostop(name, "is beyond any number here") from None
        return cls(**taken)


def zone_of(name: str) -> tzinfo:
    """A time zone by its name, or by its distance from UTC as +08:00.

    Raises:
        WrongAutostop: this machine knows none of this name.
    """
    offset = _OFFSET.fullmatch(name)
    if offset:
        distance = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-distance if offset[1] == "-" else distance)
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "a name such as Asia/Shanghai where the node knows it, or the distance from UTC: +08:00"
        raise WrongAutostop("time_zone", f"{name[:40]!r} is not known here", hint) from None


def next_time(stop_by: str, time_zone: str, after: datetime) -> datetime:
    """The first moment later than `after` at which clocks in the zone show this time of day; UTC."""
    hour, minute = map(int, stop_by.split(":"))
    zone = zone_of(time_zone)
    local = after.astimezone(zone)
    for days in range(-1, 3):
        day = local.date() + timedelta(days=days)
        found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
        if found > after:
            return found
    raise AssertionError("a day has every time of day")


class AutostopFile:
    """Where the settings lie, and what counts as long as nobody has written any."""

    def __init__(self, path: Path, default: AutostopSettings) -> None:
        self._path, self._default = path, default
        self._seen: tuple[int, int, int] | None = None
        self._known = default

    def read(self) -> AutostopSettings:
        """The settings now; a file that cannot be read counts as none: it is better to stop than to run for ever."""
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._known = AutostopSettings.from_dict(json.loads(self._path.read_text("utf-8")))
                self._seen = seen
        except (OSError, ValueError, AttributeError, TypeError):
            self._seen, self._known = None, self._default
        return self._known

    def write(self, settings: AutostopSettings) -> None:
        """Keep new settings."""
        write_atomically(self._path, json.dumps(settings.to_dict(), indent=1).encode(), 0o640)
