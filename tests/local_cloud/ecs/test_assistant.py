"""Cloud Assistant through the typed SDK: commands and files on nodes, and what the vendor refuses."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud.nodes.driver import RunResult
from garret.local_cloud.nodes.process import ProcessDriver
from tests.local_cloud.house import REGION, House, PaperDriver, code_of, until
from tests.local_cloud.machines import running, status

DONE = ("Success", "Failed", "Timeout", "Terminated", "Aborted", "Error", "Invalid", "Cancelled")


def encoded(content: bytes) -> str:
    """Return Base64 as text."""
    return base64.b64encode(content).decode()


def send(house: House, instance: str, command: str, **fields: Any) -> str:
    """Send a command and return the id of its invocation."""
    reply = house.call(
        "RunCommand", RegionId=REGION, Type="RunShellScript", CommandContent=encoded(command.encode()),
        ContentEncoding="Base64", InstanceId=[instance], **fields,
    )  # fmt: skip
    return str(reply["InvokeId"])


def result(house: House, invoke_id: str, **fields: Any) -> dict[str, Any]:
    """Wait for a command's result and return it."""
    found: dict[str, Any] = {}

    def ended() -> bool:
        reply = house.call("DescribeInvocationResults", RegionId=REGION, InvokeId=invoke_id, **fields)
        found.update(reply["Invocation"]["InvocationResults"]["InvocationResult"][0])
        return found["InvocationStatus"] in DONE

    until(ended, 30)
    return found


def put(house: House, instance: str, name: str, content: bytes, **fields: Any) -> dict[str, Any]:
    """Send a file and return what became of it on the node."""
    fields = {"TargetDir": "/var/lib/garret/incoming", "FileMode": "0600", **fields}
    sent = house.call(
        "SendFile", RegionId=REGION, InstanceId=[instance], Name=name, Content=encoded(content), ContentType="Base64",
        **fields,
    )  # fmt: skip
    found: dict[str, Any] = {}

    def ended() -> bool:
        reply = house.call("DescribeSendFileResults", RegionId=REGION, InvokeId=sent["InvokeId"])
        found.update(reply["Invocations"]["Invocation"][0]["InvokeInstances"]["InvokeInstance"][0])
        return found["InvocationStatus"] in DONE

    until(ended)
    return found


@pytest.fixture
def real(tmp_path: Path) -> Iterator[tuple[House, Path]]:
    """A local cloud whose nodes are processes, and the folder of their disks."""
    driver = ProcessDriver(tmp_path / "nodes")
    with House(driver) as house:
        yield house, tmp_path / "nodes"
    for folder in (tmp_path / "nodes").glob("*"):
        driver.destroy(folder.name)


def test_commands_on_a_real_node(real: tuple[House, Path]) -> None:
    """Exit code, both outputs, a timeout that leaves no child, the limit of the output, and an early end."""
    house, nodes = real
    instance = running(house, "#cloud-config\nruncmd: []\n")
    good = result(house, send(house, instance, 'echo "$GARRET_PREFIX"; echo oops >&2'))
    assert (good["InvocationStatus"], good["ExitCode"], good["ErrorCode"]) == ("Success", 0, "")
    assert base64.b64decode(good["Output"]).decode() == f"{nodes / instance / 'disk'}\noops\n"
    bad = result(house, send(house, instance, "exit 3"))
    assert (bad["InvocationStatus"], bad["ExitCode"], bad["ErrorCode"]) == ("Failed", 3, "ExitCodeNonzero")
    long = result(
        house, send(house, instance, "head -c 30000 /dev/zero | tr '\\0' x; echo end"), ContentEncoding="PlainText"
    )
    assert (len(long["Output"]), long["Dropped"]) == (24 * 1024, 30_004 - 24 * 1024)
    assert long["Output"].endswith("end\n")
    invoke_id = send(house, instance, "sleep 300 & echo started; wait", Timeout=60)
    house.call("StopInvocation", RegionId=REGION, InvokeId=invoke_id)
    assert result(house, invoke_id)["InvocationStatus"] == "Terminated"
    until(lambda: b"sleep" not in base64.b64decode(result(house, send(house, instance, SLEEPERS))["Output"]))
    user = result(house, send(house, instance, "pwd", WorkingDir="/var/log"))
    assert base64.b64decode(user["Output"]).decode().strip() == str(nodes / instance / "disk/var/log")


