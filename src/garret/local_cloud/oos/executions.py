"""Executions: started, looked at and cancelled; what carries them out is in `engine` and `timers`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud import keys
from garret.local_cloud.clock import parse_stamp
from garret.local_cloud.core import ApiError, Call, Cloud, acting_as, invalid, missing
from garret.local_cloud.oos import checking, engine, given, records, timers
from garret.local_cloud.oos.templates import bad, find_template, read_content, read_tags
from garret.local_cloud.oos.values import WrongValue, resolve
from garret.local_cloud.params import Reply, flag, number, once
from garret.local_cloud.ram.documents import read_trust
from garret.local_cloud.ram.policies import documents_of
from garret.local_cloud.ram.roles import find_role

SERVICE = "oos.aliyuncs.com"


def start_execution(call: Call, cloud: Cloud) -> Reply:
    """Start a template that is kept (TemplateName) or given (TemplateContent)."""
    reply = once(call, cloud, lambda: _start(call, cloud))
    body = records.find(cloud, reply["Execution"]["ExecutionId"])
    if body["Status"] == records.STARTED and not body["NextScheduleTime"]:
        engine.go(cloud, body)
    elif body["NextScheduleTime"]:
        timers.watch(cloud)
    return reply


def list_executions(call: Call, cloud: Cloud) -> Reply:
    """Executions, the newest first, by what is asked for; those of timers only with IncludeChildExecution."""
    params, wanted = call.params, read_tags(call.params.get("Tags", ""))
    named = ("ExecutionId", "TemplateName", "ParentExecutionId", "Mode", "RamRole", "ExecutedBy", "Description")
    filters = {name: params[name] for name in named if params.get(name)}
    children = flag(params, "IncludeChildExecution") or "ParentExecutionId" in filters or "ExecutionId" in filters
    found = [
        body
        for body in cloud.store.find(records.EXECUTION, call.region, **filters)
        if (children or not body["ParentExecutionId"])
        and params.get("Status", "") in ("", body["Status"])
        and wanted.items() <= body["Tags"].items()
        and _between(params, body)
    ]
    views = [records.view(cloud, body, listed=True) for body in reversed(found)]
    return _page(params, "Executions", views) | {"TotalCount": len(views)}


def list_task_executions(call: Call, cloud: Cloud) -> Reply:
    """The tasks of executions, oldest first; those inside another only with IncludeChildTaskExecution."""
    params = call.params
    named = ("ExecutionId", "TaskExecutionId", "TaskName", "TaskAction", "Status", "ParentTaskExecutionId")
    filters = {name: params[name] for name in named if params.get(name)}
    inner = flag(params, "IncludeChildTaskExecution") or {"ParentTaskExecutionId", "TaskExecutionId"} & filters.keys()
    found = cloud.store.find(records.TASK, call.region, **filters)
    shown = [records.task_view(body) for body in found if inner or not body["ParentTaskExecutionId"]]
    return _page(params, "TaskExecutions", shown)


def list_execution_logs(call: Call, cloud: Cloud) -> Reply:
    """What happened in an execution, oldest first: each task's begin and end."""
    params = call.params
    records.find(cloud, params["ExecutionId"])
    lines = []
    for body in records.tasks_of(cloud, params["ExecutionId"]):
        if params.get("TaskExecutionId", "") not in ("", body["TaskExecutionId"]):
            continue
        told = [(body["StartDate"], f"{body['TaskName']}: {body['TaskAction']} began")]
        if body["EndDate"]:
            text = f"{body['TaskName']}: {body['Status']} {body['StatusMessage']}".strip()
            told.append((body["EndDate"], text))
        common = {"LogType": "SYSTEM", "TaskExecutionId": body["TaskExecutionId"]}
        lines += [{**common, "Timestamp": at, "Message": text} for at, text in told]
    lines.sort(key=lambda line: line["Timestamp"])
    return _page(params, "ExecutionLogs", lines) | {"IsTruncated": False}


def get_execution_template(call: Call, cloud: Cloud) -> Reply:
    """The template that an execution was started with."""
    body = records.find(cloud, call.params["ExecutionId"])
    names = ("TemplateId", "TemplateName", "TemplateVersion", "Tags", "Description")
    return {"Content": body["Content"], "Template": {name: body[name] for name in names}}


def cancel_execution(call: Call, cloud: Cloud) -> Reply:
    """End an execution, and what its timer has under way."""
    body = records.find(cloud, call.params["ExecutionId"])
    if not records.change(cloud, body["ExecutionId"], records.CANCELLED, NextScheduleTime=""):
        text = f"The execution {body['ExecutionId']} is {body['Status']}; there is nothing to cancel."
        raise ApiError("InvalidExecutionStatus", text)
    for child in cloud.store.find(records.EXECUTION, ParentExecutionId=body["ExecutionId"]):
        records.change(cloud, child["ExecutionId"], records.CANCELLED)
    timers.watch(cloud)
    return {}


