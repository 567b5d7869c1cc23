"""What OOS does when the server starts: executions that did not end go on where they were."""

from __future__ import annotations

from garret.local_cloud.core import Cloud
from garret.local_cloud.oos import engine, records, timers


def recover(cloud: Cloud) -> None:
    """Take up every execution that has not ended; one that waits for a time goes on waiting."""
    for body in cloud.store.find(records.EXECUTION):
        if body["Status"] in records.ENDED:
            continue
        if body["NextScheduleTime"] or body["LastTriggerTime"]:
            records.change(cloud, body["ExecutionId"], records.WAITING)
        else:
            engine.go(cloud, body)
    if timers.waiting(cloud):
        timers.watch(cloud)
