"""A process node boots, serves, keeps its disk, and ends as a whole."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from garret.local_cloud.nodes.driver import DriverError, FileThere, NodeRequest
from garret.local_cloud.nodes.process import ProcessDriver
from garret.local_cloud.nodes.processes import marked

UNIT = """[Service]
EnvironmentFile={disk}/etc/web.env
ExecStart="{python}" -m http.server --bind 127.0.0.1 --directory {disk}/srv $PORT
Restart=on-failure
RestartSec=50ms
User=web
"""


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for a condition, and fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def answer(port: int, path: str = "/hello") -> str:
    """Return what the node's web server says, or nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return str(reply.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


def user_data(disk: Path, port: int) -> str:
    """User-data that writes a page and starts a web server as a unit."""
    unit = UNIT.format(disk=disk, python=sys.executable).replace("$PORT", str(port))
    document = {
        "write_files": [
            {"path": "/srv/hello", "content": "good day\n"},
            {"path": "/etc/web.env", "permissions": "0600", "content": 'GREETING="good day"\n'},
            {"path": "/etc/systemd/system/web.service", "content": unit},
        ],
        "runcmd": [
            ["sh", "-c", 'echo once >> "$GARRET_PREFIX/srv/boots"'],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "web"],
        ],
    }
    return "#cloud-config\n" + yaml.safe_dump(document)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[ProcessDriver]:
    """A driver whose nodes are all ended afterwards."""
    driver = ProcessDriver(tmp_path / "nodes")
    yield driver
    for folder in (tmp_path / "nodes").glob("*"):
        driver.destroy(folder.name)


@pytest.fixture
def web(driver: ProcessDriver, tmp_path: Path) -> int:
    """The port of the web server on a booted node i-1."""
    port = free_port()
    driver.create(NodeRequest("i-1", user_data(tmp_path / "nodes/i-1/disk", port), "192.168.1.10", "garret"))
    driver.boot("i-1")
    until(lambda: answer(port) == "good day\n")
    return port


def test_the_disk_outlives_a_stop_and_user_data_runs_once(driver: ProcessDriver, web: int, tmp_path: Path) -> None:
    """After stop nothing of the node runs; after start the enabled unit does, and user-data is not repeated."""
    driver.stop("i-1", force=False)
    assert not driver.alive("i-1")
    assert marked("i-1") == []
    assert answer(web) == ""
    driver.boot("i-1")
    until(lambda: answer(web) == "good day\n")
    assert (tmp_path / "nodes/i-1/disk/srv/boots").read_text() == "once\n"


def test_a_killed_service_is_started_again(driver: ProcessDriver, web: int) -> None:
    """Restart=on-failure is kept to."""
    pid = next(p for p in marked("i-1") if b"http.server" in Path(f"/proc/{p}/cmdline").read_bytes())
    os.kill(pid, signal.SIGKILL)
    until(lambda: answer(web) == "good day\n")


def test_commands_report_code_output_and_limit(driver: ProcessDriver, web: int) -> None:
    """A command's exit code, the tail of a long output, and a timeout come back as they were."""
    failed = driver.run("i-1", b"echo out; echo err >&2; exit 3", 10, "root", "/root")
    assert (failed.exit_code, failed.output) == (3, b"out\nerr\n")
    long = driver.run("i-1", b"head -c 40000 /dev/zero | tr '\\0' x; echo end", 10, "root", "/root")
    assert (len(long.output), long.dropped) == (24 * 1024, 40_004 - 24 * 1024)
    assert long.output.endswith(b"end\n")
    slow = driver.run("i-1", b"sleep 60 & sleep 60", 1, "root", "/root")
    assert slow.timed_out
    until(lambda: not any(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in marked("i-1")))
    with pytest.raises(DriverError, match="not a folder"):
        driver.run("i-1", b"true", 10, "root", "/no/such")


def test_a_detached_child_goes_on_and_ends_with_the_node(driver: ProcessDriver, web: int) -> None:
    """What a command leaves running in a session of its own goes on after it, and ends when the node stops."""
    detach = f'{sys.executable} -c \'import subprocess; subprocess.Popen(["sleep", "300"], start_new_session=True)\''
    driver.run("i-1", detach.encode(), 10, "root", "/root")
    assert any(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in marked("i-1"))
    driver.stop("i-1", force=False)
    assert marked("i-1") == []


def test_a_killed_init_is_cleaned_up_at_the_next_boot(driver: ProcessDriver, web: int, tmp_path: Path) -> None:
    """After kill -9 of a node's first process the next boot ends what it left and serves on the same port."""
    import json

    door = json.loads((tmp_path / "nodes/i-1/init.json").read_text())
    os.kill(door["pid"], signal.SIGKILL)
    until(lambda: not driver.alive("i-1"))
    driver.boot("i-1")
    until(lambda: answer(web) == "good day\n")