# The node's processes are those of its init's session tree; `ps` sees the whole machine, so look at our parent's only.
SLEEPERS = 'ps -A -o pid=,args= | while read -r pid args; do case "$args" in "sleep 300") tr "\\0" "\\n" < /proc/$pid/environ | grep -q "^GARRET_PREFIX=$GARRET_PREFIX$" && echo "$args";; esac; done; true'  # noqa: E501


def test_files_on_a_real_node(real: tuple[House, Path]) -> None:
    """A file arrives whole with its mode, is refused when there already, replaced when asked, and stays on the disk."""
    house, nodes = real
    instance = running(house, "#cloud-config\nruncmd: []\n")
    chunk = bytes(range(256)) * 93
    assert put(house, instance, "chunk.000", chunk)["InvocationStatus"] == "Success"
    place = nodes / instance / "disk/var/lib/garret/incoming/chunk.000"
    assert place.read_bytes() == chunk
    assert place.stat().st_mode & 0o777 == 0o600
    again = put(house, instance, "chunk.000", b"other")
    assert (again["InvocationStatus"], again["ErrorCode"]) == ("Failed", "FileAlreadyExists")
    assert place.read_bytes() == chunk
    assert put(house, instance, "chunk.000", b"other", Overwrite=True)["InvocationStatus"] == "Success"
    assert place.read_bytes() == b"other"
    house.call("StopInstance", InstanceId=instance, StoppedMode="StopCharging")
    until(lambda: status(house, instance) == "Stopped")
    house.call("StartInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Running")
    assert place.read_bytes() == b"other"


def test_a_timeout_is_a_timeout(house: House, driver: PaperDriver) -> None:
    """A command that ran too long has the status and code of it; the default is a minute."""
    instance = running(house)
    driver.result = RunResult(-1, b"half", timed_out=True)
    late = result(house, send(house, instance, "sleep 100"))
    assert (late["InvocationStatus"], late["ErrorCode"]) == ("Timeout", "ExecutionTimeout")
    assert base64.b64decode(late["Output"]) == b"half"
    assert driver.commands[-1][2] == 60
    send(house, instance, "true", Timeout=3600)
    until(lambda: driver.commands[-1][2] == 3600)


def test_the_same_token_runs_a_command_once(house: House, driver: PaperDriver) -> None:
    """A command sent again with its ClientToken is the same invocation and runs once."""
    instance = running(house)
    ids = {send(house, instance, "date", ClientToken="c-1") for _ in range(3)}
    assert len(ids) == 1
    result(house, ids.pop())
    assert len(driver.commands) == 1


WRONG_COMMANDS: list[tuple[dict[str, Any], str]] = [
    ({"CommandContent": encoded(b"x" * 18433)}, "CmdContent.ExceedLimit"),
    ({"CommandContent": "not base64!"}, "InvalidParameter"),
    ({"Type": "RunBatScript"}, "InvalidCmdType.NotFound"),
    ({"Timeout": 5}, "InvalidParameter"),
    ({"InstanceId": ["i-none"]}, "InvalidInstance.NotFound"),
    ({"InstanceId": []}, "MissingParameter"),
    ({"CommandContent": ""}, "MissingParameter"),
]


def test_wrong_commands_are_refused(house: House, driver: PaperDriver) -> None:
    """Size, encoding, type, time and target are checked before anything runs."""
    instance = running(house)
    good = {
        "RegionId": REGION, "Type": "RunShellScript", "CommandContent": encoded(b"true"), "ContentEncoding": "Base64",
        "InstanceId": [instance],
    }  # fmt: skip
    for wrong, code in WRONG_COMMANDS:
        with pytest.raises(Exception, match=code.replace(".", r"\.")) as refused:
            house.call("RunCommand", **{**good, **wrong})
        assert code_of(refused.value) == code, wrong
    assert driver.commands == []


