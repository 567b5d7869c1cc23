"""One command on a node that is a folder: every word as it was typed, all it says, its code, and its end."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import Cancelled, NodeFailed
from garret.ops.cloud import Cloud, SystemClock
from garret.ops.crash import Crash
from garret.ops.node_programs import command
from garret.ops.run_command import run
from garret.ops.work import Work
from tests.ops.fake import Listener, World, cloud_of, deployment_in
from tests.ops.node_shell import ShellNode
from tests.ops.test_status import deployed


class Running:
    """A deployment whose node is a folder, and the verb that is tried on it."""

    def __init__(self, world: World, folder: Path) -> None:
        deployed(world, folder / "home")
        self.home = folder / "home"
        self.node = ShellNode(folder / "node")
        clock = SystemClock()
        self.cloud: Cloud = replace(cloud_of(world), assistant=self.node, clock=clock, poll_s=0.05)

    def run(
        self, *argv: str, timeout_s: int = 20, request: str = "", asked: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Run a command on the node to its end."""
        parameters = {"argv": list(argv), "timeout_s": timeout_s, "request": request or uuid.uuid4().hex}
        work = Work(self.cloud, deployment_in(self.home), Listener(), Crash(), parameters, asked_to_cancel=asked)
        return run(work)


@pytest.fixture
def running(world: World, tmp_path: Path) -> Running:
    """Ready to run."""
    return Running(world, tmp_path)


def test_output_and_exit_code_become_ours(running: Running) -> None:
    """Both streams apart, and the code as it was."""
    done = running.run("sh", "-c", "echo one; echo two >&2; exit 7")
    assert (done["exit_code"], done["stdout"], done["stderr"], done["timed_out"]) == (7, "one\n", "two\n", False)
    assert running.run("true")["exit_code"] == 0


def test_what_was_said_long_ago_is_forgotten(running: Running) -> None:
    """A month is kept; what was said since stays."""
    old, kept = (Path(running.run("echo", "it")["stdout_file"]) for _ in range(2))
    moment = old.stat().st_mtime - 31 * 86_400
    os.utime(old, (moment, moment))
    running.run("true")
    assert (old.exists(), kept.read_text()) == (False, "it\n")


@pytest.mark.parametrize("word", ["$(touch /tmp/owned)", "`id`", "a'b\"c", "; exit 3", "a\nb", "-n", "*", "ä ö", "|&"])
def test_what_was_typed_is_data(running: Running, word: str) -> None:
    """No shell reads it, and none of it is in a command's text (defects 2 and 7 of the originals)."""
    done = running.run("printf", "%s", word)
    assert (done["exit_code"], done["stdout"]) == (0, word if word != "-n" else "-n")
    assert not any(word in text for text in running.node.commands if len(word) > 3)


def test_more_comes_than_an_answer_carries(running: Running) -> None:
    """A million random bytes arrive whole, in pieces, in a file of this machine."""
    done = running.run("sh", "-c", "head -c 200000 /dev/urandom | tee kept | base64; md5sum <kept >&2; rm kept")
    import base64
    import hashlib

    whole = base64.b64decode(Path(done["stdout_file"]).read_bytes())
    assert len(whole) == 200_000
    assert hashlib.md5(whole).hexdigest() == done["stderr"].split()[0]  # noqa: S324
    assert Path(done["stdout_file"]).stat().st_mode & 0o777 == 0o600


def test_what_does_not_end_is_ended_with_its_children(running: Running, tmp_path: Path) -> None:
    """As timeout(1) has it: 124, and nothing goes on in the background."""
    beat = tmp_path / "beat"
    done = running.run("sh", "-c", f"(while :; do echo x >>{beat}; sleep 0.1; done) & sleep 60", timeout_s=1)
    assert (done["exit_code"], done["timed_out"]) == (124, True)
    size = beat.stat().st_size
    time.sleep(0.4)
    assert beat.stat().st_size == size


def test_a_program_that_is_not_there_has_the_shells_code(running: Running) -> None:
    """127, and its name."""
    done = running.run("no-such-program")
    assert done["exit_code"] == 127
    assert "no-such-program" in done["note"]


def test_taken_up_again_it_is_not_run_twice(running: Running, tmp_path: Path) -> None:
    """Who looks on may die and come again: the same request is the same run."""
    request = uuid.uuid4().hex
    for _ in range(2):
        done = running.run("sh", "-c", f"echo ran >>{tmp_path / 'count'}; echo said", request=request)
        assert done["stdout"] == "said\n"
    assert (tmp_path / "count").read_text() == "ran\n"


def test_a_missed_look_is_no_end(running: Running) -> None:
    """A node that is busy does not answer now and then."""
    request = uuid.uuid4().hex
    running.run("sh", "-c", "echo a; sleep 0.3; echo b", request=request)
    running.node.broken = 3
    with pytest.raises(NodeFailed):  # begin itself must be answered
        running.run("true")
    running.node.broken = 0
    assert running.run("sh", "-c", "echo a; sleep 0.3; echo b")["stdout"] == "a\nb\n"


def test_cancelled_it_ends_on_the_node(running: Running, tmp_path: Path) -> None:
    """Not only the looking."""
    beat = tmp_path / "beat"
    with pytest.raises(Cancelled):
        running.run("sh", "-c", f"while :; do echo x >>{beat}; sleep 0.1; done", asked=beat.exists)
    size = beat.stat().st_size
    time.sleep(0.4)
    assert beat.stat().st_size == size


def test_words_of_a_command_are_plain() -> None:
    """Nothing but ids and numbers is ever put beside a program's text."""
    with pytest.raises(ValueError, match="plain"):
        command("run_command", "look", "$(id)")
