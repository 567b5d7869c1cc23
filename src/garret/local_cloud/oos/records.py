"""What is kept of executions and their tasks, and how the vendor shows it."""

from __future__ import annotations

import json
from typing import Any

from garret.local_cloud.core import ACCOUNT_ID, ApiError, Cloud
from garret.local_cloud.ids import new_id

EXECUTION, TASK = "oos_execution", "oos_task"
STARTED, QUEUED, RUNNING, WAITING = "Started", "Queued", "Running", "Waiting"
SUCCESS, FAILED, CANCELLED = "Success", "Failed", "Cancelled"
ENDED = (SUCCESS, FAILED, CANCELLED)
Body = dict[str, Any]

_SHOWN = (
    "ExecutionId", "TemplateName", "TemplateId", "TemplateVersion", "Status", "StatusMessage", "Description", "Mode",
    "LoopMode", "SafetyCheck", "RamRole", "CreateDate", "StartDate", "EndDate", "UpdateDate", "ParentExecutionId",
    "ResourceGroupId", "Tags", "NextScheduleTime", "LastTriggerTime", "LastTriggerStatus", "LastTriggerStatusMessage",
    "LastTriggerOutputs",
)  # fmt: skip
_TASK_SHOWN = (
    "TaskExecutionId", "ExecutionId", "TaskName", "TaskAction", "Status", "StatusMessage", "LoopItem",
    "ParentTaskExecutionId", "CreateDate", "StartDate", "EndDate", "UpdateDate", "TemplateId",
)  # fmt: skip


def new_execution(cloud: Cloud, region: str, key: str, **fields: Any) -> Body:
    """Keep a fresh execution, Started; `key` is the access key whose rights it has."""
    now = cloud.clock.stamp()
    id = new_id("exec")
    body: Body = {
        "ExecutionId": id, "RegionId": region, "Key": key, "ExecutedBy": key, "Status": STARTED, "StatusMessage": "",
        "Description": "", "Mode": "Automatic", "LoopMode": "Automatic", "SafetyCheck": "ConfirmEveryHighRiskAction",
        "TemplateName": "", "TemplateId": "", "TemplateVersion": "", "ResourceGroupId": "", "Tags": {}, "RamRole": "",
        "CreateDate": now, "StartDate": now, "EndDate": "", "UpdateDate": now, "ParentExecutionId": "",
        "Parameters": {}, "Outputs": {}, "Content": "", "NextScheduleTime": "", "LastTriggerTime": "",
        "LastTriggerStatus": "", "LastTriggerStatusMessage": "", "LastTriggerOutputs": "", **fields,
    }  # fmt: skip
    cloud.store.put(EXECUTION, id, body, region)
    return body


def find(cloud: Cloud, id: str) -> Body:
    """The execution; ApiError EntityNotExists.Execution otherwise."""
    body = cloud.store.get(EXECUTION, id)
    if body is None:
        raise ApiError("EntityNotExists.Execution", f"The execution {id!r} does not exist.", 404)
    return body


def change(cloud: Cloud, id: str, status: str, message: str = "", **fields: Any) -> bool:
    """Give an execution its next status, unless it has ended (somebody cancelled it); True when it was written."""
    with cloud.store.transaction():
        body = cloud.store.get(EXECUTION, id)
        if body is None or body["Status"] in ENDED:
            return False
        now = cloud.clock.stamp()
        ended = {"EndDate": now} if status in ENDED else {}
        cloud.store.update(EXECUTION, id, Status=status, StatusMessage=message, UpdateDate=now, **ended, **fields)
    return True


def tasks_of(cloud: Cloud, execution_id: str) -> list[Body]:
    """The tasks of an execution, oldest first."""
    return cloud.store.find(TASK, ExecutionId=execution_id)


def view(cloud: Cloud, body: Body, *, listed: bool) -> Body:
    """An execution as StartExecution (parameters as text) or ListExecutions (`listed`, as a map) shows it."""
    parameters = body["Parameters"]
    tasks = tasks_of(cloud, body["ExecutionId"])
    shown = {name: body[name] for name in _SHOWN}
    return {
        **shown,
        "ExecutedBy": body["ExecutedBy"],
        "Parameters": parameters if listed else json.dumps(parameters, ensure_ascii=False),
        "Outputs": json.dumps(body["Outputs"], ensure_ascii=False),
        "IsParent": bool(body["NextScheduleTime"] or body["LastTriggerTime"]),
        "Category": "TimerTrigger" if body["NextScheduleTime"] or body["LastTriggerTime"] else "Other",
        "Counters": {
            "Total": {"Total": len(tasks)},
            **{state: sum(one["Status"] == state for one in tasks) for state in (SUCCESS, FAILED)},
        },
        "CurrentTasks": [
            {"TaskExecutionId": one["TaskExecutionId"], "TaskName": one["TaskName"], "TaskAction": one["TaskAction"]}
            for one in tasks
            if one["Status"] in (RUNNING, WAITING)
        ],
        **({"AccountId": ACCOUNT_ID} if listed else {}),
    }


def task_view(body: Body) -> Body:
    """A task as ListTaskExecutions shows it."""
    return {
        **{name: body[name] for name in _TASK_SHOWN},
        "Properties": json.dumps(body["Properties"], ensure_ascii=False),
        "Outputs": json.dumps(body["Outputs"], ensure_ascii=False),
        "ChildExecutionId": "",
        "LoopBatchNumber": 0,
        "Loop": {},
        "ExtraData": {},
    }
