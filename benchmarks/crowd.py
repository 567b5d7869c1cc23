"""200 clients at once, 1 s a picture, two cores: what is accepted is made, what is refused is told so soon.

Half of the clients speak A1111's API and wait for their picture, half hand in a job and come back for it. All begin in
the same moment, and whoever is refused comes back when told. Another process asks /healthz all the while.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.natural import natural_rgb
from benchmarks.report import Report
from benchmarks.runtime import LOGIN, PASSWORD, fake_by_hand

CLIENTS = int(os.environ.get("GARRET_BENCH_CLIENTS", "200"))
SIDE, SECONDS = 1024, 1.0
ASKING_S = float(os.environ.get("GARRET_BENCH_CROWD_S", "60"))
WITHIN_S = 0.1
# Asks 20 times a second, each time over a connection of its own, as a balancer's look does.
_PROBE = """
import http.client, sys, time
port = int(sys.argv[1])
while True:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/healthz")
    reply = connection.getresponse()
    reply.read()
    assert reply.status == 200
    connection.close()
    took = time.perf_counter() - began
    print(took, flush=True)
    time.sleep(max(0.0, 0.05 - took))
"""


@dataclass
class Seen:
    """What the clients saw: seconds of refusals, in the first moment and after it, and jobs by what became of them."""

    at_first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    pictures: int = 0
    jobs: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Line:
    """One client's connection, with no more of HTTP than this needs, so that the crowd costs the machine little."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._port = port
        self._head = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        found = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines[1:] if line)}
        if found.get("connection") == "close":
            self.close()
        return int(lines[0].split()[1]), found, await reader.readexactly(int(found["content-length"]))

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def measure() -> list[Report]:
    """One run; every number is against a bound in seconds."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        rgb = folder / "picture.rgb"
        rgb.write_bytes(natural_rgb(SIDE))
        with fake_by_hand(folder / "garret", rgb, SECONDS) as port:
            probe = subprocess.Popen([sys.executable, "-c", _PROBE, str(port)], stdout=subprocess.PIPE, text=True)
            try:
                seen = asyncio.run(crowd(port, CLIENTS, ASKING_S))
            finally:
                probe.terminate()
                looks = [float(line) for line in probe.communicate()[0].split()]
    return _reports(seen, looks)


async def crowd(port: int, clients: int, asking_s: float) -> Seen:
    """Let the clients ask for so long, and wait for all that was accepted."""
    seen, seeds = Seen(), itertools.count(1)
    login = base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    began = time.perf_counter()
    over = began + asking_s

    async def client(number: int) -> None:
        line = Line(port, headers)
        first = True
        while time.perf_counter() < over:
            body = {"prompt": "x", "seed": next(seeds), "steps": 4, "width": SIDE, "height": SIDE}
            asked = time.perf_counter()
            try:
                status, told, reply = await line.ask("POST", "/v1/jobs" if number % 2 else "/sdapi/v1/txt2img", body)
            except (OSError, EOFError, asyncio.IncompleteReadError) as error:
                seen.lost.append(f"{type(error).__name__}: {error}")
                line.close()
                continue
            took = time.perf_counter() - asked
            if status == 429:
                (seen.at_first if first else seen.later).append(took)
                line.close()  # a server keeps no silent connection for as long as some have to wait
                await asyncio.sleep(min(float(told["retry-after"]), max(0.0, over - time.perf_counter())))
            elif status == 200:
                seen.pictures += len(json.loads(reply)["images"])
            elif status == 202:
                job = json.loads(reply)["id"]
                seen.jobs.append(job)
                while json.loads((await line.ask("GET", f"/v1/jobs/{job}?wait=60"))[2])["ended_at"] is None:
                    pass
            else:
                seen.lost.append(f"{status} {reply[:200]!r}")
            first = False
        line.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    line = Line(port, headers)
    for job in seen.jobs:
        status, _, png = await line.ask("GET", f"/v1/jobs/{job}/pictures/0")
        if status != 200 or len(png) < SIDE * SIDE:
            seen.lost.append(f"{job}: {status}")
    line.close()
    return seen


def _reports(seen: Seen, looks: list[float]) -> list[Report]:
    refused = seen.at_first + seen.later
    made = seen.pictures + len(seen.jobs)
    notes: dict[str, object] = {
        "unit": "seconds; theirs is the bound, of every one of them",
        "clients": CLIENTS,
        "seconds of asking": ASKING_S,
        "accepted and made": made,
        "accepted and lost": seen.lost,
        "refused": len(refused),
        "refused in the first moment": _spread(seen.at_first),
        "refused later": _spread(seen.later),
        "/healthz": _spread(looks),
    }
    assert not seen.lost, seen.lost[:5]
    return [
        Report("crowd_health", f"p99 of /healthz while {CLIENTS} clients ask, of 0.1 s", [_share(looks, 0.99)],
               [WITHIN_S], at_most=1.0, notes=notes),
        Report("crowd_refusals", f"p99 of {len(refused)} refusals, of 0.1 s; {made} jobs made, none lost",
               [_share(refused, 0.99)], [WITHIN_S], at_most=1.0, notes=notes),
    ]  # fmt: skip


def _spread(samples: list[float]) -> dict[str, float]:
    named = (("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1.0))
    return {"count": len(samples), **{name: round(_share(samples, share), 4) for name, share in named if samples}}


def _share(samples: list[float], share: float) -> float:
    """Return what this share of the samples does not exceed."""
    return sorted(samples)[max(0, round(share * len(samples)) - 1)]
