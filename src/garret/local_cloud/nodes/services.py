"""The services of a process node, kept running as its units say: what systemd does on a real one."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from garret.local_cloud.nodes.unit import BadUnit, Unit, read_unit

UNITS = "etc/systemd/system"
WANTS = f"{UNITS}/multi-user.target.wants"
DROP_INS = f"{UNITS}/multi-user.target.d"
BURST, BURST_S = 5, 60.0
"""A service that ended this often in this time has failed."""


class Service:
    """One unit and its process."""

    def __init__(self, unit: Unit, environment: Mapping[str, str], log: Path) -> None:
        self.unit = unit
        self.state = "inactive"
        self._environment = {**environment, **unit.environment}
        self._log = log
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the process; a oneshot is waited for elsewhere, as its thread ends with it."""
        self._stopping.clear()
        self.state = "activating" if self.unit.kind == "oneshot" else "active"
        self._spawn()
        self._thread = threading.Thread(target=self._watch, name=self.unit.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the process and wait for it."""
        self._stopping.set()
        if self._process and self._process.poll() is None:
            _signal_group(self._process, signal.SIGTERM)
            try:
                self._process.wait(min(self.unit.stop_s, 60))
            except subprocess.TimeoutExpired:
                _signal_group(self._process, signal.SIGKILL)
        if self._thread:
            self._thread.join(10)
        self.state = "inactive"

    def join(self) -> None:
        """Wait until a oneshot has ended."""
        if self._thread:
            self._thread.join()

    @property
    def pid(self) -> int | None:
        """The process that is waited for here, so that nobody else collects it."""
        return self._process.pid if self._process else None

    def _spawn(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        folder = self.unit.working_directory or "/"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.unit.command, env=self._environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, process_group=0,
            )  # fmt: skip

    def _watch(self) -> None:
        ends: list[float] = []
        while self._process:
            code = self._process.wait()
            if self._stopping.is_set():
                return
            again = self.unit.restart == "always" or (self.unit.restart == "on-failure" and code != 0)
            if not again:
                self.state = "failed" if code else "inactive"
                return
            ends = [at for at in ends if time.monotonic() - at < BURST_S] + [time.monotonic()]
            self.state = "activating"
            if len(ends) >= BURST or self._stopping.wait(self.unit.restart_s):
                self.state = "inactive" if self._stopping.is_set() else "failed"
                return
            try:
                self._spawn()
            except OSError as error:
                self._note(str(error))
                self.state = "failed"
                return
            self.state = "active"

    def _note(self, text: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(text + "\n")


class Services:
    """All units of one node, by name."""

    def __init__(self, disk: Path, environment: Mapping[str, str]) -> None:
        self._disk = disk
        self._environment = dict(environment)
        self._services: dict[str, Service] = {}
        self._lock = threading.RLock()

    def do(self, verb: str, name: str, now: bool = False) -> tuple[bool, str]:
        """Carry out one systemctl verb; says whether it went well, and what systemctl would print."""
        try:
            return self._do(verb, name, now)
        except (BadUnit, OSError) as error:
            return False, str(error)

    def _do(self, verb: str, name: str, now: bool) -> tuple[bool, str]:
        if verb == "daemon-reload":
            return True, ""  # units are read at each start
        if not name or "/" in name:
            return False, f"{name!r} is not the name of a unit"
        if verb == "is-active":
            state = self._state(name)
            return state == "active", state
        if verb == "is-enabled":
            enabled = (self._disk / WANTS / name).is_symlink()
            return enabled, "enabled" if enabled else "disabled"
        if verb in ("enable", "disable"):
            self._enable(name, verb == "enable")
            verb = {"enable": "start", "disable": "stop"}[verb] if now else ""
        if verb in ("stop", "restart") and name in self._services:
            self._services[name].stop()
        if verb in ("start", "restart"):
            return self._start(name)
        return True, ""

    def start_enabled(self) -> None:
        """Start what is enabled, as at boot: what stays first, then what ends by itself."""
        names = sorted({path.name for path in (self._disk / WANTS).glob("*.service")} | self._dropped_in())
        units = []
        for name in names:
            try:
                units.append(read_unit(self._disk / UNITS / name))
            except BadUnit as error:
                print(error, flush=True)  # noqa: T201 - the console
        for unit in sorted(units, key=lambda unit: unit.kind == "oneshot"):
            self._start(unit.name, wait=False)

    def _dropped_in(self) -> set[str]:
        """What a drop-in of the target wants; its units need no link."""
        lines = [
            line for file in (self._disk / DROP_INS).glob("*.conf") for line in file.read_text("utf-8").splitlines()
        ]
        return {name for line in lines if line.startswith("Wants=") for name in line.partition("=")[2].split()}

    def stop_all(self) -> None:
        """Stop every service, all at once."""
        threads = [threading.Thread(target=service.stop) for service in self._services.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def pids(self) -> set[int]:
        """The processes that are waited for here."""
        return {service.pid for service in list(self._services.values()) if service.pid}

    def _state(self, name: str) -> str:
        service = self._services.get(name)
        return service.state if service else "inactive"

    def _start(self, name: str, wait: bool = True) -> tuple[bool, str]:
        with self._lock:
            if self._state(name) in ("active", "activating"):
                return True, ""
            unit = read_unit(self._disk / UNITS / name)
            service = Service(unit, self._environment, self._disk / "var/log" / f"{name}.log")
            if unit.ignored:
                print(f"{name}: without effect on a process node: {', '.join(unit.ignored)}", flush=True)  # noqa: T201
            self._services[name] = service
            service.start()
        if wait and unit.kind == "oneshot":
            service.join()
            return service.state != "failed", ""
        return True, ""

    def _enable(self, name: str, on: bool) -> None:
        link = self._disk / WANTS / name
        if on and not (self._disk / UNITS / name).is_file():
            raise BadUnit(f"{name}: no such unit")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        if on:
            link.symlink_to(f"../{name}")


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        process.kill()