WRONG_FILES: list[tuple[dict[str, Any], str]] = [
    ({"Content": encoded(b"x" * 24_700)}, "FileSize.ExceedLimit"),
    ({"Content": "not base64!"}, "FileContent.DecodeError"),
    ({"TargetDir": "relative"}, "FileTargetDir.Invalid"),
    ({"TargetDir": "/a/../../etc"}, "FileTargetDir.Invalid"),
    ({"Name": "../evil"}, "FileName.ExceedLimit"),
    ({"FileMode": "rwx"}, "FileMode.Invalid"),
]


def test_wrong_files_are_refused(house: House, driver: PaperDriver) -> None:
    """Size, encoding, folder, name and mode are checked; 24,000 bytes fit."""
    instance = running(house)
    good = {
        "RegionId": REGION, "Name": "a", "TargetDir": "/tmp", "Content": encoded(b"x" * 24_000),
        "ContentType": "Base64", "InstanceId": [instance],
    }  # fmt: skip
    for wrong, code in WRONG_FILES:
        with pytest.raises(Exception, match=code.replace(".", r"\.")) as refused:
            house.call("SendFile", **{**good, **wrong})
        assert code_of(refused.value) == code, wrong
    assert driver.files == {}
    house.call("SendFile", **good)
    until(lambda: (instance, "/tmp/a") in driver.files)
    assert driver.files[instance, "/tmp/a"] == (b"x" * 24_000, 0o644)


def test_a_stopped_node_takes_nothing(house: House) -> None:
    """The assistant of a stopped instance does not answer, and commands and files are refused."""
    instance = running(house)

    def answers() -> str:
        reply = house.call("DescribeCloudAssistantStatus", RegionId=REGION, InstanceId=[instance])
        found = reply["InstanceCloudAssistantStatusSet"]["InstanceCloudAssistantStatus"]
        return str(found[0]["CloudAssistantStatus"])

    assert answers() == "true"
    house.call("StopInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Stopped")
    assert answers() == "false"
    with pytest.raises(Exception, match=r"InvalidInstance\.NotMatch"):
        send(house, instance, "true")
    with pytest.raises(Exception, match=r"InvalidInstance\.NotMatch"):
        put(house, instance, "a", b"x")


def test_invocations_are_listed_newest_first(house: House) -> None:
    """The list shows each command with its state, its content, and its output only when asked."""
    instance = running(house)
    first, second = send(house, instance, "echo 1"), send(house, instance, "echo 2")
    for invoke_id in (first, second):
        result(house, invoke_id)
    listed = house.call("DescribeInvocations", RegionId=REGION, InstanceId=instance)["Invocations"]["Invocation"]
    assert [entry["InvokeId"] for entry in listed] == [second, first]
    assert {entry["InvocationStatus"] for entry in listed} == {"Success"}
    assert base64.b64decode(listed[0]["CommandContent"]) == b"echo 2"
    assert listed[0]["InvokeInstances"]["InvokeInstance"][0]["Output"] == ""
    full = house.call("DescribeInvocations", RegionId=REGION, InvokeId=first, IncludeOutput=True)
    entry = full["Invocations"]["Invocation"][0]["InvokeInstances"]["InvokeInstance"][0]
    assert base64.b64decode(entry["Output"]) == b"done\n"


def test_custom_parameters_are_filled_in(house: House, driver: PaperDriver) -> None:
    """A name in double braces becomes its value; what is missing, too much or not enabled has the vendor's code."""
    instance = running(house)
    send(house, instance, "echo {{ Who }} {{n}}", EnableParameter=True, Parameters={"who": "you", "N": 3})
    assert driver.commands[-1][1].endswith(b"echo you 3")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"Parameters": {"who": "you"}}, r"Parameter\.Disabled"),
        ({"EnableParameter": True, "Parameters": {"other": "x"}}, r"Parameter\.NotMatched"),
        ({"EnableParameter": True, "Parameters": {f"p{n}": "x" for n in range(21)}}, r"ParameterCount\.ExceedLimit"),
        ({"EnableParameter": True, "Parameters": {"x" * 65: "x"}}, r"ParameterKey\.ExceedLimit"),
    ]
    for fields, code in wrong:
        with pytest.raises(Exception, match=code):
            send(house, instance, "echo {{ who }}", **fields)
