"""A service whose event loop hangs is found out by systemd: it says that it lives only as long as it does."""

from __future__ import annotations

import asyncio
import configparser
import signal
import socket
from importlib.resources import files
from pathlib import Path

import pytest

from garret.service_runtime.watchdog import ALIVE, tell_watchdog
from tests.service_runtime.living import fake_settings, serving


def quiet(systemd: socket.socket) -> None:
    """Take what comes until nothing does."""
    while True:
        systemd.recv(100)


def test_it_tells_as_long_as_it_lives_and_not_when_it_hangs(tmp_path: Path) -> None:
    """Three times a period; systemd waits a whole one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        with serving(fake_settings(tmp_path), **told) as service:
            assert [systemd.recv(100) for _ in range(3)] == [ALIVE] * 3
            service.process.send_signal(signal.SIGSTOP)
            systemd.settimeout(0.6)
            with pytest.raises(TimeoutError):
                quiet(systemd)
            service.process.send_signal(signal.SIGCONT)
            systemd.settimeout(20)
            assert systemd.recv(100) == ALIVE


def test_without_systemd_it_says_nothing() -> None:
    """On a process node."""
    asyncio.run(asyncio.wait_for(tell_watchdog({}), 5))


def test_the_unit_asks_for_it() -> None:
    """And restarts a service that says nothing."""
    unit = configparser.RawConfigParser(strict=False)
    unit.read_string((files("garret.image_bootstrap") / "units/garret.service").read_text("utf-8"))
    assert unit["Service"]["NotifyAccess"] == "main"
    assert unit["Service"]["Restart"] == "on-failure"
    assert int(unit["Service"]["WatchdogSec"]) >= 60
