"""Operations that the node carries out: what was filled in goes there as a file of lines, which garret-node reads.

The command that is run is the same for everybody; the only thing in it is the execution's own id, given by OOS. A line
cannot bring another one along (AllowedPattern), and where it did, garret-node refuses the whole request: every name is
written exactly once here, so a second time shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from garret.service_runtime.request_lines import FIRST_LINE
from garret.templates.oos.parts import (
    INSTANCE,
    Document,
    Task,
    api,
    document,
    found,
    parameter,
    task,
    value,
    wait_for,
    words,
)

ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
FOLDER = "/var/lib/garret/requests"
COMMAND = "garret-node operation follow {{ ACS::ExecutionId }}"
_HERE = {"regionId": "{{ regionId }}", "instanceId": "{{ instanceId }}"}
_SENT, _BROKEN = ("Success",), ("Failed", "PartialFailed", "Aborted", "Invalid", "Error", "Timeout", "Cancelled")


def text(en: str, zh: str, **more: Any) -> dict[str, Any]:
    """A parameter that is one line of text, empty where nothing is said about it."""
    usual = {} if "AllowedValues" in more else {"AllowedPattern": ONE_LINE, "MaxLength": 4096}
    return parameter("String", en, zh, **usual, **more)


def flag(en: str, zh: str) -> dict[str, Any]:
    """A parameter that is true or false."""
    return parameter("Boolean", en, zh, Default=False)


def number(en: str, zh: str, default: float) -> dict[str, Any]:
    """A parameter that is a number."""
    return parameter("Number", en, zh, Default=default)


def operation(
    verb: str,
    description: Mapping[str, str],
    lines: Mapping[str, str],
    parameters: Mapping[str, Any],
    *,
    long: bool = False,
) -> Document:
    """A template for a verb of the node; `lines` are the verb's own names ("force:flag"), each with a parameter's."""
    content = "\n".join([FIRST_LINE, f"verb={verb}", *(f"{name}={{{{ {of} }}}}" for name, of in lines.items()), ""])
    return document(
        description,
        {"instanceId": INSTANCE, **parameters},
        [*_send(content), run(COMMAND, long=long)],
        {"execution": value("{{ run.said }}")},
        groups=[(words("What", "操作"), list(parameters))] if parameters else (),
    )


def run(command: Any, *, long: bool = False, timeout: Any = None, more: Mapping[str, Any] | None = None) -> Task:
    """Run a command on the node; what it says is the output `said`."""
    action = "ACS::ECS::RunCommandForLongTime" if long else "ACS::ECS::RunCommand"
    given = {**_HERE, "commandType": "RunShellScript", "commandContent": command, **(more or {})}
    if timeout is not None:
        given["timeout"] = timeout
    return task(
        "run", action, words("Run it on the node", "在实例上执行"), given, Outputs={"said": found("invocationOutput")}
    )


def _send(content: str) -> Sequence[Task]:
    given = {
        "InstanceIds": ["{{ instanceId }}"],
        "Name": "{{ ACS::ExecutionId }}.txt",
        "TargetDir": FOLDER,
        "FileMode": "0600",
        "Overwrite": True,
        "ContentType": "PlainText",
        "Content": content,
    }
    look = {"InvokeId": "{{ send.invokeId }}"}
    return (
        api("send", "ECS:SendFile", words("Bring the request onto the node", "将请求发送到实例"), given,
            Outputs={"invokeId": found("InvokeId")}),
        wait_for("sent", "ECS:DescribeSendFileResults", words("Wait until it is there", "等待发送完成"), look,
                 "Invocations.Invocation[].InvocationStatus", wanted=_SENT, hopeless=_BROKEN),
    )  # fmt: skip
