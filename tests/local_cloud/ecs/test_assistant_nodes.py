"""Cloud Assistant and what may go wrong on the node: no such user, folder or interpreter, a stop in the middle."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud.nodes.driver import DriverError, NotUp, RunResult
from tests.local_cloud.ecs.test_assistant import put, real, result, send
from tests.local_cloud.house import REGION, House, PaperDriver, code_of, until
from tests.local_cloud.machines import running, status

__all__ = ["real"]

NOTHING = "#cloud-config\nruncmd: []\n"
STUBBORN = "trap '' TERM INT; echo $$ > $GARRET_PREFIX/run/stubborn; while :; do sleep 0.1; done"


def outcome(house: House, invoke_id: str) -> tuple[str, str]:
    """Wait for a command and return its status and error code."""
    found = result(house, invoke_id)
    return found["InvocationStatus"], found["ErrorCode"]


def text(found: dict[str, Any]) -> str:
    """Return what a command wrote."""
    return base64.b64decode(found["Output"]).decode()


def test_who_runs_a_command_and_where(house: House, driver: PaperDriver) -> None:
    """Root at home, another user at theirs, or where the call says; a user whom the node has not is told as such."""
    instance = running(house)
    result(house, send(house, instance, "true"))
    result(house, send(house, instance, "true", Username="painter"))
    result(house, send(house, instance, "true", Username="painter", WorkingDir="/srv"))
    assert [tuple(one[3:]) for one in driver.commands] == [("root", ""), ("painter", ""), ("painter", "/srv")]
    invoke_id = send(house, instance, "true", Username="nobody-here")
    assert outcome(house, invoke_id) == ("Invalid", "AccountNotExists")
    assert driver.names[-1] == invoke_id
    listed = house.call("DescribeInvocations", RegionId=REGION, InvokeId=invoke_id)["Invocations"]["Invocation"][0]
    assert listed["InvokeStatus"] == "Failed"


def test_a_process_node_says_what_it_lacks(real: tuple[House, Path]) -> None:
    """A folder that is not there, a user other than root; a script with #! is run as it says, line one first."""
    house, _ = real
    instance = running(house, NOTHING)
    assert outcome(house, send(house, instance, "pwd", WorkingDir="/no/such")) == ("Invalid", "DirectoryNotExists")
    assert outcome(house, send(house, instance, "id", Username="painter")) == ("Invalid", "AccountNotExists")
    script = "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[0].endswith('.sh'), 6 * 7)\nsys.exit(4)\n"
    found = result(house, send(house, instance, script))
    assert (text(found), found["ExitCode"]) == ("True 42\n", 4)
    found = result(house, send(house, instance, "echo one\nno-such-program\n"))
    assert "2: " in text(found)  # the lines are counted as they were sent
    assert (found["ExitCode"], found["ErrorCode"]) == (127, "ExitCodeNonzero")


def test_a_command_that_will_not_end_is_ended(real: tuple[House, Path]) -> None:
    """One that ignores being asked is killed; one that was not there is refused."""
    house, nodes = real
    instance = running(house, NOTHING)
    invoke_id = send(house, instance, STUBBORN, Timeout=600)
    place = nodes / instance / "disk/run/stubborn"
    until(lambda: place.exists() and place.read_text().strip())
    house.call("StopInvocation", RegionId=REGION, InvokeId=invoke_id)
    assert outcome(house, invoke_id) == ("Terminated", "")
    until(lambda: not Path(f"/proc/{place.read_text().strip()}").exists(), 10)
    with pytest.raises(Exception, match=r"InvalidInvokeId\.NotFound"):
        house.call("StopInvocation", RegionId=REGION, InvokeId="t-none")


def test_a_node_that_stops_interrupts_its_commands(real: tuple[House, Path]) -> None:
    """The result says so, whatever the shell ended with, and the instance stops as ever."""
    house, nodes = real
    instance = running(house, NOTHING)
    invoke_id = send(
        house, instance, "mkdir -p $GARRET_PREFIX/run; : > $GARRET_PREFIX/run/begun; sleep 300", Timeout=600
    )
    until((nodes / instance / "disk/run/begun").exists)
    house.call("StopInstance", InstanceId=instance)
    assert outcome(house, invoke_id) == ("Error", "ExecutionInterrupted")
    until(lambda: status(house, instance) == "Stopped", 30)


class Mute(PaperDriver):
    """Nodes that run and whose agent does not answer."""

    def run(
        self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str, *, name: str = ""
    ) -> RunResult:
        """Fail."""
        super().run(instance_id, command, timeout_s, user, directory, name=name)
        raise DriverError("no answer")


def test_a_node_that_does_not_answer_is_told_apart() -> None:
    """It runs on, so nothing was interrupted."""
    with House(Mute()) as house:
        instance = running(house)
        assert outcome(house, send(house, instance, "true")) == ("Aborted", "ClientNotResponse")


class Slow(PaperDriver):
    """Nodes that take commands late, by the number of tries before that."""

    late = 2
    tries = 0

    def run(
        self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str, *, name: str = ""
    ) -> RunResult:
        """Refuse the first ones."""
        done = super().run(instance_id, command, timeout_s, user, directory, name=name)
        if len(self.commands) <= self.late:
            raise NotUp("not yet")
        return done

    def put(self, instance_id: str, path: str, *content: Any, **whose: Any) -> None:
        """Refuse the first ones."""
        self.tries += 1
        if self.tries <= self.late:
            raise NotUp("not yet")
        super().put(instance_id, path, *content, **whose)


