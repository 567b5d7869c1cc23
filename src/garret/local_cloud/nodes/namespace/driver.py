"""The namespace driver: whole Linux nodes on a machine whose root runs the local cloud."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from garret.local_cloud.metadata.facts import serial_number
from garret.local_cloud.nodes.driver import Doors, DriverError, NodeRequest, NotUp, Rule, RunResult
from garret.local_cloud.nodes.init import write_private
from garret.local_cloud.nodes.namespace import base_image, cgroups, commands, layers, users
from garret.local_cloud.nodes.namespace.vpc import DOOR, Mirror
from garret.local_cloud.nodes.namespace.wiring import Wiring
from garret.local_cloud.nodes.processes import end, is_running, start_time

CACHE = Path("/var/cache/garret/local-cloud")
START_LIMIT_S = 20.0
STOP_LIMIT_S = 45.0
_SETTINGS = "etc/systemd/system.conf.d/local-cloud.conf"


class NamespaceDriver:
    """Boots nodes in namespaces; `nodes` is the folder they live in."""

    name = "namespace"
    proves = (
        "nodes are whole Debian systems in namespaces of this machine: systemd, unmodified cloud-init, users, nginx, "
        "TLS, security groups and disks are the real thing; they prove nothing about GPUs, Alibaba's own images, "
        "its network's speed, or a kernel of their own, and their roots are one user to each other"
    )

    def __init__(
        self, nodes: Path, cache: Path = CACHE, model: Path | None = None, mirror: Mirror | None = None
    ) -> None:
        self._nodes, self._cache = nodes, cache
        self._model = model or Path(__file__).resolve().parents[3] / "demo_model"
        self._mark = hashlib.sha256(str(nodes.resolve()).encode()).hexdigest()[:6]
        self._images = layers.Images(nodes.parent / "images")
        self._wiring = Wiring(self._mark, mirror)
        self._lock = threading.RLock()

    def create(self, node: NodeRequest) -> None:
        """Make the node's disk: an empty layer over its image."""
        folder = self._folder(node.instance_id)
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        for name in ("upper", "work"):
            (folder / name).mkdir(exist_ok=True)
            users.give(folder / name)
        told = {name: value for name, value in node.environment.items() if name.startswith("GARRET_NODE_")}
        self._write_settings(folder / "upper", told)
        record = {
            "instance_id": node.instance_id,
            "hostname": node.hostname or node.instance_id,
            "serial": serial_number(node.instance_id),
            "cgroup": f"garret-{self._mark}-{node.instance_id}",
            "layers": self._layers(node.image_id),
            "public_ip": node.public_ip or "",
            "rules": [],
            "network": self._wiring.network(node),
        }
        write_private(folder / "node.json", json.dumps(record))

    def boot(self, instance_id: str) -> None:
        """Start the node's keeper and wait until the node's first process runs; one that runs already is left alone."""
        if self.alive(instance_id):
            return
        folder, record = self._folder(instance_id), self._record(instance_id)
        self._end_rest(record)
        self._wiring.plug(record)
        (folder / "running.json").unlink(missing_ok=True)
        with (folder / "console.log").open("ab") as console:
            process = subprocess.Popen(
                [sys.executable, "-m", "garret.local_cloud.nodes.namespace.keeper", str(folder)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True, cwd="/",
                env=_keeper_environment(),
            )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT_S
        while not (folder / "running.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                last = (folder / "console.log").read_text("utf-8", "replace").strip().splitlines()[-1:]
                raise DriverError(f"the node did not start: {' '.join(last)[:300] or 'no reason was given'}")
            time.sleep(0.01)

    def stop(self, instance_id: str, force: bool) -> None:
        """Press the power button, or pull the plug; the disk stays."""
        door = self.door_of(instance_id)
        if door and force:
            end([door["init"]], grace_s=0)
        elif door:
            with contextlib.suppress(ProcessLookupError):
                os.kill(door["pid"], 15)
        deadline = time.monotonic() + STOP_LIMIT_S
        while door and is_running(door["pid"], door["since"]) and time.monotonic() < deadline:
            _collect(door["pid"])
            time.sleep(0.02)
        with contextlib.suppress(DriverError):
            self._end_rest(self._record(instance_id))

    def destroy(self, instance_id: str) -> None:
        """End the node, unplug it and remove its disk; its VPC's namespace goes with its last node."""
        with self._lock:
            try:
                record = self._record(instance_id)
            except DriverError:
                return
            self.stop(instance_id, force=True)
            shared = [one for one in self._records() if one["network"]["netns"] == record["network"]["netns"]]
            self._wiring.unplug(record, is_last=len(shared) <= 1)
            shutil.rmtree(self._folder(instance_id), ignore_errors=True)
            self._images.sweep({layer for one in self._records() for layer in one["layers"]})

    def alive(self, instance_id: str) -> bool:
        """Say whether the node's keeper keeps it."""
        door = self.door_of(instance_id)
        return bool(door) and is_running(door["pid"], door["since"])

    def run(
        self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str, *, name: str = ""
    ) -> RunResult:
        """Run a script on the node, as Cloud Assistant's agent does; DriverError when it cannot be started."""
        init = self._init(instance_id)
        up = functools.partial(is_running, init, start_time(init))
        return commands.run(init, command, timeout_s, user or "root", directory, name=name, up=up)

    def end(self, instance_id: str, name: str) -> None:
        """End a command, with all that it started."""
        commands.end(self._init(instance_id), name)

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
        """Write a file on the node; FileThere when it exists and `overwrite` is False."""
        commands.put(self._init(instance_id), path, content, mode, overwrite, owner or "root", group or "root")

    def console(self, instance_id: str) -> bytes:
        """What the node wrote to its console; empty when it wrote nothing or is not there."""
        file = self._folder(instance_id) / "console.log"
        return file.read_bytes() if file.is_file() else b""

    def attach_address(self, instance_id: str, public_ip: str | None) -> None:
        """Have a public address lead to the node; None takes it away."""
        with self._lock:
            record = self._record(instance_id)
            if record["public_ip"] and record["public_ip"] != public_ip:
                self._wiring.leave(record["public_ip"])
            self._wiring.plug(self._change(instance_id, public_ip=public_ip or ""))

    def guard(self, instance_id: str, rules: tuple[Rule, ...]) -> None:
        """Put these ingress rules in force."""
        with self._lock:
            self._wiring.plug(self._change(instance_id, rules=[asdict(rule) for rule in rules]))

    def connect(self, doors: Doors) -> None:
        """Open the doors of the cloud to the nodes that a server before this one left running."""
        self._wiring.doors = doors
        for record in self._records():
            if self.alive(record["instance_id"]):
                self._wiring.plug(record)

    def door_url(self, default: str) -> str:  # noqa: ARG002 - a node has a loopback of its own
        """Return the address of the cloud inside a VPC."""
        return f"http://{DOOR}"

    def freeze(self, instance_id: str, image_id: str) -> int:
        """Make an image of the node's disk as it is now."""
        with self._lock:
            disk = self._folder(instance_id) / "upper"
            return self._images.freeze(image_id, disk, self._record(instance_id)["layers"])

    def thaw(self, instance_id: str, image_id: str) -> None:
        """Put the kept layer in place of the node's own; the node is stopped."""
        with self._lock:
            folder = self._folder(instance_id)
            below = self._images.thaw(image_id, folder / "upper")
            shutil.rmtree(folder / "work", ignore_errors=True)
            (folder / "work").mkdir()
            users.give(folder / "work")
            self._change(instance_id, layers=below)

    def has_image(self, image_id: str) -> bool:
        """Say whether such an image was frozen here."""
        return self._images.has(image_id)

    def drop_image(self, image_id: str) -> None:
        """Forget an image; its layer goes when nothing stands on it."""
        with self._lock:
            self._images.drop(image_id)
            self._images.sweep({layer for one in self._records() for layer in one["layers"]})

    def disconnect(self) -> None:
        """Close the cloud's doors to the nodes, which go on; a later driver opens them again."""
        self._wiring.close()

    def network_of(self, instance_id: str) -> str:
        """The network namespace of the node's VPC."""
        return str(self._record(instance_id)["network"]["netns"])

    def door_of(self, instance_id: str) -> dict[str, Any]:
        """The processes of a node that runs: `pid` of its keeper, `init` of its systemd; empty when it does not."""
        return _read(self._folder(instance_id) / "running.json")

    def clear(self) -> None:
        """Leave nothing of this cloud's nodes on the machine but their disks, whatever a crash has left."""
        for record in self._records():
            self._end_rest(record)
        self._wiring.clear()
        top = cgroups.root()
        for group in top.glob(f"garret-{self._mark}-*") if top else ():
            cgroups.remove(group)

    def _layers(self, image_id: str) -> list[str]:
        if self._images.has(image_id):
            return self._images.layers(image_id)
        return [str(layers.demo_layer(self._cache, self._model)), str(base_image.base_image(self._cache))]

    def _write_settings(self, upper: Path, told: Mapping[str, str]) -> None:
        """Say in the node's own settings which cloud it is on; no user-data could."""
        path = upper / _SETTINGS
        for folder in reversed(path.relative_to(upper).parents[:-1]):
            if not (upper / folder).is_dir():
                (upper / folder).mkdir(mode=0o755)
                users.give(upper / folder)
        known = {"GARRET_DRIVER": self.name, "GARRET_ENDPOINT_ECS": f"http://{DOOR}", **told}
        words = " ".join(f"{name}={value}" for name, value in known.items())
        path.write_text(f"[Manager]\nDefaultEnvironment={words}\n", "ascii")
        path.chmod(0o644)
        users.give(path)

    def _end_rest(self, record: dict[str, Any]) -> None:
        """End what a keeper that was killed has left."""
        door = self.door_of(record["instance_id"])
        if door and is_running(door["pid"], door["since"]):
            end([door["pid"]], grace_s=0)
        cgroups.remove(cgroups.place(record["cgroup"]))
        (self._folder(record["instance_id"]) / "running.json").unlink(missing_ok=True)

    def _init(self, instance_id: str) -> int:
        door = self.door_of(instance_id)
        if not door or not is_running(door["init"], door["init_since"]):
            raise DriverError("the node does not run")
        with contextlib.suppress(OSError):
            # At its very end systemd becomes another program, which waits until all others have gone: no new ones now.
            if Path(f"/proc/{door['init']}/comm").read_text("ascii").strip() != "systemd":
                raise NotUp("the node goes down, or is not up yet")
        return int(door["init"])

    def _record(self, instance_id: str) -> dict[str, Any]:
        record = _read(self._folder(instance_id) / "node.json")
        if not record:
            raise DriverError(f"there is no node {instance_id}")
        return record

    def _records(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self._nodes.glob("*/node.json")):
            record = _read(path)
            if "network" in record:
                yield record

    def _change(self, instance_id: str, **changes: Any) -> dict[str, Any]:
        record = {**self._record(instance_id), **changes}
        write_private(self._folder(instance_id) / "node.json", json.dumps(record))
        return record

    def _folder(self, instance_id: str) -> Path:
        return self._nodes / instance_id


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _keeper_environment() -> dict[str, str]:
    """What Python needs to find our own code; nothing of it reaches the node."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME", "LANG")}


def _collect(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
