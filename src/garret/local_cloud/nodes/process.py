"""The process driver: a node is a tree of processes of this machine under a folder of its own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from garret.local_cloud.nodes import systemctl
from garret.local_cloud.nodes.driver import (
    Doors,
    DriverError,
    FileThere,
    NodeRequest,
    NoFolder,
    NoGroup,
    NoUser,
    Rule,
    RunResult,
)
from garret.local_cloud.nodes.init import write_private
from garret.local_cloud.nodes.processes import descendants, end, is_running, marked

STOP_GRACE_S = 20.0
START_LIMIT_S = 20.0
FOLDERS = ("bin", "root", "tmp", "run", "var/log", "var/lib", "usr/share/garret", "usr/local/bin")


class ProcessDriver:
    """Boots nodes as processes; `nodes` is the folder they live in."""

    name = "process"
    proves = (
        "nodes are processes of this machine: they prove the user-data, the bootstrap's steps, the bundle and the "
        "runtime; they prove nothing about cloud-init, systemd, users, TLS, firewalls or GPUs"
    )

    def __init__(self, nodes: Path, image: Path | None = None) -> None:
        self._nodes = nodes
        self._images = nodes.with_name("images")
        # What an image of a real cloud would bring: the demo model, as it is installed with garret.
        self._image = image or Path(__file__).resolve().parents[2] / "demo_model"

    def create(self, node: NodeRequest) -> None:
        """Make the node's disk, where it was made of an image as a copy of that; nothing runs yet."""
        folder = self._folder(node.instance_id)
        if self.has_image(node.image_id) and not (folder / "disk").exists():
            _copy(self._images / node.image_id / "disk", folder / "disk")
            # What was done once for the other instance: the id is new, and so it is the first boot.
            shutil.rmtree(folder / "disk/var/lib/cloud/instance", ignore_errors=True)
        for name in FOLDERS:
            (folder / "disk" / name).mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        model = folder / "disk/usr/share/garret/demo-model"
        if not model.is_symlink() and self._image.is_dir():
            model.symlink_to(self._image)
        words = [sys.executable, "-I", "-S", systemctl.__file__]
        shim = folder / "disk/bin/systemctl"
        shim.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
        write_private(folder / "user-data", node.user_data)
        facts: dict[str, Any] = {
            "instance_id": node.instance_id,
            "private_ip": node.private_ip,
            "hostname": node.hostname,
        }
        facts["environment"] = dict(node.environment)
        write_private(folder / "node.json", json.dumps({**facts, "address": node.public_ip or ""}))

    def boot(self, instance_id: str) -> None:
        """Start the node's init and wait until it answers; one that runs already is left alone."""
        if self.alive(instance_id):
            return
        folder = self._folder(instance_id)
        self._sweep(instance_id)  # what a killed init left would hold the node's port
        shutil.rmtree(folder / "disk/run", ignore_errors=True)
        self._write_address(folder)
        (folder / "init.json").unlink(missing_ok=True)
        with (folder / "console.log").open("ab") as console:
            process = subprocess.Popen(
                [sys.executable, "-m", "garret.local_cloud.nodes.init", str(folder)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
                env=_init_environment(instance_id), cwd="/",
            )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT_S
        while not (folder / "init.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise DriverError(f"the node's init did not start; see {folder / 'console.log'}")
            time.sleep(0.01)

    def stop(self, instance_id: str, force: bool) -> None:
        """End every process of the node; its disk stays."""
        door = self._door(instance_id)
        if door and is_running(door["pid"], door["since"]):
            tree = [*descendants(door["pid"]), door["pid"]]
            if force:
                end(tree, grace_s=0)
            else:
                end([door["pid"]], STOP_GRACE_S)
                end(tree, grace_s=0)
            _collect(door["pid"])
        self._sweep(instance_id)

    def destroy(self, instance_id: str) -> None:
        """End the node and remove its disk."""
        self.stop(instance_id, force=True)
        shutil.rmtree(self._folder(instance_id), ignore_errors=True)

    def alive(self, instance_id: str) -> bool:
        """Say whether the node's init runs."""
        door = self._door(instance_id)
        return bool(door) and is_running(door["pid"], door["since"])

    def run(
        self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str, *, name: str = ""
    ) -> RunResult:
        """Run a script on the node as its only user; the last 24 KB of its output are kept.

        Raises:
            NoUser: it is to run as somebody else than root.
            NoFolder: the folder is not there.
            DriverError: the node does not run, or stopped meanwhile.
        """
        _only_root(user, NoUser)
        request = {
            "verb": "run",
            "command": base64.b64encode(command).decode("ascii"),
            "timeout_s": timeout_s,
            "directory": directory or "/root",
            "name": name,
        }
        reply = self._ask(instance_id, request, timeout_s + 30)
        if not reply["ok"]:
            raise (NoFolder if reply.get("missing") == "folder" else DriverError)(str(reply["message"]))
        output = base64.b64decode(reply["output"])
        return RunResult(int(reply["exit_code"]), output, int(reply["dropped"]), bool(reply["timed_out"]))

    def end(self, instance_id: str, name: str) -> None:
        """End a command and what is left of its session."""
        self._ask(instance_id, {"verb": "end", "name": name}, 30)

    def put(
        self,
        instance_id: str,
        path: str,
        content: bytes,
        mode: int,
        overwrite: bool,
        *,
        owner: str = "root",
        group: str = "root",
    ) -> None:
        """Write a file on the node, as a whole; root, the node's only user, is whoever runs the local cloud.

        Raises:
            NoUser, NoGroup: it is to belong to somebody else than root.
            DriverError: the path leaves the node's disk.
            FileThere: the file is there and may not be replaced.
        """
        _only_root(owner, NoUser)
        _only_root(group, NoGroup)
        disk = (self._folder(instance_id) / "disk").resolve()
        target = disk / path.lstrip("/")
        if ".." in Path(path).parts or not target.parent.resolve().is_relative_to(disk):
            raise DriverError(f"{path} is not on the node's disk")
        if target.exists() and not overwrite:
            raise FileThere(f"{path} is there already")
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{secrets.token_hex(8)}.new")
        try:
            fresh.write_bytes(content)
            fresh.chmod(mode)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)

    def console(self, instance_id: str) -> bytes:
        """What the node wrote to its console; empty when it wrote nothing or is not there."""
        file = self._folder(instance_id) / "console.log"
        return file.read_bytes() if file.is_file() else b""

    def attach_address(self, instance_id: str, public_ip: str | None) -> None:
        """Tell the node which address it is reached at; None takes it away."""
        folder = self._folder(instance_id)
        node = json.loads((folder / "node.json").read_text("utf-8"))
        write_private(folder / "node.json", json.dumps({**node, "address": public_ip or ""}))
        self._write_address(folder)

    def guard(self, instance_id: str, rules: tuple[Rule, ...]) -> None:
        """Do nothing: a process node shares this machine's network, and has no firewall of its own."""

    def connect(self, doors: Doors) -> None:
        """Do nothing: a process node reaches the cloud as any program of this machine does."""

    def door_url(self, default: str) -> str:
        """Return the server's own address."""
        return default

    def freeze(self, instance_id: str, image_id: str) -> int:
        """Keep a copy of the node's disk, without what a stop would lose; its size in bytes.

        Raises:
            DriverError: the disk could not be copied, for example for want of room.
        """
        target = self._images / image_id / "disk"
        if not target.exists():
            try:
                _copy(self._folder(instance_id) / "disk", target, leave_out="run")
            except (OSError, shutil.Error) as error:
                shutil.rmtree(target.parent, ignore_errors=True)
                raise DriverError(f"{image_id}: the disk of {instance_id} could not be kept: {error}") from error
        return sum(path.lstat().st_size for path in target.rglob("*") if path.is_file() and not path.is_symlink())

    def thaw(self, instance_id: str, image_id: str) -> None:
        """Put the copy in the disk's place; the node is stopped.

        Raises:
            DriverError: the copy could not be copied; the disk is what it was.
        """
        disk = self._folder(instance_id) / "disk"
        fresh, old = disk.with_name("disk.back"), disk.with_name("disk.old")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            _copy(self._images / image_id / "disk", fresh)
        except (OSError, shutil.Error) as error:
            raise DriverError(f"{image_id}: it could not be copied back: {error}") from error
        shutil.rmtree(old, ignore_errors=True)
        if disk.exists():  # else an earlier attempt was killed between the two
            disk.rename(old)
        fresh.rename(disk)
        shutil.rmtree(old, ignore_errors=True)

    def has_image(self, image_id: str) -> bool:
        """Say whether an image of this id was frozen here."""
        return bool(image_id) and (self._images / image_id / "disk").is_dir()

    def drop_image(self, image_id: str) -> None:
        """Forget an image; nodes made of it have copies of their own."""
        shutil.rmtree(self._images / image_id, ignore_errors=True)

    def clear(self) -> None:
        """Do nothing: a process node is its processes, and `stop` ends them."""

    def _ask(self, instance_id: str, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            return systemctl.ask(self._folder(instance_id), request, timeout_s)
        except (OSError, ValueError) as error:
            raise DriverError(f"the node does not answer: {error}") from error

    def _write_address(self, folder: Path) -> None:
        address = json.loads((folder / "node.json").read_text("utf-8"))["address"]
        place = folder / "disk/run/garret"
        place.mkdir(parents=True, exist_ok=True)
        if address:
            write_private(place / "address", address)
        else:
            (place / "address").unlink(missing_ok=True)

    def _sweep(self, instance_id: str) -> None:
        end(marked(instance_id), grace_s=0)

    def _door(self, instance_id: str) -> dict[str, Any]:
        try:
            door: dict[str, Any] = json.loads((self._folder(instance_id) / "init.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return door

    def _folder(self, instance_id: str) -> Path:
        return self._nodes / instance_id


def _copy(disk: Path, target: Path, leave_out: str = "") -> None:
    """Copy a disk, links as links, so that it is there whole or not at all; one folder of the top may be left out."""
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name == leave_out and Path(folder) == disk]

    shutil.copytree(disk, fresh, symlinks=True, ignore=ignored, copy_function=_copy_there)
    fresh.rename(target)


def _copy_there(source: str, target: str) -> None:
    """Copy a file, unless it has just gone: the node may be running."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target, follow_symlinks=False)


def _only_root(name: str, error: type[DriverError]) -> None:
    if name not in ("", "root"):
        raise error(f"a process node has no {name!r}: everything on it belongs to root")


def _init_environment(instance_id: str) -> dict[str, str]:
    """The init runs our own code from where this process has it; the node's processes get an environment of theirs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GARRET_", "ALIBABA_", "ALIYUN_")) or name == "GARRET_HOME"
    }
    return {**kept, "GARRET_INSTANCE": instance_id}


def _collect(pid: int) -> None:
    """Take leave of an init that was our own child; one of an earlier server's is not ours to collect."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
