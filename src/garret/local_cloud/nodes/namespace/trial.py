"""Can this machine boot nodes in namespaces? It is found out by booting one."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from garret.errors import OperationError
from garret.local_cloud.nodes.driver import DriverError, NodeRequest
from garret.local_cloud.nodes.namespace import base_image, cgroups
from garret.local_cloud.nodes.namespace.driver import CACHE, NamespaceDriver
from garret.local_cloud.nodes.namespace.wheelhouse import build_wheelhouse

PROGRAMS = {
    "mmdebstrap": "mmdebstrap", "ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "sysctl": "procps",
    "tar": "tar",
}  # fmt: skip
"""What the driver calls, and the Debian package that brings it."""
MACHINES = ("x86_64", "aarch64")
BOOT_LIMIT_S = 30.0
FOLDER = "trial"
"""Below the cache: always the same, so that what a killed trial has left is found."""


def trial(tell: Callable[[str], None], cache: Path = CACHE) -> str:
    """Boot a node and run a command on it; returns what stands in the way, empty for nothing."""
    obstacle = missing()
    if obstacle:
        return obstacle
    try:
        base_image.base_image(cache, tell)
        build_wheelhouse(cache, told=tell)
        _boot(cache)
    except (DriverError, OperationError, OSError) as error:
        return str(error)
    return ""


def missing() -> str:
    """What this machine plainly lacks; empty when only a trial can tell."""
    if sys.platform != "linux":
        return f"it needs Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "it needs root"
    if platform.machine() not in MACHINES:
        return f"it is not written for {platform.machine()} machines"
    packages = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if packages:
        return f"missing here: apt-get install {' '.join(packages)}"
    return "" if cgroups.root() else "no cgroup2 hierarchy is mounted"


def clear(cache: Path = CACHE) -> None:
    """End what a trial that was killed has left; one that is under way is left alone."""
    if not (cache / FOLDER).is_dir():
        return
    with _locked(cache, fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
        if alone:
            _clear(cache)


def _boot(cache: Path) -> None:
    with _locked(cache, fcntl.LOCK_EX):
        _clear(cache)
        nodes = cache / FOLDER / "nodes"
        nodes.mkdir(mode=0o711, parents=True)
        driver = NamespaceDriver(nodes, cache)
        node = NodeRequest(
            "i-trial", "", "192.168.0.1", "trial", vpc_id="vpc-trial", vpc_cidr="192.168.0.0/24",
            vswitch_cidr="192.168.0.0/24", mac="00:16:3e:00:00:01",
        )  # fmt: skip
        try:
            driver.create(node)
            driver.boot("i-trial")
            _wait(driver)
        finally:
            _clear(cache)


def _clear(cache: Path) -> None:
    nodes = cache / FOLDER / "nodes"
    driver = NamespaceDriver(nodes, cache)
    for folder in nodes.glob("*"):
        driver.destroy(folder.name)
    driver.clear()
    shutil.rmtree(cache / FOLDER, ignore_errors=True)


@contextmanager
def _locked(cache: Path, how: int) -> Iterator[bool]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "trial.lock").open("a") as lock:
        try:
            fcntl.flock(lock, how)
        except BlockingIOError:
            yield False
            return
        yield True


def _wait(driver: NamespaceDriver) -> None:
    """Wait until systemd on the node runs a command."""
    deadline = time.monotonic() + BOOT_LIMIT_S
    while True:
        try:
            if driver.run("i-trial", b"true", 10, "root", "/root").exit_code == 0:
                return
            why = "a command on the node failed"
        except DriverError as error:
            why = str(error)
        if time.monotonic() > deadline:
            raise DriverError(f"a node booted for a trial did not come up within {BOOT_LIMIT_S:g} s: {why}")
        time.sleep(0.05)
