"""What OOS does when the server starts: executions that did not end go on where they were."""

from __future__ import annotations

from garret.local_cloud.clock import parse_stamp
from garret.local_cloud.core import Cloud
from garret.local_cloud.oos import engine, records, timers


def recover(cloud: Cloud) -> None:
    """Take up every execution that has not ended; one that waits for a time goes on waiting."""
    for body in cloud.store.find(records.EXECUTION):
        if body["Status"] in records.ENDED:
            continue
        if not body["NextScheduleTime"]:
            engine.go(cloud, body)
        elif body["LastTriggerTime"] >= body["NextScheduleTime"]:  # begun already: that goes on as one of its own
            timers.wait_again(cloud, body, parse_stamp(body["LastTriggerTime"]))
        else:
            records.change(cloud, body["ExecutionId"], records.WAITING)
    if timers.waiting(cloud):
        timers.watch(cloud)
