"""ALIYUN::ECS::RunCommand: a shell script that Cloud Assistant runs on machines."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import FailedError, ResourceType, Work, given, gone, truth

_FIELDS = ("Type", "CommandContent", "ContentEncoding", "Timeout", "Name", "Description", "WorkingDir", "Username",
           "KeepCommand", "EnableParameter")  # fmt: skip
_UNDER_WAY = ("Pending", "Scheduled", "Running", "Stopping")


class RunCommand(ResourceType):
    """With Sync it is complete once the script has ended well on every machine, else as soon as it was sent."""

    name = "ALIYUN::ECS::RunCommand"
    attributes = ("InvokeId", "CommandId", "InvokeInstances", "InvokeResults")
    carried = frozenset({*_FIELDS, "InstanceIds", "Sync", "Parameters"})
    harmless = frozenset({"Tags", "ResourceGroupId", "RunAgainOn"})
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {"RepeatMode": ("Once",)}
    # What comes after the script was sent changes nothing, the next script is another resource.
    updatable = frozenset({"Sync", "Timeout", "Name", "Description", "KeepCommand", "RunAgainOn"})

    def create(self, work: Work) -> str:
        """Sends the script, and with Sync waits for its end."""
        ids = [str(one) for one in work.properties["InstanceIds"]]
        asked = given(work, *_FIELDS)
        if work.properties.get("Parameters"):
            asked["Parameters"] = json.dumps(work.properties["Parameters"], ensure_ascii=False)
        reply = work.call("Ecs", "RunCommand", ClientToken=work.token, InstanceId=ids, **asked)
        invoke_id = str(reply["InvokeId"])
        work.made(invoke_id)
        if truth(work.properties.get("Sync")):
            self._wait(work, invoke_id)
        return invoke_id

    def _wait(self, work: Work, invoke_id: str) -> None:
        while True:
            results = self._results(work, invoke_id)
            if not any(one["InvocationStatus"] in _UNDER_WAY for one in results):
                break
            work.pause(0.5)
        for one in results:
            if one["InvocationStatus"] != "Success":
                what = f"{one['InvocationStatus']}, exit code {one['ExitCode']}"
                why = f"{one['ErrorCode']}: {one['ErrorInfo']}" if one["ErrorCode"] else one["ErrorInfo"]
                raise FailedError("CommandFailed", f"the command {invoke_id} on {one['InstanceId']}: {what}. {why}")

    def _results(self, work: Work, invoke_id: str) -> list[dict[str, Any]]:
        reply = work.call("Ecs", "DescribeInvocationResults", InvokeId=invoke_id, PageSize=50)
        return list(reply["Invocation"]["InvocationResults"]["InvocationResult"])

    def read(self, work: Work) -> dict[str, Any]:
        """Ids, and how it went on each machine; outputs are in Base64, as Cloud Assistant gives them."""
        reply = work.call("Ecs", "DescribeInvocations", InvokeId=work.physical_id)
        found = reply["Invocations"]["Invocation"]
        one = found[0] if found else {}
        return {
            "InvokeId": work.physical_id,
            "CommandId": one.get("CommandId", ""),
            "InvokeInstances": one.get("InvokeInstances", {}).get("InvokeInstance", []),
            "InvokeResults": self._results(work, work.physical_id),
        }

    def delete(self, work: Work) -> None:
        """Ends the script where it still runs; what it did stays done."""
        try:
            work.call("Ecs", "StopInvocation", InvokeId=work.physical_id)
        except ApiError as problem:
            if not gone(problem):
                raise