def test_a_node_that_comes_up_is_waited_for() -> None:
    """Files and commands are delivered as soon as the node takes them; a command can be stopped before that."""
    driver = Slow()
    with House(driver) as house:
        instance = running(house)
        assert put(house, instance, "a", b"x")["InvocationStatus"] == "Success"
        assert driver.tries == 3
        assert outcome(house, send(house, instance, "true")) == ("Success", "")
        assert len(driver.commands) == 3
        driver.late = 1000
        invoke_id = send(house, instance, "true")
        house.call("StopInvocation", RegionId=REGION, InvokeId=invoke_id)
        assert outcome(house, invoke_id) == ("Terminated", "")
        assert house.cloud.background.join(10)


LONG: list[tuple[dict[str, Any], str]] = [
    ({"Name": "x" * 129}, "CmdName.ExceedLimit"),
    ({"Description": "x" * 513}, "CmdDesc.ExceedLimit"),
    ({"Username": "x" * 256}, "Username.ExceedLimit"),
    ({"WorkingDir": "/" + "x" * 200}, "InvalidParameter"),
    ({"CommandContent": "echo {{a}}", "EnableParameter": True, "Parameters": {"a": "x" * 20_000}},
     "CmdContent.ExceedLimit"),
    ({"Timeout": 86_401}, "InvalidParameter"),
]  # fmt: skip


def test_what_is_too_long_is_refused_before_anything_runs(house: House, driver: PaperDriver) -> None:
    """Names, users, folders, a command with its parameters filled in, and waiting for more than a day."""
    instance = running(house)
    good: dict[str, Any] = {
        "RegionId": REGION, "Type": "RunShellScript", "CommandContent": "echo ü", "InstanceId": [instance],
    }  # fmt: skip
    for wrong, code in LONG:
        with pytest.raises(Exception, match=code.replace(".", r"\.")) as refused:
            house.call("RunCommand", **{**good, **wrong})
        assert code_of(refused.value) == code, wrong
    assert driver.commands == []
    for encoding in ("PlainText", "plaintext", "Base32"):  # whatever is not Base64 is plain text
        house.call("RunCommand", **good, ContentEncoding=encoding)
    until(lambda: len(driver.commands) == 3)
    assert {one[1] for one in driver.commands} == {"echo ü".encode()}


def test_files_belong_to_whom_the_call_says(house: House, driver: PaperDriver) -> None:
    """Owner, group and mode reach the node; who is missing there is named, and nothing is written."""
    instance = running(house)
    sent = put(house, instance, "a", b"x", FileOwner="painter", FileGroup="painter", FileMode="640")
    assert sent["InvocationStatus"] == "Success"
    key = (instance, "/var/lib/garret/incoming/a")
    assert (driver.owners[key], driver.files[key]) == ("painter:painter", (b"x", 0o640))
    put(house, instance, "b", b"x", FileMode="0755", Timeout=3)
    key = (instance, "/var/lib/garret/incoming/b")
    assert (driver.owners[key], driver.files[key][1]) == ("root:root", 0o755)
    for fields, code in (
        ({"FileOwner": "nobody"}, "AccountNotExists"),
        ({"FileGroup": "nobody"}, "UserGroupNotExists"),
    ):
        found = put(house, instance, "c", b"x", **fields)
        assert (found["InvocationStatus"], found["ErrorCode"]) == ("Failed", code)
    assert len(driver.files) == 2
    for wrong, code in (
        ({"FileOwner": "x" * 65}, "InvalidParameter"),
        ({"Description": "x" * 513}, "FileDesc.ExceedLimit"),
        ({"FileMode": "77777"}, "FileMode.Invalid"),
        ({"FileMode": "8"}, "FileMode.Invalid"),
    ):
        with pytest.raises(Exception, match=code.replace(".", r"\.")):
            put(house, instance, "c", b"x", **wrong)


def test_a_process_node_makes_folders_and_leaves_no_scraps(real: tuple[House, Path]) -> None:
    """The folders of the way are made; a file where a folder should be, or the other way, is an error that names it."""
    house, nodes = real
    instance = running(house, NOTHING)
    disk = nodes / instance / "disk"
    assert put(house, instance, "a", b"1", TargetDir="/srv/new/deep")["InvocationStatus"] == "Success"
    assert (disk / "srv/new/deep/a").read_bytes() == b"1"
    for fields in ({"TargetDir": "/srv/new/deep/a"}, {"TargetDir": "/srv/new", "Name": "deep", "Overwrite": True}):
        found = put(house, instance, **{"name": "b", "content": b"2", **_renamed(fields)})
        assert (found["InvocationStatus"], found["ErrorCode"]) == ("Failed", "FileCreateFail")
    assert sorted(path.name for path in (disk / "srv/new").rglob("*")) == ["a", "deep"]
    assert put(house, instance, "c", b"x", FileOwner="painter")["ErrorCode"] == "AccountNotExists"


def _renamed(fields: dict[str, Any]) -> dict[str, Any]:
    return {"name" if key == "Name" else key: value for key, value in fields.items()}