def test_a_unit_that_a_drop_in_wants_is_started_at_boot(driver: ProcessDriver, tmp_path: Path) -> None:
    """Without a link, as systemd does; two dollars of its line are one for its shell."""
    driver.create(NodeRequest("i-wanted", "", "10.0.0.9", "node"))
    disk = tmp_path / "nodes/i-wanted/disk"
    units = disk / "etc/systemd/system"
    (units / "multi-user.target.d").mkdir(parents=True)
    (units / "multi-user.target.d/x.conf").write_text("[Unit]\nWants=note.service\n")
    (units / "note.service").write_text(
        """[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo "$${NOBODY:-here}" > "$$GARRET_PREFIX/srv"'\n"""
    )
    booted = disk / "var/lib/cloud/instance/booted"
    booted.parent.mkdir(parents=True)
    booted.touch()
    driver.boot("i-wanted")
    until(lambda: (disk / "srv").exists() and (disk / "srv").read_text() == "here\n")


def test_files_stay_on_the_disk(driver: ProcessDriver, web: int, tmp_path: Path) -> None:
    """A file is written whole, is not replaced unasked, and cannot leave the node's disk."""
    driver.put("i-1", "/var/lib/x/a", b"one", 0o640, overwrite=False)
    assert (tmp_path / "nodes/i-1/disk/var/lib/x/a").read_bytes() == b"one"
    with pytest.raises(FileThere):
        driver.put("i-1", "/var/lib/x/a", b"two", 0o640, overwrite=False)
    driver.put("i-1", "/var/lib/x/a", b"two", 0o600, overwrite=True)
    assert (tmp_path / "nodes/i-1/disk/var/lib/x/a").stat().st_mode & 0o777 == 0o600
    for path in ("/../../outside", "/usr/share/garret/demo-model/evil"):
        with pytest.raises(DriverError, match="disk"):
            driver.put("i-1", path, b"x", 0o644, overwrite=True)


def test_nothing_of_the_operators_environment_reaches_the_node(
    driver: ProcessDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials and settings of the person who runs the local cloud are not the node's."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "planted-secret")
    monkeypatch.setenv("GARRET_PASSWORD", "planted-secret")
    driver.create(NodeRequest("i-2", "#cloud-config\nruncmd: []\n", "192.168.1.11", "garret"))
    driver.boot("i-2")
    seen = driver.run("i-2", b"env", 10, "root", "/root").output
    assert b"planted-secret" not in seen
    assert f"GARRET_PREFIX={tmp_path}/nodes/i-2/disk\n".encode() in seen


def test_the_address_reaches_the_node(driver: ProcessDriver, tmp_path: Path) -> None:
    """An address that is given before or after the boot is there, and is there again after a stop."""
    driver.create(NodeRequest("i-3", "#cloud-config\nruncmd: []\n", "192.168.1.12", "garret"))
    driver.boot("i-3")
    driver.attach_address("i-3", "127.88.0.9")
    place = tmp_path / "nodes/i-3/disk/run/garret/address"
    assert place.read_text() == "127.88.0.9"
    driver.stop("i-3", force=True)
    driver.boot("i-3")
    assert place.read_text() == "127.88.0.9"


def test_a_node_is_made_of_a_frozen_disk(driver: ProcessDriver, web: int, tmp_path: Path) -> None:
    """An image holds the disk but not what a stop loses; a node of it boots for the first time; it outlives both."""
    disk = tmp_path / "nodes/i-1/disk"
    (disk / "srv/kept").write_text("yes")
    (disk / "srv/link").symlink_to("kept")
    (disk / "run/lost").write_text("no")
    driver.stop("i-1", force=False)
    assert not driver.has_image("m-1")
    assert driver.freeze("i-1", "m-1") >= len("good day\n")
    assert driver.has_image("m-1")
    driver.destroy("i-1")

    copy, port = tmp_path / "nodes/i-2/disk", free_port()
    driver.create(NodeRequest("i-2", user_data(copy, port), "192.168.1.11", "garret", image_id="m-1"))
    assert (copy / "srv/kept").read_text() == "yes"
    assert (copy / "srv/link").readlink() == Path("kept")
    assert not (copy / "run/lost").exists()
    driver.boot("i-2")
    until(lambda: answer(port) == "good day\n")
    assert (copy / "srv/boots").read_text() == "once\nonce\n", "the user-data runs once for each instance"
    driver.drop_image("m-1")
    driver.drop_image("m-1")
    assert not driver.has_image("m-1")
    assert answer(port) == "good day\n"


def test_a_disk_that_cannot_be_kept_leaves_no_image(driver: ProcessDriver) -> None:
    """Of a node that is not there nothing can be frozen, and nothing half-made stays."""
    with pytest.raises(DriverError, match="i-none could not be kept"):
        driver.freeze("i-none", "m-1")
    assert not driver.has_image("m-1")
    assert not driver.has_image("")
