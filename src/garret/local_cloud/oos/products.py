"""The actions of a product that are more than one call: what each takes, the tasks it is made of, what it gives back.

The order is the vendor's: look first, ask only where there is something to do, then wait for what was asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

REGION = "{{ ACS::RegionId }}"
_LONG = {"Retries": 300, "MaxRetryInterval": 300}


@dataclass(frozen=True)
class ProductAction:
    """One action: its properties with their defaults (REQUIRED where there is none), tasks and outputs."""

    parameters: dict[str, Any]
    tasks: list[dict[str, Any]]
    outputs: dict[str, Any] = field(default_factory=dict)


REQUIRED = object()
_ONE = {"regionId": REGION, "instanceId": REQUIRED}


def _api(name: str, api: str, given: dict[str, Any], outputs: dict[str, str] | None = None) -> dict[str, Any]:
    chosen = {key: {"Type": "String", "ValueSelector": where} for key, where in (outputs or {}).items()}
    properties = {"Service": "ECS", "API": api, "Parameters": {"RegionId": "{{ regionId }}", **given}}
    return {"Name": name, "Action": "ACS::ExecuteAPI", "Properties": properties, "Outputs": chosen}


def _look() -> dict[str, Any]:
    where = {"status": "Instances.Instance[].Status"}
    return _api("look", "DescribeInstances", {"InstanceIds": ["{{ instanceId }}"]}, where)


def _choose(status: str, then: str, otherwise: str) -> dict[str, Any]:
    choices = [{"When": {"Fn::Equals": [status, "{{ look.status }}"]}, "NextTask": then}]
    properties = {"Choices": choices, "DefaultTask": otherwise}
    return {"Name": f"whether{status}", "Action": "ACS::Choice", "Properties": properties}


def _until(status: str) -> dict[str, Any]:
    return {
        "Name": "untilReady",
        "Action": "ACS::WaitFor",
        "Properties": {
            "Service": "ECS",
            "API": "DescribeInstances",
            "Parameters": {"RegionId": "{{ regionId }}", "InstanceIds": ["{{ instanceId }}"]},
            "PropertySelector": "Instances.Instance[].Status",
            "DesiredValues": [status],
        },
    }


def _power(ready: str, moving: str, ask: dict[str, Any]) -> list[dict[str, Any]]:
    choices = [_choose(ready, "ACS::END", f"whether{moving}"), _choose(moving, "untilReady", ask["Name"])]
    return [_look(), *choices, ask, _until(ready)]


_STOP = {"InstanceId": "{{ instanceId }}", "StoppedMode": "{{ stoppedMode }}", "ForceStop": "{{ forceStop }}"}
_COMMAND = {
    **_ONE, "commandType": REQUIRED, "commandContent": REQUIRED, "workingDir": "", "enableParameter": False,
    "parameters": {}, "username": "", "windowsPasswordName": "",
}  # fmt: skip
_RUN = [
    _api(
        "run",
        "RunCommand",
        {
            "InstanceIds": ["{{ instanceId }}"],
            "Type": "{{ commandType }}",
            "CommandContent": "{{ commandContent }}",
            "Name": "{{ ACS::ExecutionId }}",
            "WorkingDir": "{{ workingDir }}",
            "Timeout": "{{ timeout }}",
            "EnableParameter": "{{ enableParameter }}",
            "Parameters": "{{ parameters }}",
            "Username": "{{ username }}",
        },
        {"invokeId": "InvokeId"},
    ),
    {
        "Name": "untilEnded",
        "Action": "ACS::WaitFor",
        **_LONG,
        "Properties": {
            "Service": "ECS",
            "API": "DescribeInvocations",
            "Parameters": {"RegionId": "{{ regionId }}", "InvokeId": "{{ run.invokeId }}"},
            "PropertySelector": "Invocations.Invocation[].InvokeStatus",
            "DesiredValues": ["Finished"],
            "StopRetryValues": ["Failed", "Stopped"],
        },
    },
    _api(
        "read",
        "DescribeInvocationResults",
        {"InvokeId": "{{ run.invokeId }}"},
        {"output": "Invocation.InvocationResults.InvocationResult[].Output"},
    ),
    {
        "Name": "exitCode",
        "Action": "ACS::CheckFor",
        "Properties": {
            "Service": "ECS",
            "API": "DescribeInvocationResults",
            "Parameters": {"RegionId": "{{ regionId }}", "InvokeId": "{{ run.invokeId }}"},
            "PropertySelector": "Invocation.InvocationResults.InvocationResult[].ExitCode",
            "DesiredValues": [0],
        },
    },
]
_SAID = {"invocationOutput": {"Type": "String", "Value": {"Fn::Base64Decode": "{{ read.output }}"}}}

PRODUCT_ACTIONS: dict[str, ProductAction] = {
    "ACS::ECS::StartInstance": ProductAction(
        dict(_ONE), _power("Running", "Starting", _api("start", "StartInstance", {"InstanceId": "{{ instanceId }}"}))
    ),
    "ACS::ECS::StopInstance": ProductAction(
        {**_ONE, "stoppedMode": "", "hibernate": False, "forceStop": False},
        _power("Stopped", "Stopping", _api("stop", "StopInstance", _STOP)),
    ),
    "ACS::ECS::RebootInstance": ProductAction(
        {**_ONE, "forceStop": False},
        [
            _api("reboot", "RebootInstance", {"InstanceId": "{{ instanceId }}", "ForceStop": "{{ forceStop }}"}),
            _until("Running"),
        ],
    ),
    "ACS::ECS::ModifyInstanceSpec": ProductAction(
        {**_ONE, "instanceType": REQUIRED},
        [
            {"Name": "stop", "Action": "ACS::ECS::StopInstance",
             "Properties": {"regionId": "{{ regionId }}", "instanceId": "{{ instanceId }}"}},
            _api("modify", "ModifyInstanceSpec",
                 {"InstanceId": "{{ instanceId }}", "InstanceType": "{{ instanceType }}"}) | {"OnError": "start"},
            {"Name": "settle", "Action": "ACS::Sleep", "Properties": {"Duration": "PT10S"}},
            {"Name": "start", "Action": "ACS::ECS::StartInstance",
             "Properties": {"regionId": "{{ regionId }}", "instanceId": "{{ instanceId }}"}},
        ],
    ),
    "ACS::ECS::RunCommand": ProductAction({**_COMMAND, "timeout": 600}, _RUN, _SAID),
    "ACS::ECS::RunCommandForLongTime": ProductAction({**_COMMAND, "timeout": 86_400}, _RUN, _SAID),
}  # fmt: skip
