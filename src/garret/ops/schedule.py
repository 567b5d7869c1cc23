"""Schedule: the cloud starts and stops a deployment by the week, with no machine of ours on."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.errors import NotReady, UsageError
from garret.ops.automation import SCHEDULE_START, SCHEDULE_STOP, active, begin
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment, flag
from garret.ops.records import CloudExecution
from garret.ops.work import Work

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLE = '"mon-fri 09:00"'
_NAMED = {"daily": DAYS, "weekdays": DAYS[:5], "weekends": DAYS[5:]}
_TIME = re.compile(r"(\d{1,2}):(\d{2})")
KINDS = {"start": SCHEDULE_START, "stop": SCHEDULE_STOP}


@dataclass(frozen=True)
class Week:
    """A time of day on some days of the week."""

    days: tuple[str, ...]
    hour: int
    minute: int

    @property
    def cron(self) -> str:
        """As OOS wants it: seconds first, the day of the month left open."""
        return f"0 {self.minute} {self.hour} ? * {','.join(day.upper() for day in self.days)}"

    def __str__(self) -> str:
        return f"{','.join(self.days)} {self.hour:02d}:{self.minute:02d}"


def read_week(option: str, text: str) -> Week:
    """Read "mon-fri 09:00", "sat,sun 10:30", "daily 07:00", "weekdays …" or "weekends …".

    Raises:
        UsageError: names the option.
    """
    days, _, time = text.strip().lower().rpartition(" ")
    moment = _TIME.fullmatch(time)
    if not days or moment is None or int(moment[1]) > 23 or int(moment[2]) > 59:
        raise UsageError(f"{option}: {text!r} is no time of the week", f"{option} {EXAMPLE}")
    wanted: set[str] = set()
    for part in days.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if part in _NAMED:
            wanted |= set(_NAMED[part])
        elif first in DAYS and (not last or last in DAYS):
            begin_at, end_at = DAYS.index(first), DAYS.index(last or first)
            wanted |= set(DAYS[begin_at : end_at + 1] if begin_at <= end_at else DAYS[begin_at:] + DAYS[: end_at + 1])
        else:
            raise UsageError(f"{option}: {part!r} is no day; {', '.join(DAYS)}", f"{option} {EXAMPLE}")
    return Week(tuple(day for day in DAYS if day in wanted), int(moment[1]), int(moment[2]))


def check_zone(name: str) -> str:
    """The time zone's name, if there is such a one.

    Raises:
        UsageError: there is none.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"--time-zone: {name!r} is none", "--time-zone Asia/Shanghai") from None


def run(work: Work) -> dict[str, Any]:
    """The verb `schedule`: `start`, `stop` (as typed), `time_zone`, `role`; with neither time, all is taken away."""
    said = work.parameters
    weeks = {kind: read_week(f"--{kind}", said[kind]) for kind in KINDS if said.get(kind)}
    zone, role = str(said.get("time_zone") or "UTC"), str(said.get("role") or "")
    cloud, deployment = work.cloud, work.deployment
    with deployment.journal.locked():
        before = active(cloud, deployment, *KINDS.values())
        if weeks and not cloud.instances.tagged(deployment.name):
            raise UsageError(f"{deployment.name} has no machine", f"garret deploy{flag(deployment.name)}")
        given = {"deployment": deployment.name, "timeZone": zone, "OOSAssumeRole": role}
        wanted = [_on(work, kind, week, given, before) for kind, week in weeks.items()]
        gone = [one for one in before if one.id not in wanted]
        for one in gone:
            cloud.automation.cancel(one.id)
            work.crash.point("schedule.cancelled")
        deployment.journal.append("automation", kind="schedule", executions=wanted)
    facts = show(cloud, deployment)
    missing = [kind for kind in weeks if facts[kind] is None]
    if missing:
        raise NotReady(f"the cloud took the times to {' and '.join(missing)}, and does not have them", "garret status")
    return facts | {"changed": bool(gone) or any(id not in {one.id for one in before} for id in wanted)}


def _on(work: Work, kind: str, week: Week, common: Mapping[str, str], before: list[CloudExecution]) -> str:
    """The execution for these times: the one that is there, or a new one."""
    from garret.templates.oos import schedule as templates
    from garret.templates.oos.parts import as_json

    given = {**common, "cron": week.cron}
    for one in before:
        if _kind(one) == KINDS[kind] and {key: one.parameters.get(key) for key in given} == given:
            return one.id
    template = templates.schedule_start() if kind == "start" else templates.schedule_stop()
    with work.task(f"schedule {kind}", str(week)):
        id = begin(work.cloud, work.deployment, KINDS[kind], as_json(template), given, token=uuid.uuid4().hex)
    work.crash.point("schedule.begun")
    return id


def show(cloud: Cloud, deployment: Deployment) -> dict[str, Any]:
    """What is scheduled: for `start` and `stop` the times, when next, and how the last one went; None where nothing."""
    found = {_kind(one): one for one in reversed(active(cloud, deployment, *KINDS.values()))}
    return {"name": deployment.name, **{kind: _facts(found.get(tag)) for kind, tag in KINDS.items()}}


def _kind(one: CloudExecution) -> str:
    from garret.ops.automation import KIND_TAG

    return one.tags.get(KIND_TAG, "")


def _facts(one: CloudExecution | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "execution": one.id,
        "cron": one.parameters.get("cron"),
        "time_zone": one.parameters.get("timeZone"),
        "next_at": one.next_at,
        "last_at": one.last_at,
        "last_status": one.last_status,
        "last_message": one.last_message,
    }
