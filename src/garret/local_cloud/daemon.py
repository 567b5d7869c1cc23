"""The local cloud in the background: start it when it is not up, say how to reach it, end it and its nodes.

The server itself is `python -m garret.local_cloud`; it writes its process id into cloud.json before it answers.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from garret.errors import OperationError, SettingsError
from garret.local_cloud.home import CloudFile, Home, new_cloud_file, private, read_cloud_file, write_cloud_file
from garret.local_cloud.hubs import HUBS
from garret.local_cloud.nodes import choosing
from garret.local_cloud.nodes.choice import NAMESPACE, PROCESS, chosen
from garret.local_cloud.nodes.processes import is_running
from garret.local_cloud.running import answers

START_LIMIT_S = 20.0
STOP_GRACE_S = 5.0
ROOM_BYTES = 256 * 1024  # less than this, and the store cannot even be opened
BUSY_PORT = 3  # the server's exit code when somebody else has its port


@dataclass(frozen=True)
class CloudRecord:
    """How a local cloud is; `instances` counts those that exist, stopped ones included, and `why` tells the driver."""

    running: bool
    endpoint: str
    pid: int | None
    access_key_id: str
    access_key_secret: str
    driver: str
    proves: str
    instances: int
    why: str = ""


def up(
    home: Path, port: int | None = None, driver: str | None = None, tell: choosing.Tell = lambda _: None
) -> CloudRecord:
    """Start the server when it is not up, and wait until it answers.

    `driver` is what boots its nodes: empty for the best that works here, None for what needs no trial. `tell` hears
    what takes its time.

    Errors: SettingsError when the port is busy or another than the running server's, or the driver does not do;
    OperationError when it does not come up.
    """
    place = Home(home)
    place.make()
    with _lock(place):
        record = read_cloud_file(place)
        if record is None:
            record = new_cloud_file()
            write_cloud_file(place, record)
        if answers(record):
            if port not in (None, record.port):
                raise SettingsError(
                    f"port: the local cloud is up on port {record.port}, not {port}",
                    "Type `garret local down` first, or leave the port out.",
                )
            choosing.check(driver)
            known = chosen(place)
            if driver and known and driver != known.name:
                problem = f"driver: the local cloud is up with {known.name}"
                raise SettingsError(problem, "Type `garret local down` first.")
            return status(home)
        choosing.choose(place, _wanted(place, driver), tell)
        _end_server(record)  # one that is there but does not answer
        _start(place, record, port)
    return status(home)


def down(home: Path, erase: bool = False) -> bool:
    """End the server and every node; with `erase` forget everything as well. False when nothing was up."""
    place = Home(home)
    if not place.folder.is_dir():
        return False
    with _lock(place):
        record = read_cloud_file(place)
        was_up = record is not None and _end_server(record)
        stopped = _stop_nodes(place)
        if record is not None:
            with suppress(OSError):  # going down must work on a full disk: the process's start time tells enough
                write_cloud_file(place, replace(record, pid=0, since=""))
        if erase:
            shutil.rmtree(place.folder)
    return was_up or stopped > 0


def status(home: Path) -> CloudRecord:
    """How the local cloud of this home is; starts nothing."""
    place = Home(home)
    record = read_cloud_file(place) or CloudFile("", 0, 0, "", "", "", "")
    running = answers(record)
    choice = chosen(place)
    driver = choosing.driver(place)
    return CloudRecord(
        running=running,
        endpoint=record.endpoint,
        pid=record.pid if running else None,
        access_key_id=record.access_key_id,
        access_key_secret=record.access_key_secret,
        driver=driver.name if choice else "",
        proves=driver.proves if choice else "",
        instances=_count_instances(place),
        why=choice.why if choice else "",
    )


def _wanted(place: Home, driver: str | None) -> str:
    if driver is None:
        return "" if chosen(place) else PROCESS
    return driver


@contextmanager
def _lock(place: Home) -> Iterator[None]:
    # Beside the folder, so that erasing the folder does not take the lock from under a second `up`.
    with private(place.root / "local-cloud.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(place: Home, record: CloudFile, port: int | None) -> None:
    wanted = port or record.port or _free_port()
    with private(place.log).open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "garret.local_cloud", "--home", str(place.root), "--port", str(wanted)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", env=_environment(),
        )  # fmt: skip
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        started = read_cloud_file(place)
        if started is not None and started.pid == child.pid and answers(started):
            return
        if child.poll() == BUSY_PORT:
            raise _refused_port(wanted)
        if child.poll() is not None or time.monotonic() > deadline:
            _end_child(child)
            if shutil.disk_usage(place.folder).free < ROOM_BYTES:
                hint = "Make room there, or set GARRET_HOME to a folder on another disk."
                raise OperationError(f"the local cloud did not start: no space is left at {place.folder}", hint)
            raise OperationError("the local cloud did not start", f"Its log is {place.log}.")
        time.sleep(0.02)


def _refused_port(port: int) -> SettingsError:
    """Why the server could not have its port: somebody else has it, or this user may not."""
    hint = f"type `garret local up --port {_free_port()}`."
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except PermissionError:
        return SettingsError(f"port: {port} needs root; this user may take those above 1023", hint.capitalize())
    except OSError:
        pass  # the usual case
    return SettingsError(f"port: {port} on 127.0.0.1 is in use by another program", f"End that program, or {hint}")


def _end_child(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
        child.wait()


def _environment() -> dict[str, str]:
    """The caller's environment without what is the caller's own: its secrets, its crash points, its proxies."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in HUBS
        or (not name.startswith(("GARRET_", "ALIBABA_", "ALIYUN_")) and not name.lower().endswith("_proxy"))
    }


def _end_server(record: CloudFile) -> bool:
    if not is_running(record.pid, record.since):
        return False
    for number, grace in ((signal.SIGTERM, STOP_GRACE_S), (signal.SIGKILL, STOP_GRACE_S)):
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            _reap(record.pid)
            if not is_running(record.pid, record.since):
                return True
            time.sleep(0.02)
    raise OperationError(f"the local cloud (process {record.pid}) does not end", f"Look at it with `ps {record.pid}`.")


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)  # only when this very process started it
    except ChildProcessError:
        return


def _stop_nodes(place: Home) -> int:
    driver = choosing.driver(place)
    nodes = [folder.name for folder in place.nodes.glob("*")]
    alive = [name for name in nodes if driver.alive(name)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        # Also those whose first process is gone: what a killed one left goes on running.
        list(pool.map(lambda instance: driver.stop(instance, force=False), nodes))
    driver.clear()
    if driver.name == NAMESPACE:
        from garret.local_cloud.nodes.namespace import trial

        trial.clear()
    return len(alive)


def _count_instances(place: Home) -> int:
    if not place.database.exists():
        return 0
    import sqlite3

    connection = sqlite3.connect(f"file:{place.database}?mode=ro", uri=True, timeout=5)
    try:
        return int(connection.execute("SELECT count(*) FROM things WHERE kind = 'instance'").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        connection.close()


def _free_port() -> int:
    # Below the ports that systems hand to outgoing connections: it must be free again after a restart, since the
    # nodes keep it in their stack's address.
    for port in random.sample(range(21000, 32000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OperationError("no free port between 21000 and 32000 on 127.0.0.1", "Type `garret local up --port PORT`.")
