"""When the service has failed for good, its node still stops; and not when it is back."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from garret.service_runtime.autostop_settings import AutostopFile, AutostopSettings
from garret.service_runtime.executions import RUNNING, SILENT_S, Execution, ExecutionStore
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.watchman import watch


class Over(BaseException):
    """The script of a test is over."""


@dataclass
class World:
    """A clock that a test moves, and a machine that notes its stops."""

    settings: ServiceSettings
    now: float = 1_000_000.0
    end_at: float = 1_010_000.0
    back_at: float = 1e12
    stops: list[float] = field(default_factory=list)

    def __call__(self) -> None:
        """Stop."""
        self.stops.append(self.now)

    def release(self, at: datetime | None) -> None:
        """Nothing is released."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once; a service that is back says so in its record."""
        self.now += seconds
        if self.now >= self.back_at:
            (self.settings.state_dir / "idle.json").write_text(json.dumps({"seen": self.now}))
        if self.now > self.end_at or self.stops:
            raise Over

    def clock(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A node that stops itself after an hour; its service was last seen a moment ago."""
    (tmp_path / "idle.json").write_text(json.dumps({"seen": 999_999.0, "last": 990_000.0}))
    return World(ServiceSettings(state_dir=tmp_path, autostop_s=3600.0))


def play(world: World) -> None:
    """Watch until the end of the script."""
    watch(world.settings, world, clock=world.clock, wall=world.clock, sleep=world.sleep)


def test_a_node_without_a_service_stops_after_as_long_as_it_would_have_waited(world: World) -> None:
    """From the failure on: whoever repairs it has as long as anybody who uses it."""
    with pytest.raises(Over):
        play(world)
    assert world.stops
    assert 3600 <= world.stops[0] - 1_000_000 <= 3620


def test_it_ends_when_the_service_is_back(world: World) -> None:
    """Which then watches for itself."""
    world.back_at = 1_000_600.0
    with pytest.raises(SystemExit):
        play(world)
    assert world.stops == []


def test_what_was_changed_counts_and_a_download_is_waited_for(world: World) -> None:
    """The same settings as the service's, and the same operations."""
    default = AutostopSettings()
    AutostopFile(world.settings.state_dir / "autostop.json", default).write(default)
    with pytest.raises(Over):
        play(world)
    assert world.stops == []
    AutostopFile(world.settings.state_dir / "autostop.json", default).write(AutostopSettings(300.0))
    store = ExecutionStore(world.settings.state_dir / "executions")
    execution = store.save(Execution("0" * 32, "download-model", status=RUNNING))
    world.end_at = world.now + 2000
    with store.held(execution.id), pytest.raises(Over):
        play(world)
    assert world.stops == []
    hangs = time.time() - SILENT_S - 1
    os.utime(store.folder / f"{execution.id}.json", (hangs, hangs))
    world.end_at = world.now + 2000
    with store.held(execution.id), pytest.raises(Over):
        play(world)
    assert len(world.stops) == 1, "an operation that says nothing for hours keeps no GPU"
