"""Executions that wait for a time: one thread looks at them all and runs what is due, in the order in which it is.

What became due while the cloud was down, or while its clock was moved on, is run once per timer: the last of its times.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import Cloud
from garret.local_cloud.oos import checking, cron, engine, records
from garret.local_cloud.oos.templates import read_content
from garret.local_cloud.oos.values import WrongValue, resolve

THREAD = "oos timers"
SLICE_S = 1.0
_CARRIED = ("TemplateName", "TemplateId", "TemplateVersion", "Parameters", "Content", "Mode", "SafetyCheck", "RamRole",
            "ResourceGroupId", "Tags", "ExecutedBy")  # fmt: skip


def is_timer(document: dict[str, Any]) -> bool:
    """Whether a template waits for a time."""
    return bool(document["Tasks"][0]["Action"] == checking.TRIGGER)


def begin(cloud: Cloud, execution: records.Body) -> None:
    """Let an execution wait for its first time; WrongValue when its timer is no good."""
    due = next_time(execution, cloud.clock.now())
    if due is None:
        raise WrongValue("the timer does not go off any more: EndDate or Expression lies behind")
    records.change(cloud, execution["ExecutionId"], records.WAITING, NextScheduleTime=stamp(due))
    watch(cloud)


def watch(cloud: Cloud) -> None:
    """See to it that somebody looks at the timers."""
    cloud.background.start(THREAD, lambda: _watch(cloud))
    cloud.clock.ring()


def next_time(execution: records.Body, after: datetime) -> datetime | None:
    """When an execution's timer goes off next."""
    document = read_content(execution["Content"])
    scope = {**execution["Parameters"], "ACS::RegionId": execution["RegionId"]}
    return cron.next_time(resolve(document["Tasks"][0]["Properties"], scope), after)


def waiting(cloud: Cloud) -> list[records.Body]:
    """The executions that wait for a time, the next one first."""
    found = [one for one in cloud.store.find(records.EXECUTION) if one["NextScheduleTime"]]
    return sorted(
        (one for one in found if one["Status"] not in records.ENDED), key=lambda one: str(one["NextScheduleTime"])
    )


def _watch(cloud: Cloud) -> None:
    while not cloud.background.stopping:
        found = waiting(cloud)
        if not found:
            return
        now = cloud.clock.now()
        due = [(_last_due(one, now), one) for one in found if parse_stamp(one["NextScheduleTime"]) <= now]
        if due:
            moment, execution = min(due, key=lambda pair: pair[0])
            _trigger(cloud, execution, moment)
            continue
        left = (parse_stamp(found[0]["NextScheduleTime"]) - now).total_seconds()
        cloud.clock.wait(min(left, SLICE_S))


def _last_due(execution: records.Body, now: datetime) -> datetime:
    moment = parse_stamp(execution["NextScheduleTime"])
    for _ in range(1000):
        following = next_time(execution, moment)
        if following is None or following > now:
            break
        moment = following
    return moment


def _trigger(cloud: Cloud, execution: records.Body, moment: datetime) -> None:
    id = execution["ExecutionId"]
    if not records.change(cloud, id, records.RUNNING, LastTriggerTime=stamp(moment)):
        return
    carried = {name: execution[name] for name in _CARRIED}
    child = records.new_execution(cloud, execution["RegionId"], execution["Key"], ParentExecutionId=id, **carried)
    engine.carry_out(cloud, child["ExecutionId"])
    ended = records.find(cloud, child["ExecutionId"])
    if ended["Status"] not in records.ENDED:
        return  # the server goes down
    said = {"LastTriggerStatus": ended["Status"], "LastTriggerStatusMessage": ended["StatusMessage"]}
    following = next_time(execution, moment)
    if following is None:
        records.change(cloud, id, records.SUCCESS, NextScheduleTime="", **said)
    else:
        records.change(cloud, id, records.WAITING, NextScheduleTime=stamp(following), **said)
