"""Reading what became of commands: DescribeInvocations and DescribeInvocationResults."""

from __future__ import annotations

import base64
from typing import Any

from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ecs.assistant import results_of
from garret.local_cloud.params import Reply, flag, page

_FAILED = ("Failed", "Timeout", "Aborted", "Error", "Invalid")


def describe_invocations(call: Call, cloud: Cloud) -> Reply:
    """Invocations with the state of each instance; the output only with IncludeOutput."""
    params = call.params
    filters = {name: params[name] for name in ("InvokeId", "CommandId", "CommandName") if params.get(name)}
    status, instance = params.get("InvokeStatus", ""), params.get("InstanceId", "")
    shown = []
    for body in reversed(cloud.store.find("invocation", call.region, Kind="command", **filters)):
        results = results_of(cloud, body["InvokeId"])
        view = _invocation(call, body, results)
        if status in ("", view["InvokeStatus"]) and (not instance or any(r["InstanceId"] == instance for r in results)):
            shown.append(view)
    some, counts = page(call, shown, high=50)
    return {"Invocations": {"Invocation": some}, "NextToken": "", **counts}


def describe_invocation_results(call: Call, cloud: Cloud) -> Reply:
    """Results by invocation, command, instance or status, newest first."""
    params = call.params
    filters = {name: params[name] for name in ("InvokeId", "InstanceId") if params.get(name)}
    wanted, command = params.get("InvokeRecordStatus", ""), params.get("CommandId", "")
    shown = []
    for result in reversed(cloud.store.find("invocation_result", call.region, Kind="command", **filters)):
        invocation = cloud.store.get("invocation", result["InvokeId"]) or {}
        view = {**_result(call, result), "CommandId": invocation.get("CommandId", ""), "Repeats": 1}
        view |= {"InvokeRecordStatus": record_status([result]), "Username": invocation.get("Username", "")}
        view["FinishedTime"] = result["FinishedTime"]
        if wanted in ("", "All", view["InvokeRecordStatus"]) and command in ("", view["CommandId"]):
            shown.append(view)
    some, counts = page(call, shown, high=50)
    return {"Invocation": {"InvocationResults": {"InvocationResult": some}, "NextToken": "", **counts}}


def record_status(results: list[dict[str, Any]]) -> str:
    """How an invocation stands as a whole, in the words of InvokeStatus."""
    states = [result["InvocationStatus"] for result in results]
    if any(state in ("Pending", "Running") for state in states):
        return "Running"
    if any(state in ("Terminated", "Cancelled") for state in states):
        return "Stopped"
    lost = [result for result in results if result["InvocationStatus"] in _FAILED and not _ended_itself(result)]
    if not lost:
        return "Finished"
    return "Failed" if len(lost) == len(results) else "PartialFailed"


def _ended_itself(result: dict[str, Any]) -> bool:
    # A command that ended with an exit code has finished, whatever the code.
    return bool(result["ErrorCode"] == "ExitCodeNonzero")


def _invocation(call: Call, body: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    content = body["CommandContent"]
    if call.params.get("ContentEncoding") == "PlainText":
        content = base64.b64decode(content).decode("utf-8", "replace")
    instances = []
    for result in results:
        view = _result(call, result)
        if not flag(call.params, "IncludeOutput"):
            view["Output"] = ""
        view |= {"FinishTime": result["FinishedTime"], "CreationTime": result["CreationTime"], "Repeats": 1}
        view["InstanceInvokeStatus"] = record_status([result])
        instances.append(view)
    state = record_status(results)
    return {
        "InvokeId": body["InvokeId"],
        "CommandId": body["CommandId"],
        "CommandName": body["CommandName"],
        "CommandDescription": body["CommandDescription"],
        "CommandContent": content,
        "CommandType": "RunShellScript",
        "CreationTime": body["CreationTime"],
        "InvokeStatus": state,
        "InvocationStatus": "Success" if _all_well(results) else state,
        "RepeatMode": "Once",
        "Timed": False,
        "Timeout": body["Timeout"],
        "Username": body["Username"],
        "WorkingDir": body["WorkingDir"],
        "InvokeInstances": {"InvokeInstance": instances},
    }


def _all_well(results: list[dict[str, Any]]) -> bool:
    return all(result["InvocationStatus"] == "Success" for result in results)


def _result(call: Call, result: dict[str, Any]) -> dict[str, Any]:
    output = result["Output"]
    if call.params.get("ContentEncoding") == "PlainText":
        output = base64.b64decode(output).decode("utf-8", "replace")
    shown = ("InvokeId", "InstanceId", "InvocationStatus", "ExitCode", "Dropped", "ErrorCode", "ErrorInfo",
             "StartTime", "StopTime")  # fmt: skip
    return {**{name: result[name] for name in shown}, "Output": output}
