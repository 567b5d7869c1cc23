"""What of a deployment goes on in the cloud by itself: its kinds, those that are on, and how they are ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.errors import CloudError
from garret.ops.cloud import DEPLOYMENT_TAG, Cloud
from garret.ops.deployment import Deployment
from garret.ops.execution import CLOUD, ENDED, RUNNING, Execution
from garret.ops.records import CloudExecution, CloudTask
from garret.ops.tell import Teller

KIND_TAG = "garret:automation"
SCHEDULE_START, SCHEDULE_STOP, KEEP_STARTING = "schedule-start", "schedule-stop", "keep-starting"
KINDS = (SCHEDULE_START, SCHEDULE_STOP, KEEP_STARTING)


def begin(
    cloud: Cloud, deployment: Deployment, kind: str, template: str, parameters: Mapping[str, Any], *, token: str
) -> str:
    """Start an execution of a kind for a deployment; its id in the cloud."""
    tags = {DEPLOYMENT_TAG: deployment.name, KIND_TAG: kind}
    description = f"garret {kind} {deployment.name}"
    return cloud.automation.start(template, parameters, tags=tags, token=token, description=description)


def active(cloud: Cloud, deployment: Deployment, *kinds: str) -> list[CloudExecution]:
    """Those of these kinds that have not ended, the newest first."""
    wanted = kinds or KINDS
    found = cloud.automation.executions(deployment.name)
    return [one for one in found if one.tags.get(KIND_TAG) in wanted and one.status not in ENDED]


def end(cloud: Cloud, deployment: Deployment, tell: Teller, *kinds: str) -> list[CloudExecution]:
    """End those of these kinds; a cloud that does not let itself be asked is told of, and stops nothing else."""
    try:
        found = active(cloud, deployment, *kinds)
        for one in found:
            cloud.automation.cancel(one.id)
    except CloudError as error:
        tell.say(f"what goes on in the cloud for {deployment.name} was not looked at: {error.message}")
        return []
    return found


def end_tries(cloud: Cloud, deployment: Deployment, tell: Teller) -> list[CloudExecution]:
    """End a start that a schedule has begun and goes on trying; the schedule itself stays."""
    try:
        timers = active(cloud, deployment, SCHEDULE_START)
        found = [one for timer in timers for one in cloud.automation.begun_by(timer.id) if one.status not in ENDED]
        for one in found:
            cloud.automation.cancel(one.id)
    except CloudError as error:
        tell.say(f"whether a schedule is starting {deployment.name} just now was not looked at: {error.message}")
        return []
    return found


def told(one: CloudExecution) -> dict[str, str]:
    """One of them for `status`: its `kind`, `execution`, and `why`, a sentence."""
    kind = one.tags.get(KIND_TAG, "")
    if kind == KEEP_STARTING:
        why = f"the cloud tries to start it since {one.started_at or one.created_at}, until there is stock"
    else:
        verb = "starts" if kind == SCHEDULE_START else "stops"
        why = f"the cloud {verb} it next at {one.next_at}"
    if one.last_status and one.last_status != "Success":
        why += f"; the last time ({one.last_at}) it {one.last_status.lower()}: {one.last_message}"
    return {"kind": kind, "execution": one.id, "why": why}


def is_cloud_id(identifier: str) -> bool:
    """Say whether an id is one of the cloud's executions."""
    return identifier.startswith("exec-") and identifier[5:].isalnum()


def as_execution(one: CloudExecution, deployment: str, tasks: list[CloudTask] | None = None) -> Execution:
    """An execution of the cloud in the shape of ours; one that waits for its time counts as running."""
    failed = {"message": one.message, "hint": "garret status"} if one.status == "Failed" else None
    return Execution(
        verb=one.tags.get(KIND_TAG) or one.description or "OOS",
        deployment=deployment or one.tags.get(DEPLOYMENT_TAG, ""),
        id=one.id,
        place=CLOUD,
        status=RUNNING if one.status == "Waiting" else one.status,
        parameters=dict(one.parameters),
        requested_by=one.requested_by,
        created_at=one.created_at,
        started_at=one.started_at or None,
        ended_at=one.ended_at or None,
        tasks=tuple(_task(task) for task in tasks or ()),
        output=dict(one.outputs) | _times(one),
        error=failed,
    )


def _times(one: CloudExecution) -> dict[str, str]:
    last = f"{one.last_at} {one.last_status} {one.last_message}".strip()
    return {key: text for key, text in (("next", one.next_at), ("last", last)) if text}


def _task(task: CloudTask) -> dict[str, Any]:
    seconds = _seconds(task.began_at, task.ended_at)
    return {
        "name": task.name,
        "status": task.status,
        "began_at": task.began_at,
        "seconds": seconds,
        "note": task.message,
    }


def _seconds(began: str, ended: str) -> float:
    from datetime import datetime

    try:
        return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    except ValueError:
        return 0.0
