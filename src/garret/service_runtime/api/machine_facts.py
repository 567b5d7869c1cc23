"""What GET /machine says beside autostop: devices, memory, disk, times, the queue, versions and costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from garret.service_runtime.api import hold, prices
from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.gpus import GpuFacts, Gpus
from garret.service_runtime.host_facts import booted_at, memory_and_disk, uptime_s, versions
from garret.service_runtime.prices import PricesFile
from garret.service_runtime.service import Service

_BYTES: Schema = {"type": ["integer", "null"], "minimum": 0}
_NUMBER: Schema = {"type": ["number", "null"]}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_TEXT: Schema = {"type": ["string", "null"]}
_DEVICE = record(
    {
        "index": {"type": "integer"},
        "name": {"type": "string"},
        "memory_used": _BYTES,
        "memory_total": _BYTES,
        "load_percent": {**_NUMBER, "description": "for how much of the last moments it had work"},
        "temperature_c": _NUMBER,
        "power_w": _NUMBER,
    }
)
SCHEMA = record(
    {
        "autostop": record({"hold": hold.SCHEMA}),
        "gpu": record(
            {
                "devices": {"type": ["array", "null"], "items": _DEVICE, "description": "null when there is none"},
                "reason": {"type": "string", "description": "why there is none"},
                "driver": _TEXT,
                "cuda": {**_TEXT, "description": "the newest that the driver knows"},
            }
        ),
        "host": record(dict.fromkeys(("memory_used", "memory_total", "disk_used", "disk_total"), _BYTES)),
        "uptime": record({"service_s": {"type": "number"}, "node_s": _NUMBER}),
        "queue": record(dict.fromkeys(("length", "running", "limit"), _WHOLE)),
        "versions": record(dict.fromkeys(("garret", "python", "torch", "cuda", "driver"), _TEXT)),
        "cost": prices.SCHEMA,
    }
)


class MachineFacts:
    """Looks at one node; nothing here holds the event loop up."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._gpus = Gpus()
        self._prices = PricesFile(service.settings.state_dir / "prices.json")
        self._began = time.monotonic()

    async def facts(self) -> dict[str, Any]:
        """Return them."""
        (host, kept), gpu = await asyncio.gather(asyncio.to_thread(self._of_disk), self._gpus.facts())
        now = time.time()
        booted = booted_at(now) or now - self._uptime()
        return {
            "gpu": gpu.to_dict(),
            "host": host,
            "uptime": {"service_s": round(self._uptime(), 1), "node_s": uptime_s()},
            "versions": {**versions(), **self._worked_with(gpu)},
            "cost": kept.facts(now, booted) if kept else None,
        }

    def _of_disk(self) -> Sequence[Any]:
        versions()
        return memory_and_disk(self._service.settings.models_dir), self._prices.read()

    def _uptime(self) -> float:
        return time.monotonic() - self._began

    def _worked_with(self, gpu: GpuFacts) -> dict[str, Any]:
        """Return the versions that only a worker and the driver know: the CUDA that torch was built for, and theirs."""
        facts = next((worker.facts for worker in self._service.pool.workers if worker.facts.get("torch")), {})
        torch = {"torch": facts["torch"]} if facts else {}
        return {**torch, "cuda": facts.get("cuda"), "driver": gpu.driver, "driver_cuda": gpu.cuda}
