"""Executions that wait for a time: one thread looks at them all, and each that is due runs on one of its own.

What became due while the cloud was down, or while its clock was moved on, is run once per timer: the last of its times.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import Cloud
from garret.local_cloud.oos import checking, cron, engine, records
from garret.local_cloud.oos.templates import read_content
from garret.local_cloud.oos.values import WrongValue, resolve

THREAD = "oos timers"
SLICE_S = 1.0
IN_ORDER_S = 10.0
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
    """See to it that somebody looks at the timers, and sees what is new."""
    cloud.extras["oos.timers"] = cloud.extras.get("oos.timers", 0) + 1
    cloud.background.ensure(THREAD, lambda: _watch(cloud))
    cloud.clock.ring()


def next_time(execution: records.Body, after: datetime) -> datetime | None:
    """When an execution's timer goes off next."""
    document = read_content(execution["Content"])
    scope = {**execution["Parameters"], "ACS::RegionId": execution["RegionId"]}
    return cron.next_time(resolve(document["Tasks"][0]["Properties"], scope), after)


def waiting(cloud: Cloud) -> list[records.Body]:
    """The executions that wait for a time, the next one first."""
    found = cloud.store.find(records.EXECUTION, Status=records.WAITING)
    return sorted((one for one in found if one["NextScheduleTime"]), key=lambda one: str(one["NextScheduleTime"]))


def _watch(cloud: Cloud) -> None:
    while not cloud.background.stopping:
        seen = cloud.extras.get("oos.timers", 0)
        found = waiting(cloud)
        if not found:
            return
        now = cloud.clock.now()
        due = [(_last_due(one, now), one) for one in found if parse_stamp(one["NextScheduleTime"]) <= now]
        for moment, execution in sorted(due, key=lambda pair: pair[0]):
            name = f"oos trigger {execution['ExecutionId']}"
            cloud.background.start(name, partial(_trigger, cloud, execution, moment))
            if len(due) > 1:  # those that were missed follow one another, as far as they do not take long
                cloud.background.join(IN_ORDER_S, name)
        until = parse_stamp(found[0]["NextScheduleTime"])
        # What is kept is read again only when something is new, or due.
        while not due and not cloud.background.stopping and cloud.extras.get("oos.timers", 0) == seen:
            left = (until - cloud.clock.now()).total_seconds()
            if left <= 0:
                break
            cloud.clock.wait(min(left, SLICE_S))
        if due:
            cloud.clock.wait(SLICE_S / 20)  # the next look finds them running


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
    with cloud.store.transaction():
        now = cloud.store.get(records.EXECUTION, id)
        if now is None or now["Status"] != records.WAITING or now["NextScheduleTime"] != execution["NextScheduleTime"]:
            return  # it was cancelled, or has gone off since somebody looked
        records.change(cloud, id, records.RUNNING, LastTriggerTime=stamp(moment))
    carried = {name: execution[name] for name in _CARRIED}
    child = records.new_execution(cloud, execution["RegionId"], execution["Key"], ParentExecutionId=id, **carried)
    engine.carry_out(cloud, child["ExecutionId"])
    ended = records.find(cloud, child["ExecutionId"])
    if ended["Status"] in records.ENDED:  # else the server goes down
        said = {"LastTriggerStatus": ended["Status"], "LastTriggerStatusMessage": ended["StatusMessage"]}
        wait_again(cloud, execution, moment, **said)


def wait_again(cloud: Cloud, execution: records.Body, after: datetime, **said: str) -> None:
    """Let a timer wait for its first time later than a moment; where there is none, it has ended."""
    id, following = execution["ExecutionId"], next_time(execution, after)
    if following is None:
        records.change(cloud, id, records.SUCCESS, NextScheduleTime="", **said)
        return
    if records.change(cloud, id, records.WAITING, NextScheduleTime=stamp(following), **said):
        watch(cloud)
