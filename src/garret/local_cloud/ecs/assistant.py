"""Cloud Assistant: commands on nodes and their results.

An invocation is one call of RunCommand or SendFile; each of its instances has a result of its own in the store, filled
in by a thread. Codes and limits are the vendor's.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from garret.local_cloud.core import ApiError, Call, Cloud, invalid
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.ecs.command_parameters import filled
from garret.local_cloud.ids import new_id
from garret.local_cloud.nodes.driver import DriverError, NoFolder, NotUp, NoUser, RunResult
from garret.local_cloud.params import Reply, flag, number, numbered, once, page

COMMAND_LIMIT = 24 * 1024  # bytes of a command in Base64
OUTPUT_LIMIT = 24 * 1024  # bytes of output that are kept: the last ones
SHORT_WAIT_S = 0.2
T = TypeVar("T")

DELIVERY_S = 60.0  # a node that comes up has this long to take a command
ENDINGS = 30  # tries to end a command, a second apart
INTERRUPTED = "ExecutionInterrupted"
_LINUX = "RunShellScript"
_OTHERS = ("RunBatScript", "RunPowerShellScript")
_UNFINISHED = ("Pending", "Running")
_LONGEST = {
    "Name": (128, "CmdName.ExceedLimit"),
    "Description": (512, "CmdDesc.ExceedLimit"),
    "Username": (255, "Username.ExceedLimit"),
    "WorkingDir": (200, "InvalidParameter"),
}


def describe_cloud_assistant_status(call: Call, cloud: Cloud) -> Reply:
    """Whether instances take commands: those that run do."""
    ids = numbered(call.params, "InstanceId")
    found = [body for body in lifecycle.observed(cloud, call.region) if not ids or body["InstanceId"] in ids]
    some, counts = page(call, found, high=50)
    shown = [
        {
            "InstanceId": body["InstanceId"],
            "CloudAssistantStatus": "true" if body["Status"] == lifecycle.RUNNING else "false",
            "CloudAssistantVersion": "2.2.3.857",
            "OSType": "Linux",
            "InvocationCount": len(cloud.store.find("invocation_result", InstanceId=body["InstanceId"])),
            "SupportSessionManager": False,
        }
        for body in some
    ]
    return {"InstanceCloudAssistantStatusSet": {"InstanceCloudAssistantStatus": shown}, "NextToken": "", **counts}


def run_command(call: Call, cloud: Cloud) -> Reply:
    """Run a shell script on instances; the results come later."""
    reply = once(call, cloud, lambda: _run(call, cloud))
    wait_short(call, cloud, reply["InvokeId"])
    return reply


def stop_invocation(call: Call, cloud: Cloud) -> Reply:
    """End a command that still runs, with all it started in its session."""
    invoke_id, ids = call.params["InvokeId"], numbered(call.params, "InstanceId")
    if cloud.store.get("invocation", invoke_id) is None:
        raise ApiError("InvalidInvokeId.NotFound", f"The invocation {invoke_id!r} does not exist.", 404)
    for result in results_of(cloud, invoke_id):
        if result["InvocationStatus"] not in _UNFINISHED or (ids and result["InstanceId"] not in ids):
            continue
        status = "Cancelled" if result["InvocationStatus"] == "Pending" else "Terminated"
        finish(cloud, result, status, StopTime=cloud.clock.stamp())
        cloud.background.start(f"end {result['Id']}", partial(_end, cloud, result))
    return {}


def recover(cloud: Cloud) -> None:
    """After an end that nobody planned: commands that ran have lost their output, those that did not are run."""
    for result in cloud.store.find("invocation_result"):
        if result["InvocationStatus"] == "Running":
            info = "the local cloud was restarted while the command ran"
            finish(cloud, result, "Error", ErrorCode=INTERRUPTED, ErrorInfo=info)
        elif result["InvocationStatus"] == "Pending" and result["Kind"] == "command":
            invocation = cloud.store.get("invocation", result["InvokeId"])
            if invocation is not None:
                start(cloud, result, _runner(cloud, invocation, result))
        elif result["InvocationStatus"] == "Pending":
            info = "the local cloud was restarted before the file was sent"
            finish(cloud, result, "Aborted", ErrorCode="DeliveryTimeout", ErrorInfo=info)


def targets(call: Call, cloud: Cloud, limit: int) -> list[dict[str, Any]]:
    """The instances of a call: there, running, at most `limit`."""
    ids = numbered(call.params, "InstanceId")
    if len(ids) > limit:
        raise ApiError("InstanceIds.ExceedLimit", f"At most {limit} instances in one call.", 403)
    bodies = []
    for id in ids:
        body = cloud.store.get("instance", id)
        if body is None or body["Goal"] == lifecycle.DELETED or body["RegionId"] != call.region:
            raise ApiError("InvalidInstance.NotFound", f"The instance {id!r} does not exist in {call.region}.", 404)
        body = lifecycle.noticed(cloud, body)
        if body["Status"] != lifecycle.RUNNING:
            raise ApiError("InvalidInstance.NotMatch", f"The instance {id} is {body['Status']}, not Running.")
        bodies.append(body)
    return bodies


def open_result(cloud: Cloud, invoke_id: str, kind: str, instance: Mapping[str, Any]) -> dict[str, Any]:
    """A fresh result, Pending, in the store."""
    result = {
        "Id": f"{invoke_id}/{instance['InstanceId']}",
        "Kind": kind,
        "InvokeId": invoke_id,
        "InstanceId": instance["InstanceId"],
        "InvocationStatus": "Pending",
        "CreationTime": cloud.clock.stamp(),
        "StartTime": "",
        "FinishedTime": "",
        "StopTime": "",
        "ExitCode": 0,
        "Output": "",
        "Dropped": 0,
        "ErrorCode": "",
        "ErrorInfo": "",
    }
    cloud.store.put("invocation_result", str(result["Id"]), result, instance["RegionId"])
    return result


def start(cloud: Cloud, result: Mapping[str, Any], work: Callable[[], None]) -> None:
    """Fill in a result on a thread."""
    cloud.background.start(_thread(result["InvokeId"], result["InstanceId"]), work)


def finish(cloud: Cloud, result: Mapping[str, Any], status: str, **fields: object) -> None:
    """Close a result; one that was closed meanwhile (terminated) stays as it is."""
    with cloud.store.transaction():
        known = cloud.store.get("invocation_result", result["Id"])
        if known is None or known["InvocationStatus"] not in _UNFINISHED:
            return
        changes = {"InvocationStatus": status, "FinishedTime": cloud.clock.stamp(), **fields}
        cloud.store.update("invocation_result", result["Id"], **changes)


def results_of(cloud: Cloud, invoke_id: str) -> list[dict[str, Any]]:
    """The results of one invocation."""
    return cloud.store.find("invocation_result", InvokeId=invoke_id)


def wait_short(call: Call, cloud: Cloud, invoke_id: str) -> None:
    """Wait a moment: most results come at once, and this spares the caller a round of polling."""
    deadline = time.monotonic() + SHORT_WAIT_S
    for id in numbered(call.params, "InstanceId"):
        cloud.background.join(deadline - time.monotonic(), _thread(invoke_id, id))


def _run(call: Call, cloud: Cloud) -> Reply:
    params = call.params
    kind = params["Type"]
    if kind != _LINUX:
        why = "the local cloud's nodes run Linux" if kind in _OTHERS else "there is no such type"
        raise ApiError("InvalidCmdType.NotFound", f"Type {kind!r}: {why}.", 403)
    if params.get("RepeatMode", "Once") != "Once" or flag(params, "Timed"):
        raise ApiError("InvalidParameter.NotSupported", "RepeatMode: the local cloud runs a command once, at once.")
    for name, (most, code) in _LONGEST.items():
        if len(params.get(name, "")) > most:
            raise ApiError(code, f"{name} has {len(params[name])} characters; {most} are the most.", 403)
    invoke_id, command_id, content = new_id("t"), new_id("c"), _content(params)
    to_run = filled(content, params)
    _check_size(to_run)
    body = {
        "InvokeId": invoke_id,
        "CommandId": command_id,
        "Kind": "command",
        "CommandName": params.get("Name", ""),
        "CommandDescription": params.get("Description", ""),
        "CommandContent": content,
        "ToRun": to_run,
        "Timeout": number(params, "Timeout", 60, 10, 86400),
        "Username": params.get("Username", ""),
        "WorkingDir": params.get("WorkingDir", ""),
        "CreationTime": cloud.clock.stamp(),
    }
    instances = targets(call, cloud, limit=100)
    cloud.store.put("invocation", invoke_id, body, call.region)
    for instance in instances:
        result = open_result(cloud, invoke_id, "command", instance)
        start(cloud, result, _runner(cloud, body, result))
    return {"CommandId": command_id, "InvokeId": invoke_id}


def _content(params: Mapping[str, str]) -> str:
    """The command in Base64, whichever way it came; any encoding but Base64 is taken for plain text."""
    text, encoding = params["CommandContent"], params.get("ContentEncoding", "").lower()
    content = text if encoding == "base64" else base64.b64encode(text.encode()).decode("ascii")
    try:
        base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("CommandContent", "it is not Base64, as ContentEncoding says") from None
    _check_size(content)
    return content


def _check_size(content: str) -> None:
    if len(content) > COMMAND_LIMIT:
        text = f"The command has {len(content)} bytes in Base64; {COMMAND_LIMIT} is the most."
        raise ApiError("CmdContent.ExceedLimit", text, 403)


def _runner(cloud: Cloud, invocation: Mapping[str, Any], result: Mapping[str, Any]) -> Callable[[], None]:
    def work() -> None:
        if not _mark_running(cloud, result):
            return  # cancelled before it began
        command = base64.b64decode(invocation.get("ToRun") or invocation["CommandContent"])
        user, folder = invocation["Username"] or "root", invocation["WorkingDir"]
        about = (result["InstanceId"], command, invocation["Timeout"], user, folder)
        try:
            done = delivered(cloud, result, lambda: cloud.driver.run(*about, name=invocation["InvokeId"]))
        except NoUser as error:
            finish(cloud, result, "Invalid", ErrorCode="AccountNotExists", ErrorInfo=str(error))
        except NoFolder as error:
            finish(cloud, result, "Invalid", ErrorCode="DirectoryNotExists", ErrorInfo=str(error))
        except NotUp as error:
            finish(cloud, result, "Aborted", ErrorCode="DeliveryTimeout", ErrorInfo=str(error))
        except DriverError as error:
            if _stays_up(cloud, result["InstanceId"]):
                finish(cloud, result, "Aborted", ErrorCode="ClientNotResponse", ErrorInfo=str(error))
            else:
                finish(cloud, result, "Error", ErrorCode=INTERRUPTED, ErrorInfo=f"the node stopped: {error}")
        else:
            _close(cloud, invocation, result, done)

    return work


def delivered(cloud: Cloud, result: Mapping[str, Any], work: Callable[[], T]) -> T:
    """Try again while the node is only coming up, for a minute; the vendor gives up after that, too."""
    deadline = time.monotonic() + DELIVERY_S
    while True:
        try:
            return work()
        except NotUp:
            known = cloud.store.get("invocation_result", result["Id"])
            if time.monotonic() > deadline or known is None or known["InvocationStatus"] not in _UNFINISHED:
                raise
        if cloud.background.wait(0.2):
            raise NotUp("the local cloud goes down")


def _close(cloud: Cloud, invocation: Mapping[str, Any], result: Mapping[str, Any], done: RunResult) -> None:
    kept = done.output[-OUTPUT_LIMIT:]
    fields: dict[str, object] = {
        "ExitCode": done.exit_code,
        "Output": base64.b64encode(kept).decode("ascii"),
        "Dropped": done.dropped + len(done.output) - len(kept),
    }
    if done.timed_out:
        info = f"the command ran longer than {invocation['Timeout']} s"
        finish(cloud, result, "Timeout", **fields, ErrorCode="ExecutionTimeout", ErrorInfo=info)
    elif done.exit_code == 0:
        finish(cloud, result, "Success", **fields)
    elif _stays_up(cloud, result["InstanceId"]):
        info = f"the command ended with exit code {done.exit_code}"
        finish(cloud, result, "Failed", **fields, ErrorCode="ExitCodeNonzero", ErrorInfo=info)
    else:  # ended with everything else on the node, whatever its exit code says
        finish(cloud, result, "Error", **fields, ErrorCode=INTERRUPTED, ErrorInfo="the node stopped meanwhile")


def _stays_up(cloud: Cloud, instance_id: str) -> bool:
    body = cloud.store.get("instance", instance_id)
    return body is not None and body["Goal"] == lifecycle.RUNNING and cloud.driver.alive(instance_id)


def _mark_running(cloud: Cloud, result: Mapping[str, Any]) -> bool:
    with cloud.store.transaction():
        known = cloud.store.get("invocation_result", result["Id"])
        if known is None or known["InvocationStatus"] != "Pending":
            return False
        changes = {"InvocationStatus": "Running", "StartTime": cloud.clock.stamp()}
        cloud.store.update("invocation_result", result["Id"], **changes)
        return True


def _end(cloud: Cloud, result: Mapping[str, Any]) -> None:
    """End a command until it has ended: the first time it may only be about to begin."""
    for _ in range(ENDINGS):
        with suppress(DriverError):  # a node that is gone has no command left to end
            cloud.driver.end(result["InstanceId"], result["InvokeId"])
        if cloud.background.join(1.0, _thread(result["InvokeId"], result["InstanceId"])) or cloud.background.stopping:
            return


def _thread(invoke_id: str, instance_id: str) -> str:
    return f"invocation {invoke_id} {instance_id}"
