"""The machine's GPUs as its driver tells of them: memory and load, asked of nvidia-smi beside the event loop.

A program of its own rather than the driver's library in this process: a driver that hangs or crashes must not take the
API with it, and whoever hangs can be ended.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

FRESH_S = 3.0
"""What was said is told again for so long: many may look at once."""
PATIENCE_S = 10.0
FIRST_S = 2.0
"""So long a caller waits for the first answer; later ones get what was said before."""
_NAMES = ("index", "name", "memory.used", "memory.total", "utilization.gpu", "temperature.gpu", "power.draw")
_QUERY = (f"--query-gpu={','.join((*_NAMES, 'driver_version'))}", "--format=csv,noheader,nounits")
_CUDA = re.compile(r"CUDA (?:UMD )?Version\s*:\s*([0-9.]+)")
_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class GpuFacts:
    """What is known; `devices` is None where there is none, and `reason` says why."""

    devices: tuple[dict[str, Any], ...] | None = None
    reason: str = ""
    driver: str | None = None
    cuda: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the API tells it."""
        devices = None if self.devices is None else list(self.devices)
        return {"devices": devices, "reason": self.reason, "driver": self.driver, "cuda": self.cuda}


class Gpus:
    """Asks once for all who look at a time; `program` is found anew each time."""

    def __init__(self, program: str = "nvidia-smi", clock: Callable[[], float] = time.monotonic) -> None:
        self._program, self._clock = program, clock
        self._known = GpuFacts(reason=f"{program} has not answered yet")
        self._at = -FRESH_S
        self._asking: asyncio.Task[None] | None = None
        self._cuda: str | None = None

    async def facts(self) -> GpuFacts:
        """Return what is known now, not older than a few seconds where the driver answers in time."""
        if self._clock() - self._at >= FRESH_S and self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        if self._asking is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._asking), FIRST_S)
        return self._known

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        self._at = self._clock()
        if not task.cancelled() and task.exception() is not None:
            logger.error("the GPUs cannot be asked after", exc_info=task.exception())

    async def _ask(self) -> None:
        try:
            await self._look()
        except OSError as error:  # a TimeoutError is one
            self._known = GpuFacts(reason=f"{self._program}: {error.strerror or error}"[:300])

    async def _look(self) -> None:
        program = await asyncio.to_thread(shutil.which, self._program)
        if program is None:
            self._known = GpuFacts(reason=f"{self._program} is not on this machine: it has no NVIDIA driver")
            return
        code, said = await _run(program, *_QUERY)
        devices = [device for line in said.splitlines() if (device := device_of(line))] if code == 0 else []
        if not devices:
            self._known = GpuFacts(reason=f"{self._program}: {' '.join(said.split())[:200] or f'exit code {code}'}")
            return
        if self._cuda is None:
            # It changes with the driver only, and takes a second question.
            found = _CUDA.search((await _run(program, "--version"))[1]) or _CUDA.search((await _run(program))[1])
            self._cuda = found[1] if found else ""
        driver = said.splitlines()[0].rpartition(",")[2].strip() or None
        self._known = GpuFacts(tuple(devices), "", driver, self._cuda or None)


def device_of(line: str) -> dict[str, Any] | None:
    """Read one line of nvidia-smi's answer; what it does not tell ([N/A], as of a slice of a GPU) is null."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) < len(_NAMES) + 1 or not parts[0].isdigit():
        return None
    # A name may have commas itself; the numbers are counted from the end.
    used, total, load, heat, watts = (_number(part) for part in parts[-6:-1])
    return {
        "index": int(parts[0]),
        "name": ", ".join(parts[1:-6]),
        "memory_used": None if used is None else round(used * _MEBIBYTE),
        "memory_total": None if total is None else round(total * _MEBIBYTE),
        "load_percent": load,
        "temperature_c": heat,
        "power_w": watts,
    }


async def _run(*command: str) -> tuple[int, str]:
    """Return a program's exit code and what it said; one that takes too long is ended.

    Raises:
        TimeoutError: it did not answer.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    except (TimeoutError, asyncio.CancelledError) as error:
        with suppress(ProcessLookupError):
            process.kill()
        if isinstance(error, asyncio.CancelledError):
            raise
        raise TimeoutError(f"no answer for {PATIENCE_S:g} s") from None
    return process.returncode or 0, said.decode("utf-8", "replace")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
