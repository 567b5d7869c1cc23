"""Keeps one node running: `python -m garret.local_cloud.nodes.namespace.keeper FOLDER`.

It makes the namespaces, hands the node its network card, starts systemd in it, boots again when the node reboots, and
goes on when the local cloud's server is gone. FOLDER holds node.json; running.json says how the node is reached.
SIGTERM is the power button.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from garret.local_cloud.nodes.init import write_private
from garret.local_cloud.nodes.namespace import cgroups, init_mounts, kernel, users
from garret.local_cloud.nodes.processes import start_time

POWER_OFF = signal.SIGRTMIN + 4
"""What systemd as PID 1 takes for the power button."""
STOP_LIMIT_S = 30.0
REBOOT, HALT = signal.SIGHUP, signal.SIGINT
"""How the kernel ends the first process of a PID namespace when something in it calls reboot(2)."""
INIT = "/lib/systemd/systemd"


class Keeper:
    """One node, boot after boot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node: dict[str, Any] = json.loads((folder / "node.json").read_text("utf-8"))
        self.cgroup = cgroups.place(self.node["cgroup"])
        self._init = 0
        self._button = 0.0

    def keep(self) -> int:
        """Boot until the node powers off; returns the exit code."""
        signal.signal(signal.SIGTERM, self._press)
        try:
            while True:
                ended = self._boot()
                if ended != REBOOT or self._button:
                    return 0 if ended in (HALT, REBOOT) or self._button else 1
        finally:
            (self.folder / "running.json").unlink(missing_ok=True)
            cgroups.remove(self.cgroup)

    def _press(self, *_: object) -> None:
        """Ask systemd to power off; a second press, or one before it runs, ends it at once."""
        hard = bool(self._button)
        self._button = self._button or time.monotonic()
        if self._init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL if hard else POWER_OFF)

    def _boot(self) -> int:
        """Run the node once; returns the signal that its first process ended by, 0 for none."""
        cgroups.make(self.cgroup)
        up_reader, up_writer = os.pipe()
        go_reader, go_writer = os.pipe()
        console, terminal = os.openpty()
        os.fchown(terminal, users.BASE, users.BASE)
        outer = os.fork()
        if outer == 0:
            for handle in (up_reader, go_writer, console):
                os.close(handle)
            self.node["console"] = os.ttyname(terminal)
            _as_outer(self, up_writer, go_reader)
        os.close(terminal)
        os.close(up_writer)
        os.close(go_reader)
        with os.fdopen(up_reader, "rb") as news, os.fdopen(go_writer, "wb") as go:
            if not news.readline():
                raise SystemExit(1)  # the child has said why
            users.write_maps(outer)
            self._plug_in(outer)
            go.write(b"go\n")
            go.flush()
            self._init = int(news.readline() or 0)
        if self._init:
            door = {"pid": os.getpid(), "since": start_time(os.getpid()), "init": self._init}
            write_private(self.folder / "running.json", json.dumps({**door, "init_since": start_time(self._init)}))
        try:
            return self._wait(outer, console)
        finally:
            os.close(console)

    def _wait(self, outer: int, console: int) -> int:
        os.set_blocking(console, False)
        while True:
            ended, status = os.waitpid(outer, os.WNOHANG)
            with contextlib.suppress(OSError):  # nothing was said, or nobody has it open
                os.write(1, os.read(console, 65_536))
            if ended:
                self._init = 0
                return os.waitstatus_to_exitcode(status)
            if self._button and time.monotonic() - self._button > STOP_LIMIT_S and self._init:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._init, signal.SIGKILL)
            time.sleep(0.02)

    def open_disk(self) -> dict[str, Any]:
        """Open the layers, after the mounts were unshared and while their paths can still be walked."""
        flags = os.O_PATH | os.O_DIRECTORY
        layers = [os.open(layer, flags) for layer in self.node["layers"]]
        return {
            "layers": layers,
            "upper": os.open(self.folder / "upper", flags),
            "work": os.open(self.folder / "work", flags),
        }

    def _plug_in(self, pid: int) -> None:
        """Give the node its network card, down: cloud-init brings it up."""
        net = self.node["network"]
        # One of the boot before may be left for a moment, while somebody outside still looks into that node.
        old = ["ip", "-n", net["netns"], "link", "del", net["device"]]
        subprocess.run(old, check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _ip("-n", net["netns"], "link", "add", net["device"], "type", "veth", "peer", "name", "eth0",
            "address", net["mac"], "netns", str(pid))  # fmt: skip
        _ip("-n", net["netns"], "addr", "add", f"{net['gateway']}/32", "dev", net["device"])
        _ip("-n", net["netns"], "link", "set", net["device"], "up")
        _ip("-n", net["netns"], "route", "replace", f"{net['private_ip']}/32", "dev", net["device"])


def _as_outer(keeper: Keeper, news: int, go: int) -> None:
    """Be the process that makes the namespaces and waits for the first process in them; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        cgroups.enter(keeper.cgroup)
        kernel.unshare(kernel.ALL)
        handles = keeper.open_disk()  # as this machine's root still, for the way there may be closed to a node's
        os.write(news, b"unshared\n")
        if not os.read(go, 1):
            os._exit(1)
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        kernel.die_with_parent(signal.SIGKILL)
        first = os.fork()
        if first == 0:
            _as_first(keeper.node, handles)
        os.write(news, f"{first}\n".encode())
        os.close(news)
        _, status = os.waitpid(first, 0)
        code = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    except BaseException as error:  # noqa: BLE001 - this is a forked child: nothing may unwind into its parent's code
        sys.stderr.write(f"the node did not start: {error}\n")
        sys.stderr.flush()
    os._exit(code)


def _as_first(node: dict[str, Any], handles: dict[str, Any]) -> None:
    """Be PID 1 of the node: furnish its root, and become systemd; never returns."""
    try:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.mount("none", "/", "", kernel.RECURSIVE | kernel.PRIVATE)
        kernel.set_host_name(node["hostname"])
        root = "/run"  # a mount point that every machine has; it is covered in this namespace only
        init_mounts.overlay(root, handles["layers"], handles["upper"], handles["work"])
        init_mounts.furnish(root, node)
        init_mounts.enter_root(root)
        os.setsid()
        for handle in range(3, 64):
            with contextlib.suppress(OSError):
                os.close(handle)
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        words = [INIT, "--unit=multi-user.target", "--log-target=console", "--show-status=1"]
        os.execve(INIT, words, {**environment, "TERM": "dumb"})  # noqa: S606 - no shell on purpose
    except BaseException as error:  # noqa: BLE001 - as above
        sys.stderr.write(f"the node's first process failed: {error}\n")
        sys.stderr.flush()
    os._exit(1)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(Keeper(Path(sys.argv[1])).keep())
