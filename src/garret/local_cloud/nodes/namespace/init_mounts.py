"""What a node's first process does before systemd: its mounts, a machine's identity, and its root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from garret.local_cloud.nodes.namespace import kernel

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
CLASSES = ("net", "block", "bdi", "mem", "tty", "misc")
VIRTUAL = """#!/bin/sh
# An ECS instance is a virtual machine, and so is what plays one: cloud-init looks no further in a container.
for word in "$@"; do
  case "$word" in -q|--quiet) quiet=1 ;; -c|--container) container=1 ;; esac
done
if [ -n "$container" ]; then [ -n "$quiet" ] || echo none; exit 1; fi
[ -n "$quiet" ] || echo kvm
"""


def overlay(root: str, layers: list[int], upper: int, work: int) -> None:
    """Mount a node's disk: its layers, topmost first, by open folders: their path may be closed to a node's root."""
    lower = ":".join(f"/proc/self/fd/{handle}" for handle in layers)
    options = f"userxattr,lowerdir={lower},upperdir=/proc/self/fd/{upper},workdir=/proc/self/fd/{work}"
    kernel.mount("overlay", root, "overlay", 0, options)


def furnish(root: str, identity: Mapping[str, str]) -> None:
    """Mount below `root` what a kernel gives to a machine; `identity` is its serial and its console."""
    kernel.mount("proc", f"{root}/proc", "proc", kernel.NO_SUID | kernel.NO_DEVICES | kernel.NO_EXECUTION)
    kernel.mount("sysfs", f"{root}/sys", "sysfs", kernel.READ_ONLY)
    _devices(f"{root}/dev", identity["console"])
    for folder, mode in (("run", "755"), ("tmp", "1777")):
        kernel.mount("tmpfs", f"{root}/{folder}", "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, f"mode={mode}")
    Path(f"{root}/run/lock").mkdir()
    _identity(root, identity)
    kernel.mount("cgroup2", f"{root}/sys/fs/cgroup", "cgroup2")


def enter_root(root: str) -> None:
    """Make `root` the root, and have nothing of the machine outside in sight."""
    os.chdir(root)
    Path(".old").mkdir(exist_ok=True)
    kernel.pivot_root(".", ".old")
    kernel.unmount("/.old", kernel.DETACH)
    Path("/.old").rmdir()
    os.chdir("/")


def _devices(folder: str, console: str) -> None:
    kernel.mount("tmpfs", folder, "tmpfs", kernel.NO_SUID, "mode=755")
    for name in DEVICES:
        Path(folder, name).touch()
        kernel.mount(f"/dev/{name}", f"{folder}/{name}", "", kernel.BIND)
    Path(folder, "console").touch()
    kernel.mount(console, f"{folder}/console", "", kernel.BIND)
    Path(folder, "pts").mkdir()
    kernel.mount("devpts", f"{folder}/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
    Path(folder, "shm").mkdir()
    kernel.mount("tmpfs", f"{folder}/shm", "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, "mode=1777")
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ):
        Path(folder, name).symlink_to(target)


def _identity(root: str, identity: Mapping[str, str]) -> None:
    """Say what DMI says on an ECS instance, and that this is no container."""
    stage = f"{root}/run/.class"
    Path(stage).mkdir()
    kernel.mount("tmpfs", stage, "tmpfs", 0, "mode=755")
    for name in CLASSES:
        if Path(f"{root}/sys/class/{name}").is_dir():
            Path(stage, name).mkdir()
            kernel.mount(f"{root}/sys/class/{name}", f"{stage}/{name}", "", kernel.BIND)
    dmi = Path(stage, "dmi/id")
    dmi.mkdir(parents=True)
    known = {"product_name": "Alibaba Cloud ECS", "sys_vendor": "Alibaba Cloud", "product_serial": identity["serial"]}
    for name, text in (known | {"product_uuid": identity["serial"]}).items():
        (dmi / name).write_text(text + "\n", "ascii")
    kernel.mount(stage, f"{root}/sys/class", "", kernel.BIND | kernel.RECURSIVE)
    kernel.unmount(stage, kernel.DETACH)
    Path(stage).rmdir()
    Path(f"{root}/run/host").mkdir()
    Path(f"{root}/run/host/container-manager").write_text("garret-local-cloud\n", "ascii")
    shim = Path(f"{root}/run/host/systemd-detect-virt")
    shim.write_text(VIRTUAL, "ascii")
    shim.chmod(0o755)
    kernel.mount(str(shim), f"{root}/usr/bin/systemd-detect-virt", "", kernel.BIND)
