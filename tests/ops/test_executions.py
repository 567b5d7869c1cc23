"""What a node is asked for reaches it as data, and goes on without us."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import Interrupted, NodeFailed, UsageError
from garret.ops.executions import Node
from garret.ops.records import CommandResult
from tests.ops.fake import FakeClock, Listener, World, cloud_of, deployment_in
from tests.ops.test_status import deployed

ID = "0123456789abcdef0123456789abcdef"


def execution(status: str, **more: Any) -> dict[str, Any]:
    """An execution as the node prints it."""
    return {"id": ID, "verb": "download-model", "status": status, "progress": {"done": 5, "total": 10}} | more


def says(value: object, code: int = 0) -> CommandResult:
    """A node's answer."""
    return CommandResult("Success" if code == 0 else "Failed", code, json.dumps(value))


@pytest.fixture
def node(world: World, tmp_path: Path) -> Node:
    """The node of a running deployment."""
    deployed(world, tmp_path)
    world.commands.clear()
    return Node.of(cloud_of(world), deployment_in(tmp_path))


def test_a_request_goes_as_a_file(node: Node, world: World) -> None:
    """What the person typed is in a JSON file; the command is constant but for an id of ours."""
    world.answers["garret-node operation start "] = says(execution("Started"))
    nasty = "x'; rm -rf / #"
    assert node.begin("download-model", {"name": nasty})["status"] == "Started"
    [(path, content)] = [(path, data) for path, data in world.files.items() if "/requests/" in path]
    assert json.loads(content)["parameters"] == {"name": nasty}
    assert world.commands == [f"garret-node operation start {Path(path).stem}"]
    assert len(Path(path).stem) == 32


@pytest.mark.parametrize("identifier", ["", "$(reboot)", ID + " ; reboot", ID.upper(), "../" + ID])
def test_an_id_is_an_id(node: Node, world: World, identifier: str) -> None:
    """Whatever is not an execution's id never becomes part of a command."""
    with pytest.raises(UsageError, match="not the id"):
        node.show(identifier)
    assert world.commands == []


def test_following_ends_with_the_execution(node: Node, world: World) -> None:
    """The look on ends when the node says so, and tells bytes meanwhile."""
    world.answers["garret-node operation show"] = says(execution("Success"))
    listener = Listener()
    assert node.follow(execution("Running"), listener)["status"] == "Success"
    assert listener.lines == ["download-model 5/10"]


@pytest.mark.parametrize("status", ["Failed", "Cancelled"])
def test_an_execution_that_failed_is_an_error(node: Node, world: World, status: str) -> None:
    """The node's own words and its hint are handed on."""
    error = {"message": "it is a web page", "hint": "log in first"}
    world.answers["garret-node operation show"] = says(execution(status, error=error))
    with pytest.raises(NodeFailed, match="it is a web page") as failed:
        node.follow(execution("Running"), Listener())
    assert failed.value.hint == "log in first"


def test_an_interrupt_leaves_the_execution_alone(node: Node, world: World) -> None:
    """Ctrl-C stops the looking, says how to look again, and sends the node nothing."""
    clock = node.cloud.clock
    assert isinstance(clock, FakeClock)

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.on_sleep = interrupt
    with pytest.raises(Interrupted) as interrupted:
        node.follow(execution("Running"), Listener())
    assert f"garret ops executions wait {ID}" in interrupted.value.hint
    assert world.commands == []


def test_a_node_that_refuses_is_heard(node: Node, world: World) -> None:
    """An error of the node's command line keeps its message, its hint becomes a command here; noise stays as it is."""
    refusal = {"error": {"message": "there is none", "hint": "`garret-node operation list` shows what there is"}}
    world.answers["garret-node operation show"] = says(refusal, 1)
    with pytest.raises(NodeFailed, match="there is none") as raised:
        node.show(ID)
    assert raised.value.hint == "`garret ops executions list` shows what there is"
    world.answers["garret-node operation show"] = CommandResult("Failed", 127, "sh: garret-node: not found")
    with pytest.raises(NodeFailed, match="not found"):
        node.show(ID)
    world.answers["garret-node operation list"] = says([execution("Success")])
    assert [one["id"] for one in node.all()] == [ID]


def test_a_packed_answer_is_unpacked(node: Node, world: World) -> None:
    """What is too long for Cloud Assistant comes packed."""
    whole = execution("Success", output={"models": ["x" * 50] * 1000})
    packed = {"packed": base64.b64encode(zlib.compress(json.dumps(whole).encode())).decode()}
    world.answers["garret-node operation show"] = says(packed)
    assert len(node.show(ID)["output"]["models"]) == 1000


def test_a_secret_goes_its_own_way(node: Node, world: World) -> None:
    """Before the operation begins, by its id; the request says that it was handed over, and nothing of it."""
    world.answers["garret-node operation start "] = says(execution("Started"))
    handed: list[str] = []

    def hand_over(identifier: str) -> dict[str, Any]:
        assert not world.commands
        handed.append(identifier)
        return {"handed": True}

    node.begin("download-model", {"name": "x"}, hand_over=hand_over)
    [(path, content)] = [(path, data) for path, data in world.files.items() if "/requests/" in path]
    assert [Path(path).stem] == handed
    assert json.loads(content)["parameters"] == {"name": "x", "handed": True}


def test_a_stopped_node_is_not_asked(world: World, tmp_path: Path) -> None:
    """A node that does not run cannot answer; the way to start it is named."""
    deployed(world, tmp_path)
    name, machine = next(iter(world.instances.items()))
    world.instances[name] = replace(machine, status="Stopped")
    with pytest.raises(UsageError, match="stopped") as refused:
        Node.of(cloud_of(world), deployment_in(tmp_path))
    assert "garret ops start" in refused.value.hint
