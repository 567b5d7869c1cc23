"""Clients that stall, 600 of them in six ways: the front drops them all, and answers the others meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from tests.image_bootstrap.front import Running, echo, needs_nginx, percentile, running_front, trusting

pytestmark = needs_nginx

CLIENTS = 600
DROPPED_WITHIN_S = 30.0
HEALTH_P99_S = 0.2
HEALTH_EVERY_S = 0.05


class Stalled:
    """Clients in a thread of their own; `dropped` has the seconds after which each was let go."""

    def __init__(self, front: Running) -> None:
        self._front = front
        self.dropped: list[tuple[str, float]] = []
        self.all_there = threading.Event()
        self._there = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def start(self) -> None:
        """Let them come."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the last is gone."""
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Say whether anybody is still connected."""
        return self._thread.is_alive()

    async def _all(self) -> None:
        gate = asyncio.Semaphore(40)
        ways = (self._no_handshake, self._silence, self._half_a_head, self._half_a_body, self._drops, self._idle)
        await asyncio.gather(*(self._one(gate, ways[number % len(ways)]) for number in range(CLIENTS)))

    async def _one(self, gate: asyncio.Semaphore, way) -> None:  # type: ignore[no-untyped-def]
        async with gate:
            context = None if way == self._no_handshake else trusting()
            reader, writer = await asyncio.open_connection("127.0.0.1", self._front.port, ssl=context)
        began = time.monotonic()
        self._there += 1
        if self._there == CLIENTS:
            self.all_there.set()
        try:
            await asyncio.wait_for(way(reader, writer), 2 * DROPPED_WITHIN_S)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except TimeoutError:
            self.dropped.append((way.__name__, float("inf")))
            return
        finally:
            writer.transport.abort()
        self.dropped.append((way.__name__, time.monotonic() - began))

    async def _no_handshake(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    _silence = _no_handshake

    async def _half_a_head(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Half: ")
        await reader.read()

    async def _half_a_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100)
        await reader.read()

    async def _drops(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
        while True:
            try:
                await asyncio.wait_for(reader.readexactly(1), 2)
            except TimeoutError:
                writer.write(b"a")

    async def _idle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()


def ask_health(front: Running, while_there: Stalled) -> list[float]:
    """Ask again and again, each time anew, and return the seconds that each answer took."""
    took = []
    while while_there.alive:
        began = time.monotonic()
        answer = front.call("GET", "/healthz")
        took.append(time.monotonic() - began)
        assert answer.status == 200
        time.sleep(HEALTH_EVERY_S)
    return took


def test_600_stalled_clients_are_dropped_while_healthz_answers(tmp_path: Path) -> None:
    """Within half a minute, whichever way they stall, also those that send a byte now and then."""
    with echo() as service, running_front(tmp_path, service.server_port) as front:
        stalled = Stalled(front)
        stalled.start()
        assert stalled.all_there.wait(30)
        took = ask_health(front, stalled)
        stalled.join()
        assert len(stalled.dropped) == CLIENTS
        slowest = max(stalled.dropped, key=lambda one: one[1])
        print(f"last dropped: {slowest}; /healthz {len(took)} times, p99 {percentile(took, 0.99) * 1000:.1f} ms")  # noqa: T201
        assert slowest[1] <= DROPPED_WITHIN_S
        assert percentile(took, 0.99) <= HEALTH_P99_S