def delete_executions(call: Call, cloud: Cloud) -> Reply:
    """Forget executions that have ended; with Force any."""
    try:
        ids = [str(id) for id in json.loads(call.params["ExecutionIds"])]
    except (ValueError, TypeError):
        raise invalid("ExecutionIds", "it is no JSON list") from None
    for id in ids:
        body = records.find(cloud, id)
        if body["Status"] not in records.ENDED and not flag(call.params, "Force"):
            raise ApiError("InvalidExecutionStatus", f"The execution {id} is {body['Status']}: cancel it first.")
    for id in ids:
        records.change(cloud, id, records.CANCELLED)
        for task in records.tasks_of(cloud, id):
            cloud.store.delete(records.TASK, task["TaskExecutionId"])
        cloud.store.delete(records.EXECUTION, id)
    cloud.clock.ring()
    return {}


def validate_template_content(call: Call, cloud: Cloud) -> Reply:
    """Whether a text is a template that could be executed here, and which tasks and parameters it has."""
    del cloud
    document = _executable(call.params["Content"])
    tasks = [{"Name": one["Name"], "Type": one["Action"], "Description": one.get("Description", ""),
              "Outputs": json.dumps(one.get("Outputs") or {}),
              "Properties": json.dumps(one.get("Properties") or {}, ensure_ascii=False)}
             for one in document["Tasks"]]  # fmt: skip
    parameters = json.dumps(document.get("Parameters") or {}, ensure_ascii=False)
    return {"Tasks": tasks, "Parameters": parameters, "RamRole": document.get("RamRole", "")}


def _start(call: Call, cloud: Cloud) -> Reply:
    params = call.params
    for name, only in (("Mode", "Automatic"), ("LoopMode", "Automatic")):
        if params.get(name, only) != only:
            raise ApiError("InvalidParameter.NotSupported", f"{name}: garret's local cloud knows {only} only.")
    kept: dict[str, Any] = {}
    if params.get("TemplateName"):
        template = find_template(cloud, call.region, params["TemplateName"], params.get("TemplateVersion", ""))
        names = ("TemplateName", "TemplateId", "TemplateVersion")
        content, kept = str(template["Content"]), {name: template[name] for name in names}
    elif params.get("TemplateContent"):
        content = params["TemplateContent"]
    else:
        raise missing("TemplateName")
    document = _executable(content)
    own = {"ACS::RegionId": call.region}
    found = given.parameters(document.get("Parameters") or {}, params.get("Parameters", ""), own)
    try:
        role = str(resolve(document.get("RamRole") or "", {**own, **found}))
        key = _key_of(cloud, role) if role else call.access_key_id
        told = {name: params[name] for name in ("Description", "SafetyCheck", "ResourceGroupId") if params.get(name)}
        body = records.new_execution(
            cloud, call.region, key, **kept, **told, Content=content, Parameters=found, RamRole=role,
            Tags=read_tags(params.get("Tags", "")), ParentExecutionId=params.get("ParentExecutionId", ""),
            ExecutedBy=call.access_key_id,
        )  # fmt: skip
        if timers.is_timer(document):
            with acting_as(key):
                timers.begin(cloud, body)
            body = records.find(cloud, body["ExecutionId"])
    except WrongValue as problem:
        raise bad(str(problem)) from None
    return {"Execution": records.view(cloud, body, listed=False)}


def _executable(content: str) -> dict[str, Any]:
    document = read_content(content)
    try:
        checking.check(document)
    except WrongValue as problem:
        raise bad(str(problem)) from None
    return document


def _key_of(cloud: Cloud, name: str) -> str:
    """A key with what a role may do, if OOS may take that role."""
    role = find_role(cloud, name)
    statements = read_trust(role["AssumeRolePolicyDocument"])["Statement"]
    if not any(SERVICE in one["Principal"].get("Service", []) for one in statements if one["Effect"] == "Allow"):
        raise ApiError("InvalidRole", f"The role {name} does not let {SERVICE} take it.", 403)
    return str(keys.make(cloud.store, documents_of(cloud, name), f"{name} for OOS", token=True)["id"])


def _between(params: Mapping[str, str], body: records.Body) -> bool:
    for name in ("StartDate", "EndDate"):
        for edge, sign in (("After", 1), ("Before", -1)):
            text = params.get(f"{name}{edge}", "")
            if not text:
                continue
            try:
                limit = parse_stamp(text)
            except ValueError:
                raise invalid(f"{name}{edge}", f"{text!r} is no moment like 2026-01-31T08:00:00Z") from None
            if not body[name] or (parse_stamp(body[name]) - limit).total_seconds() * sign < 0:
                return False
    return True


def _page(params: Mapping[str, str], name: str, rows: list[Any]) -> Reply:
    size, token = number(params, "MaxResults", 50, 1, 100), params.get("NextToken", "") or "0"
    if not token.isdecimal():
        raise invalid("NextToken", f"{token!r} was never given out")
    start = int(token)
    following = str(start + size) if start + size < len(rows) else ""
    return {name: rows[start : start + size], "MaxResults": size, "NextToken": following}
