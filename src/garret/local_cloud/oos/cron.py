"""When a timer goes off: cron expressions with seconds first ("0 30 9 ? * MON-FRI"), one moment, or a rate."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from garret.local_cloud.clock import parse_stamp
from garret.local_cloud.oos.values import WrongValue

TYPES = ("cron", "at", "rate")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")  # the vendor's week begins with SUN as 1
_RATE = re.compile(r"(\d+)\s*(minute|hour|day)s?")
_FURTHEST_DAYS = 5 * 366


def next_time(properties: Mapping[str, Any], after: datetime) -> datetime | None:
    """The first moment after `after` (both UTC) at which a timer goes off, or None when it does not again.

    Errors: WrongValue names the property.
    """
    kind, expression = str(properties.get("Type", "")), str(properties.get("Expression", ""))
    if kind == "cron":
        found = _next_cron(expression, after, _zone(properties))
    elif kind == "at":
        moment = _moment("Expression", expression)
        found = moment if moment > after else None
    elif kind == "rate":
        found = after + _rate(expression)
    else:
        raise WrongValue(f"Type: {kind!r} is none of {', '.join(TYPES)}")
    end = end_of(properties)
    return found if found is not None and (end is None or found <= end) else None


def end_of(properties: Mapping[str, Any]) -> datetime | None:
    """The moment after which a timer is over."""
    text = str(properties.get("EndDate") or "")
    return _moment("EndDate", text) if text else None


def _moment(name: str, text: str) -> datetime:
    try:
        return parse_stamp(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    except ValueError:
        raise WrongValue(f"{name}: {text!r} is no moment like 2026-12-31T00:00:00Z") from None


def _zone(properties: Mapping[str, Any]) -> ZoneInfo:
    name = str(properties.get("TimeZone") or "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongValue(f"TimeZone: {name!r} is none; one like Asia/Shanghai") from None


def _rate(text: str) -> timedelta:
    found = _RATE.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise WrongValue(f"Expression: {text!r} is no rate like 30 minutes")
    return timedelta(**{f"{found[2]}s": int(found[1])})


def _next_cron(expression: str, after: datetime, zone: ZoneInfo) -> datetime | None:
    fields = expression.split()
    if len(fields) not in (6, 7):
        raise WrongValue(f"Expression: {expression!r} has {len(fields)} fields; a cron expression has 6 or 7")
    seconds, minutes, hours = (_numbers(fields[0], 0, 59), _numbers(fields[1], 0, 59), _numbers(fields[2], 0, 23))
    months = _numbers(fields[4], 1, 12, _MONTHS, 1)
    years = _numbers(fields[6], 1970, 2099) if len(fields) == 7 else None
    if fields[3] != "?" and fields[5] not in ("?", "*"):
        raise WrongValue(f"Expression: {expression!r}: the day of the month or the day of the week must be ?")
    for day in _days(after.astimezone(zone)):
        if day.month not in months or (years is not None and day.year not in years) or not _on(fields, day):
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                for second in sorted(seconds):
                    moment = day.replace(hour=hour, minute=minute, second=second).astimezone(UTC)
                    if moment > after:
                        return moment
    return None


def _days(first: datetime) -> Iterator[datetime]:
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(_FURTHEST_DAYS):
        yield day
        day += timedelta(days=1)


def _on(fields: list[str], day: datetime) -> bool:
    of_month, of_week = fields[3], fields[5]
    if of_month == "L":
        return day.day == calendar.monthrange(day.year, day.month)[1]
    if of_month not in ("?", "*"):
        return day.day in _numbers(of_month, 1, 31)
    if of_week in ("?", "*"):
        return True
    return day.isoweekday() % 7 + 1 in _numbers(of_week, 1, 7, _DAYS, 1)


def _numbers(text: str, low: int, high: int, names: tuple[str, ...] = (), first: int = 0) -> set[int]:
    found: set[int] = set()
    for part in text.upper().split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("-")
        if span in ("*", "?"):
            start, stop = low, high
        else:
            start = _number(begin, names, first, text)
            stop = _number(end, names, first, text) if end else (high if step else start)
        if not (low <= start <= high and low <= stop <= high) or (step and not step.isdecimal()):
            raise WrongValue(f"Expression: {text!r} is not within {low} to {high}")
        span_of = range(start, stop + 1) if start <= stop else [*range(start, high + 1), *range(low, stop + 1)]
        found |= set(list(span_of)[:: int(step or 1) or 1])
    return found


def _number(text: str, names: tuple[str, ...], first: int, whole: str) -> int:
    if text in names:
        return names.index(text) + first
    if not text.isdecimal():
        raise WrongValue(f"Expression: {whole!r} is not understood")
    return int(text)
