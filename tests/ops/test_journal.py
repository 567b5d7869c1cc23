"""The journal survives what a kill can do to a file, and its folder is nobody else's."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from garret.client import Picture
from garret.errors import OperationError
from garret.ops.journal import Journal, journals, write_atomic


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal that nothing was written to."""
    return Journal(tmp_path / "home/deployments/local/garret")


def test_what_was_written_is_read(journal: Journal) -> None:
    """Lines come back in order, with their values and their time."""
    assert journal.entries() == []
    assert journal.last("planned") is None
    journal.append("planned", token="a", nested={"名": [1, 2]})
    journal.append("created", stack_id="stack-1")
    journal.append("planned", token="b")
    assert [entry["event"] for entry in journal.entries()] == ["planned", "created", "planned"]
    last = journal.last("planned")
    assert last is not None
    assert last["token"] == "b"
    assert journal.entries()[0]["nested"] == {"名": [1, 2]}
    assert last["at"].endswith("+00:00")


def test_an_end_closes_what_came_before(journal: Journal) -> None:
    """After deleted or abandoned, a deployment of this name is a new one."""
    journal.append("planned", token="old")
    journal.append("deleted")
    assert journal.entries() == []
    journal.append("planned", token="new")
    assert [entry["token"] for entry in journal.entries()] == ["new"]
    journal.append("abandoned")
    assert journal.last("planned") is None


@pytest.mark.parametrize("kept", range(1, 40, 3))
def test_a_torn_last_line_is_as_if_not_written(journal: Journal, kept: int) -> None:
    """A kill in the middle of a write loses that line only; the next line stands by itself."""
    journal.append("planned", token="whole")
    whole = journal.path.read_bytes()
    journal.append("created", stack_id="torn")
    journal.path.write_bytes(journal.path.read_bytes()[: len(whole) + kept])
    assert [entry["event"] for entry in journal.entries()] == ["planned"]
    journal.append("created", stack_id="again")
    assert [entry.get("stack_id") for entry in journal.entries()] == [None, "again"]
    assert journal.path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\n", b"[]\n", b"7\n", b"{}\n", b"\x00\x00\x00\n", b'{"event"\n'])
def test_rubbish_in_the_file_is_passed_over(journal: Journal, rubbish: bytes) -> None:
    """What a bad disk left is no reason to forget the rest."""
    journal.append("planned", token="a")
    with journal.path.open("ab") as file:
        file.write(rubbish)
    journal.append("created", stack_id="stack-1")
    assert [entry["event"] for entry in journal.entries()] == ["planned", "created"]


def test_nobody_else_reads_any_of_it(journal: Journal, tmp_path: Path) -> None:
    """Every folder from GARRET_HOME down is 0700 and every file 0600, whatever the umask."""
    before = os.umask(0)
    try:
        journal.append("planned", token="a")
        journal.write_private("login.json", b"{}")
        with journal.locked():
            pass
    finally:
        os.umask(before)
    for path in (tmp_path / "home").rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_one_command_at_a_time(journal: Journal) -> None:
    """A second garret is told who holds the deployment, and the lock is free again after a kill."""
    program = (
        "import sys, time; from pathlib import Path; from garret.ops.journal import Journal\n"
        "with Journal(Path(sys.argv[1])).locked():\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(journal.folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OperationError, match=str(holder.pid)) as raised, journal.locked():
            pass
        assert "garret status garret" in raised.value.hint
    finally:
        holder.kill()
        holder.wait(10)
        if holder.stdout:
            holder.stdout.close()
    with journal.locked():
        pass


def test_a_private_file_appears_whole(journal: Journal) -> None:
    """It is replaced at once, read back, and forgotten without complaint."""
    assert journal.read_private("login.json") is None
    path = journal.write_private("login.json", b'{"token": "a"}')
    journal.write_private("login.json", b'{"token": "b"}')
    assert json.loads(path.read_bytes()) == {"token": "b"}
    assert journal.read_private("login.json") == b'{"token": "b"}'
    assert [file.name for file in journal.folder.iterdir()] == ["login.json"]
    journal.forget("login.json", "absent")
    assert journal.read_private("login.json") is None


def test_journals_are_listed_by_name(tmp_path: Path) -> None:
    """A folder without a journal is no deployment; a missing folder is none at all."""
    assert journals(tmp_path / "absent") == []
    for name in ("b", "a"):
        Journal(tmp_path / name).append("planned")
    (tmp_path / "empty").mkdir()
    assert [journal.folder.name for journal in journals(tmp_path)] == ["a", "b"]


def test_a_full_disk_is_told_with_the_path(tmp_path: Path) -> None:
    """Neither the journal nor a file half-written stays silent about where there was no room."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    journal = Journal(tmp_path / "full")
    journal.append("planned")
    journal.path.unlink()
    journal.path.symlink_to("/dev/full")
    with pytest.raises(OSError) as raised:
        journal.append("created")
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(journal.path)


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    """The name in the error is the one that a person knows, and no piece is left beside it."""
    target = tmp_path / "picture.png"
    target.mkdir()
    with pytest.raises(OSError) as raised:
        write_atomic(target, b"picture", 0o644)
    assert raised.value.filename == str(target)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("write", [lambda path: write_atomic(path, b"x", 0o644), Picture(b"x").save])
def test_what_is_no_file_is_written_into_and_stays(tmp_path: Path, write: Callable[[Path], object]) -> None:
    """As /dev/null, which a picture nobody wants may be sent to by root."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe)
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_an_append_is_on_the_disk_before_it_returns(journal: Journal) -> None:
    """A kill right after append loses nothing: the line is in the file for the next process at once."""
    program = (
        "import os, signal, sys; from pathlib import Path; from garret.ops.journal import Journal\n"
        "Journal(Path(sys.argv[1])).append('planned', token='t')\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    started = time.monotonic()
    assert subprocess.run([sys.executable, "-c", program, str(journal.folder)], check=False).returncode == -9
    assert journal.entries()[0]["token"] == "t"
    assert time.monotonic() - started < 30
