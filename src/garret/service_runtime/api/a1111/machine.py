"""What A1111 tells of its machine, and its orders to it: memory, flags, and what only a node's operator may do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.describe import answer, record
from garret.service_runtime.errors import Forbidden
from garret.service_runtime.worker_place import Worker

_EMPTY = answer("Done.", {"type": "object"})
_MEMORY = record({"ram": {"type": "object"}, "cuda": {"type": "object"}}, required=("ram", "cuda"))


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    service = desk.service

    @routes.get("/memory", responses={200: answer("Sizes in bytes.", _MEMORY)})
    async def memory() -> Response:
        """Tell the machine's memory, and that of the devices together."""
        ram = await asyncio.to_thread(_ram)
        return JSONResponse({"ram": ram, "cuda": _devices(service.pool.workers)})

    @routes.get("/cmd-flags", responses={200: answer("The flags.", {"type": "object"})})
    async def flags() -> Response:
        """Tell the flags of A1111's command line that say something true of this service; never a credential."""
        settings = service.settings
        return JSONResponse(
            {
                "api": True,
                "nowebui": False,
                "api_server_stop": False,
                "enable_insecure_extension_access": False,
                "disable_safe_unpickle": False,
                "lowvram": any(worker.facts.get("mode") == "low-vram" for worker in service.pool.workers),
                "medvram": False,
                "ckpt_dir": str(service.models.folder("checkpoint")),
                "lora_dir": str(service.models.folder("lora")),
                "vae_dir": str(service.models.folder("vae")),
                "embeddings_dir": str(settings.embeddings_dir),
            }
        )

    @routes.post("/unload-checkpoint", responses={200: _EMPTY})
    async def unload() -> Response:
        """Have every device that has nothing to do let its memory go; the next picture loads its model again."""
        for worker in service.pool.workers:
            if worker.is_idle and worker.loaded:
                worker.unload()
        return JSONResponse({})

    @routes.post("/reload-checkpoint", responses={200: _EMPTY})
    async def reload() -> Response:
        """Do nothing: the next picture loads its model by itself."""
        return JSONResponse({})

    def refuse(order: str) -> None:
        @routes.post(f"/server-{order}", operation_id=f"a1111_server_{order}")
        async def stop() -> Response:
            """Refuse (403): a node is stopped and started by who runs it."""
            raise Forbidden(
                f"server-{order}: the node is not stopped from here", "Its operator does that: garret ops stop"
            )

    for order in ("kill", "restart", "stop"):
        refuse(order)
    return routes


def _ram() -> dict[str, int | str]:
    """Return the machine's memory (Linux); `used` is this process's own, as A1111 has it."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return {"error": "unavailable"}
    total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return {"free": free, "used": pages * os.sysconf("SC_PAGE_SIZE"), "total": total}


def _devices(workers: Iterable[Worker]) -> dict[str, Any]:
    """Return what all devices have together, in the groups that clients look for; of peaks nothing is known."""
    facts = [worker.facts for worker in workers if worker.facts.get("memory_total")]
    if not facts:
        return {"error": "unavailable"}
    used, total = (sum(int(one.get(f"memory_{name}") or 0) for one in facts) for name in ("used", "total"))
    now = {"current": used, "peak": used}
    return {
        "system": {"free": total - used, "used": used, "total": total},
        **dict.fromkeys(("active", "allocated", "reserved"), now),
        "inactive": {"current": 0, "peak": 0},
        "events": {"retries": 0, "oom": 0},
    }
