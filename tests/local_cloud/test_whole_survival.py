"""A server of its own with whole nodes: chosen by trying, killed outright, brought back, and ended without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.errors import SettingsError
from garret.local_cloud import daemon
from garret.local_cloud.nodes.namespace import cgroups, sockets, trial
from garret.local_cloud.nodes.namespace.driver import CACHE
from garret.local_cloud.nodes.processes import is_running, start_time
from tests.local_cloud.house import Clients, until
from tests.local_cloud.machines import running, status


@pytest.fixture
def home(tmp_path: Path, whole_nodes: None) -> Iterator[Path]:
    """A home whose local cloud is ended afterwards."""
    yield tmp_path / "home"
    daemon.down(tmp_path / "home", erase=True)


def clients(home: Path) -> Clients:
    """Return the vendor's SDKs for the home's local cloud, which is started when it is not up."""
    record = daemon.up(home, driver="")
    return Clients(record.endpoint.removeprefix("http://"), record.access_key_id, record.access_key_secret)


def traces(netns: str, home: Path) -> list[str]:
    """Return what is left of a cloud's nodes on this machine: namespaces, control groups, mounts, processes."""
    top = cgroups.root()
    assert top is not None
    mark = netns.partition("-")[0]
    left = [str(path) for path in (*sockets.RUN.glob(f"{mark}-*"), *top.glob(f"garret-{mark[2:]}-*"))]
    left += [line for line in Path("/proc/self/mounts").read_text("utf-8").splitlines() if str(home) in line]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        left += [words] if str(home / "local-cloud/nodes") in words else []
    return left


def test_the_best_driver_is_chosen_by_trying_and_kept(home: Path) -> None:
    """Where whole nodes work they are taken, and status says why; a home with nodes stays with its driver."""
    cloud = clients(home)
    record = daemon.status(home)
    assert (record.driver, record.why) == ("namespace", "a node was booted on it for a trial")
    assert "systemd" in record.proves
    running(cloud)
    daemon.down(home)
    with pytest.raises(SettingsError, match="has nodes on the namespace driver"):
        daemon.up(home, driver="process")
    with pytest.raises(SettingsError, match="no driver 'docker'"):
        daemon.up(home, driver="docker")


@pytest.mark.parametrize("also_the_keeper", [False, True])
def test_nothing_is_left_after_down_also_after_a_crash(home: Path, also_the_keeper: bool) -> None:
    """kill -9 of the server, and of what keeps the node: the next one adopts or boots it, down leaves no trace."""
    instance = running(clients(home))
    folder = home / "local-cloud/nodes" / instance
    netns = json.loads((folder / "node.json").read_text("utf-8"))["network"]["netns"]
    door = json.loads((folder / "running.json").read_text("utf-8"))
    assert traces(netns, home)
    server = daemon.status(home).pid
    assert server is not None
    os.kill(server, signal.SIGKILL)
    until(lambda: not daemon.status(home).running)
    if also_the_keeper:
        since = start_time(door["init"])
        os.kill(door["pid"], signal.SIGKILL)
        until(lambda: not is_running(door["init"], since))
        daemon.down(home)
        assert traces(netns, home) == []
    cloud = clients(home)
    until(lambda: status(cloud, instance) == "Running", 30)
    again = json.loads((folder / "running.json").read_text("utf-8"))
    assert (again["init"] == door["init"]) is not also_the_keeper
    daemon.down(home)
    assert traces(netns, home) == []


def test_a_trial_that_is_killed_leaves_nothing_for_long(tmp_path: Path, whole_nodes: None) -> None:
    """kill -9 in the middle of the trial leaves its node; the next trial, or the next down, clears it away."""
    cache = tmp_path / "cache"  # of its own, for others of this machine may be trying as well
    cache.mkdir()
    for made in CACHE.iterdir():
        if made.is_dir() and made.name != trial.FOLDER:
            (cache / made.name).symlink_to(made)
    code = "import pathlib, sys; from garret.local_cloud.nodes.namespace import trial; "
    code += "trial.trial(print, pathlib.Path(sys.argv[1]))"
    trying = subprocess.Popen([sys.executable, "-c", code, str(cache)])
    until(lambda: list(cache.glob("trial/nodes/*/running.json")), 30)
    record = json.loads(next(cache.glob("trial/nodes/*/node.json")).read_text("utf-8"))
    trying.kill()
    trying.wait()
    netns = record["network"]["netns"]
    assert (sockets.RUN / netns).exists()
    trial.clear(cache)
    assert not (cache / trial.FOLDER).exists()
    assert not (sockets.RUN / netns).exists()
    assert not cgroups.place(record["cgroup"]).exists()
