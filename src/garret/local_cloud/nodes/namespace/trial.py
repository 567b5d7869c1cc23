"""Can this machine boot nodes in namespaces? It is found out by booting one."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
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


def _boot(cache: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="garret-trial-") as name:
        nodes = Path(name) / "nodes"
        nodes.mkdir()
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
            driver.destroy("i-trial")
            driver.clear()


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
