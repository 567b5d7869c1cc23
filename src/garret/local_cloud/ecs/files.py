"""SendFile: small files onto nodes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, invalid
from garret.local_cloud.ecs import assistant
from garret.local_cloud.ids import new_id
from garret.local_cloud.nodes.driver import DriverError, FileThere, NoGroup, NotUp, NoUser
from garret.local_cloud.params import Reply, flag, number, once, page

CONTENT_LIMIT = 32 * 1024  # bytes in Base64
INSTANCES_LIMIT = 50
TEXT_LIMIT, NAME_LIMIT, DESCRIPTION_LIMIT = 255, 64, 512


def send_file(call: Call, cloud: Cloud) -> Reply:
    """Put a file onto instances; the results come later."""
    reply = once(call, cloud, lambda: _send(call, cloud))
    assistant.wait_short(call, cloud, reply["InvokeId"])
    return reply


def describe_send_file_results(call: Call, cloud: Cloud) -> Reply:
    """What became of files, newest first."""
    params = call.params
    filters = {name: params[name] for name in ("InvokeId", "Name") if params.get(name)}
    instance, status = params.get("InstanceId", ""), params.get("InvocationStatus", "")
    shown = []
    for body in reversed(cloud.store.find("invocation", call.region, Kind="file", **filters)):
        results = assistant.results_of(cloud, body["InvokeId"])
        view = _view(body, results)
        if status in ("", view["InvocationStatus"]) and (
            not instance or any(result["InstanceId"] == instance for result in results)
        ):
            shown.append(view)
    some, counts = page(call, shown, high=50)
    return {"Invocations": {"Invocation": some}, "NextToken": "", **counts}


def _send(call: Call, cloud: Cloud) -> Reply:
    params = call.params
    content = _content(params)
    mode = params.get("FileMode", "") or "0644"
    if not re.fullmatch(r"[0-7]{3,4}", mode):
        raise ApiError("FileMode.Invalid", f"FileMode {mode!r} is not of the form 0644.", 403)
    folder, name = params["TargetDir"], params["Name"]
    if not folder.startswith("/") or len(folder) > TEXT_LIMIT or ".." in folder.split("/"):
        raise ApiError("FileTargetDir.Invalid", f"TargetDir {folder!r} is no absolute path of 255 characters.", 403)
    if len(name) > TEXT_LIMIT or "/" in name or name in (".", ".."):
        raise ApiError("FileName.ExceedLimit", f"Name {name!r} is no file name of 255 characters.", 403)
    for field in ("FileOwner", "FileGroup"):
        if len(params.get(field, "")) > NAME_LIMIT:
            raise invalid(field, f"it has more than {NAME_LIMIT} characters")
    if len(params.get("Description", "")) > DESCRIPTION_LIMIT:
        raise ApiError("FileDesc.ExceedLimit", f"Description has more than {DESCRIPTION_LIMIT} characters.", 403)
    number(params, "Timeout", 60, 0, 86400)  # below 10 is 10, and a file is on its node at once here
    instances = assistant.targets(call, cloud, INSTANCES_LIMIT)
    invoke_id = new_id("f")
    body = {
        "InvokeId": invoke_id,
        "Kind": "file",
        "Name": name,
        "TargetDir": folder,
        "Description": params.get("Description", ""),
        "FileMode": mode,
        "FileOwner": params.get("FileOwner", "") or "root",
        "FileGroup": params.get("FileGroup", "") or "root",
        "Overwrite": flag(params, "Overwrite"),
        "ContentType": params.get("ContentType", "PlainText"),
        "CreationTime": cloud.clock.stamp(),
    }
    cloud.store.put("invocation", invoke_id, body, call.region)
    for instance in instances:
        result = assistant.open_result(cloud, invoke_id, "file", instance)
        assistant.start(cloud, result, _putter(cloud, body, result, content))
    return {"InvokeId": invoke_id}


def _content(params: Mapping[str, str]) -> bytes:
    text, kind = params["Content"], params.get("ContentType", "PlainText")
    if kind not in ("PlainText", "Base64"):
        raise ApiError("FileContentType.Invalid", f"ContentType {kind!r} is neither PlainText nor Base64.", 403)
    try:
        content = base64.b64decode(text, validate=True) if kind == "Base64" else text.encode()
    except (binascii.Error, ValueError):
        raise ApiError("FileContent.DecodeError", "Content is not Base64, as ContentType says.", 403) from None
    size = len(base64.b64encode(content))
    if size > CONTENT_LIMIT:
        text = f"The file has {size} bytes in Base64; {CONTENT_LIMIT} is the most."
        raise ApiError("FileSize.ExceedLimit", text, 403)
    return content


def _putter(
    cloud: Cloud, invocation: Mapping[str, Any], result: Mapping[str, Any], content: bytes
) -> Callable[[], None]:
    def work() -> None:
        path = f"{invocation['TargetDir'].rstrip('/')}/{invocation['Name']}"
        about = (result["InstanceId"], path, content, int(invocation["FileMode"], 8) & 0o777, invocation["Overwrite"])
        whose = {"owner": invocation["FileOwner"], "group": invocation["FileGroup"]}
        try:
            assistant.delivered(cloud, result, lambda: cloud.driver.put(*about, **whose))
        except NotUp as error:
            assistant.finish(cloud, result, "Aborted", ErrorCode="DeliveryTimeout", ErrorInfo=str(error))
        except NoUser as error:
            assistant.finish(cloud, result, "Failed", ErrorCode="AccountNotExists", ErrorInfo=str(error))
        except NoGroup as error:
            assistant.finish(cloud, result, "Failed", ErrorCode="UserGroupNotExists", ErrorInfo=str(error))
        except FileThere as error:
            assistant.finish(cloud, result, "Failed", ErrorCode="FileAlreadyExists", ErrorInfo=str(error))
        except (DriverError, OSError) as error:
            assistant.finish(cloud, result, "Failed", ErrorCode="FileCreateFail", ErrorInfo=str(error))
        else:
            assistant.finish(cloud, result, "Success")

    return work


def _view(body: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    states = {result["InvocationStatus"] for result in results}
    whole = states.pop() if len(states) == 1 else "PartialFailed"
    state = "Running" if {*states, whole} & {"Pending", "Running"} else whole
    shown = ("InstanceId", "InvocationStatus", "ErrorCode", "ErrorInfo", "StartTime", "CreationTime")
    instances = [{**{name: result[name] for name in shown}, "FinishTime": result["FinishedTime"]} for result in results]
    return {
        **{name: value for name, value in body.items() if name not in ("Kind", "Overwrite")},
        "Overwrite": str(body["Overwrite"]).lower(),
        "InvocationStatus": state,
        "VmCount": len(results),
        "InvokeInstances": {"InvokeInstance": instances},
    }
