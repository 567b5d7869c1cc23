"""Getting at a node of the whole house: commands, logs, another password; process nodes, as a person would type it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import house_at
from tests.flows.house import DEPLOY, GARRET, House

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

PASSWORD = "Planted-Password-1"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A deployment on a process node."""
    with house_at(tmp_path_factory.mktemp("access") / "home") as house:
        house.garret(*DEPLOY, GARRET_PASSWORD=PASSWORD)
        yield house


def doors(house: House) -> tuple[list[str], list[str]]:
    """What is open to port 22, as the official SDK sees it, and what is left of keys on this machine."""
    group = house.ask("ecs", "DescribeSecurityGroups")["SecurityGroups"]["SecurityGroup"][0]["SecurityGroupId"]
    rules = house.ask("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group)["Permissions"]["Permission"]
    folder = house.home / "deployments/local/garret/doors"
    return (
        [rule["Description"] for rule in rules if rule["Description"].startswith("garret ops ssh")],
        [str(path) for path in folder.rglob("*")] if folder.is_dir() else [],
    )


def test_a_command_s_output_and_code_are_ours(house: House) -> None:
    """And nothing else is on either stream, so that it can stand in a pipe."""
    done = house.run("ops", "run", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    whole = house.run("ops", "run", "--", "seq", "50000")
    assert whole.stdout == "".join(f"{number}\n" for number in range(1, 50_001))
    late = house.run("ops", "run", "--timeout", "1", "--", "sleep", "30")
    assert (late.returncode, "after 1 s" in late.stderr) == (124, True)
    facts = json.loads(house.run("ops", "run", "--json", "--", "sh", "-c", "echo '$HOME'; exit 3").stdout)
    assert (facts["exit_code"], facts["stdout"]) == (3, "$HOME\n")
    record = house.home / f"deployments/local/garret/executions/{facts['execution']}.json"
    shown = json.loads(record.read_text("utf-8"))
    assert (shown["verb"], shown["status"]) == ("run", "Success")


def test_both_doors_show_the_same_log(house: House) -> None:
    """`garret logs` and `garret ops logs` are one."""
    said = house.garret("ops", "logs", "--bootstrap", "-n", "5")
    assert said == house.garret("logs", "--bootstrap", "-n", "5")
    assert len(said.splitlines()) == 5
    assert house.garret("ops", "logs", "--gpu")


def test_another_password_and_token(house: House) -> None:
    """The old password opens nothing, garret goes on with the new token, and a status shows the login."""
    path = house.home / "deployments/local/garret/login.json"
    before = json.loads(path.read_text("utf-8"))
    facts = house.json("ops", "rotate-password")
    after = json.loads(path.read_text("utf-8"))
    assert facts["in_force"]
    assert (facts["password"], after["password"]) == (after["password"], facts["password"])
    assert after["token"] != before["token"]
    house.garret("generate", "a red circle on a blue background", "-o", str(house.home / "after.png"))
    assert Path(house.home / "after.png").stat().st_size > 100
    records = house.home / "deployments/local/garret/executions"
    assert not [one for one in records.iterdir() if facts["password"].encode() in one.read_bytes()]
    refused = house.run("ops", "rotate-password", GARRET_PASSWORD=after["password"])
    assert (refused.returncode, "it is the one" in refused.stderr) == (2, True)


def test_a_command_by_ssh_has_our_input_and_a_door_that_closes(house: House) -> None:
    """The rule and the key are there while it runs, and nothing of them afterwards."""
    done = subprocess.run(
        [GARRET, "ops", "ssh", "--", "sh -c 'cat; echo err >&2; exit 5'"],
        env=house.environment, input="typed\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (5, "typed\n"), done.stderr
    assert [line for line in done.stderr.splitlines() if line == "err"] == ["err"]
    assert "port 22 is closed again" in done.stderr
    assert doors(house) == ([], [])


def test_a_shell_on_a_terminal(house: House) -> None:
    """Typed as a person types; the shell's own exit code is ours."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [GARRET, "ops", "ssh"], env=house.environment | {"TERM": "dumb"}, stdin=there, stdout=there,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    os.close(there)
    shown = os.read(here, 65_536)  # its prompt: what is typed before that is for nobody
    os.write(here, b"echo hello-$((40+2)); exit 3\n")
    with contextlib.suppress(OSError):  # the terminal is gone with whoever had it
        while piece := os.read(here, 65_536):
            shown += piece
    told = process.communicate(timeout=120)[1].decode()
    os.close(here)
    assert (process.returncode, b"hello-42" in shown) == (3, True), (shown, told)
    assert doors(house) == ([], [])
