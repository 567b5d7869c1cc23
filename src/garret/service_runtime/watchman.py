"""The watch over a node whose service has failed for good: nobody can use it, and somebody has to end its bill.

systemd runs it then (garret-watchman.service). It counts from the failure on, so that whoever repairs the node has as
long as anybody who uses it, and ends when the service is back.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from garret.service_runtime.autostop import Autostop, Machine
from garret.service_runtime.autostop_settings import AutostopFile, AutostopSettings
from garret.service_runtime.executions import ExecutionStore
from garret.service_runtime.hold import Hold
from garret.service_runtime.idle import Idle
from garret.service_runtime.metadata import Metadata
from garret.service_runtime.self_stop import SelfStop
from garret.service_runtime.settings import ServiceSettings

SIGN = "the service failed"


def watch(
    settings: ServiceSettings,
    machine: Machine | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Stop the node when its time has come.

    Raises:
        SystemExit: the service is back, and watches for itself.
    """
    began = wall()

    def look_for_the_service() -> None:
        if _seen(settings.state_dir / "idle.json") > began:
            raise SystemExit(0)

    async def busy() -> str:
        folder = settings.state_dir / "executions"
        return next(iter(ExecutionStore(folder).running() if folder.is_dir() else ()), "")

    own = machine or SelfStop(Metadata(settings.metadata_url), settings.ecs_endpoint)
    file = AutostopFile(settings.state_dir / "autostop.json", AutostopSettings(settings.autostop_s))
    idle = Idle(clock, sign=SIGN)
    hold = Hold(settings.state_dir / "hold.json", wall)
    asyncio.run(Autostop(file.read, idle, busy, own, sleep, wall, look_for_the_service, began, hold=hold).watch())


def _seen(record: Path) -> float:
    """When the service last wrote down that it lives."""
    try:
        return float(json.loads(record.read_text("utf-8"))["seen"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


if __name__ == "__main__":
    watch(ServiceSettings.from_env(os.environ))
