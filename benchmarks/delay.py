"""A door before a server on loopback whose every answer comes later: `python benchmarks/delay.py HOST:PORT SECONDS`.

Prints the port it listens on. Bytes pass as they are; what the server says is held back for SECONDS, once per answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Hand on bytes, each `delay` seconds after it came."""
    loop = asyncio.get_running_loop()
    due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        while data := await reader.read(1 << 16):
            due.put_nowait((loop.time() + delay, data))
        due.put_nowait((loop.time() + delay, b""))

    reading = asyncio.create_task(read())
    with contextlib.suppress(ConnectionError):
        while True:
            at, data = await due.get()
            await asyncio.sleep(max(0.0, at - loop.time()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
    reading.cancel()
    writer.close()


async def main(host: str, port: int, seconds: float) -> None:
    """Serve until ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(passed(reader, back, 0.0), passed(there, writer, seconds))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    there, _, number = sys.argv[1].rpartition(":")
    asyncio.run(main(there, int(number), float(sys.argv[2])))
