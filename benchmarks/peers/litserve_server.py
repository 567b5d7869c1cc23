"""LitServe doing the benchmark's work: inline as its examples do, or encoding in a thread beside the device."""

import asyncio
import os
import sys

import litserve
from work import encoded, on_device


class Inline(litserve.LitAPI):
    """Each step in the worker's own loop."""

    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        """Take the seed."""
        return request["seed"]

    def predict(self, seed):
        """Hold the device."""
        return on_device(seed)

    def encode_response(self, pixels):
        """Encode where the next picture could already be made."""
        return {"images": [encoded(pixels)]}


class OffThread(litserve.LitAPI):
    """Concurrent predictions: one at a time on the device, the encoding in threads."""

    def setup(self, device):  # noqa: ARG002  (LitServe names it)
        """One device."""
        self.device_lock = None

    async def decode_request(self, request):
        """Take the seed."""
        return request["seed"]

    async def predict(self, seed):
        """Hold the device alone, in a thread."""
        if self.device_lock is None:
            self.device_lock = asyncio.Lock()
        async with self.device_lock:
            return await asyncio.to_thread(on_device, seed)

    async def encode_response(self, pixels):
        """Encode in a thread."""
        return {"images": [await asyncio.to_thread(encoded, pixels)]}


if __name__ == "__main__":
    off_thread = sys.argv[1] == "off-thread"
    api = OffThread(enable_async=True) if off_thread else Inline()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), generate_client_file=False)
