"""BentoML doing the benchmark's work: inline as its examples do, or encoding in a thread beside the device."""

import asyncio
import os

import bentoml
from work import encoded, on_device

OFF_THREAD = os.environ["BENCH_MODE"] == "off-thread"


@bentoml.service(workers=1, traffic={"timeout": 120, "max_concurrency": 64})
class Painter:
    """One worker, one device."""

    def __init__(self):
        """One device."""
        self.device_lock = asyncio.Lock()

    if OFF_THREAD:

        @bentoml.api
        async def predict(self, seed: int) -> dict:
            """Hold the device alone in a thread; encode in another one."""
            async with self.device_lock:
                pixels = await asyncio.to_thread(on_device, seed)
            return {"images": [await asyncio.to_thread(encoded, pixels)]}

    else:

        @bentoml.api
        async def predict(self, seed: int) -> dict:
            """Hold the device and encode, one request after the other."""
            async with self.device_lock:
                return {"images": [await asyncio.to_thread(lambda: encoded(on_device(seed)))]}
