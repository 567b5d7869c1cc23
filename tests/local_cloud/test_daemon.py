"""The local cloud in the background: comes up once, survives a kill, goes down whole."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.errors import SettingsError
from garret.local_cloud import daemon
from garret.local_cloud.home import Home, new_cloud_file, write_cloud_file
from tests.local_cloud.house import until


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose local cloud is ended afterwards."""
    yield tmp_path / "home"
    daemon.down(tmp_path / "home", erase=True)


def alive(pid: int) -> bool:
    """Say whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_comes_up_on_loopback_within_seconds_and_only_once(home: Path) -> None:
    """Two starts give one server; its files are the owner's only; it listens on 127.0.0.1 and nowhere else."""
    begun = time.monotonic()
    first = daemon.up(home)
    took = time.monotonic() - begun
    assert first.running
    assert took < 10, took
    assert daemon.up(home) == first
    assert (home / "local-cloud/cloud.json").stat().st_mode & 0o777 == 0o600
    assert (home / "local-cloud").stat().st_mode & 0o077 == 0
    assert first.endpoint.startswith("http://127.0.0.1:")
    assert "LTAI" not in first.access_key_id
    port = int(first.endpoint.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=2).close()


def test_two_starts_at_once_share_one_server(home: Path) -> None:
    """Two processes that start it at the same moment get the same one."""
    code = "import sys, pathlib; from garret.local_cloud import daemon; print(daemon.up(pathlib.Path(sys.argv[1])).pid)"
    both = [subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE) for _ in range(2)]
    pids = {process.communicate(timeout=60)[0].strip() for process in both}
    assert len(pids) == 1
    assert pids == {str(daemon.status(home).pid).encode()}


def test_a_killed_server_comes_back_on_its_port_with_its_keys(home: Path) -> None:
    """After kill -9 the next start keeps endpoint and keys, so that nodes and clients go on."""
    first = daemon.up(home)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not daemon.status(home).running)
    second = daemon.up(home)
    assert (second.endpoint, second.access_key_id, second.access_key_secret) == (
        first.endpoint,
        first.access_key_id,
        first.access_key_secret,
    )
    assert second.pid != first.pid


def test_down_ends_it_and_says_whether_there_was_anything(home: Path) -> None:
    """Down is idempotent; erase leaves no file; status of a home without a cloud starts nothing."""
    assert not daemon.status(home).running
    assert not home.exists()
    first = daemon.up(home)
    assert first.pid is not None
    assert daemon.down(home)
    assert not alive(first.pid)
    assert not daemon.status(home).running
    assert not daemon.down(home)
    again = daemon.up(home)
    assert again.access_key_id == first.access_key_id
    daemon.down(home, erase=True)
    assert not (home / "local-cloud").exists()


def test_a_busy_port_is_named(home: Path) -> None:
    """A port that another program holds is refused with its number and what to type."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)) as refused:
            daemon.up(home, port=port)
        assert "garret local up --port" in refused.value.hint
    record = daemon.up(home, port=port)
    assert record.endpoint.endswith(f":{port}")
    with pytest.raises(SettingsError, match="not 1"):
        daemon.up(home, port=1)


def test_a_broken_record_does_not_stop_a_start(home: Path) -> None:
    """A cloud.json that is cut off, as by a full disk, is replaced."""
    (home / "local-cloud").mkdir(parents=True)
    (home / "local-cloud/cloud.json").write_text('{"endpoint": ')
    assert daemon.up(home).running


def test_a_record_that_cannot_be_written_is_named(home: Path) -> None:
    """The error has the record's path, and no half-written file stays."""
    place = Home(home)
    place.make()
    place.record.mkdir()
    with pytest.raises(OSError, match=r"cloud\.json"):
        write_cloud_file(place, new_cloud_file())
    assert [path.name for path in place.folder.iterdir() if path.is_file()] == []


def test_another_process_with_the_pid_is_not_taken_for_the_server(home: Path) -> None:
    """A process id that belongs to somebody else by now is neither adopted nor ended."""
    record = daemon.up(home)
    assert record.pid is not None
    daemon.down(home)
    path = home / "local-cloud/cloud.json"
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        path.write_text(json.dumps({**json.loads(path.read_text()), "pid": bystander.pid, "since": "12345"}))
        assert not daemon.status(home).running
        assert not daemon.down(home)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
