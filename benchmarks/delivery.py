"""From pixels on the host to the PNG at the client, through each dialect, beside Pillow behind a plain FastAPI route.

Both sides have six photographs in memory. The plain server encodes one and answers. garret's stub of an engine shows it
in a worker process, from where it goes onto the disk and into the job's record before it goes to the client. The time
begins when the pixels are there, and ends with the last byte at the client; whole requests are in the notes.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import PIL.Image

from benchmarks.photographs import NAMES, SIDE, photographs
from benchmarks.report import Report
from benchmarks.runtime import LOGIN, PASSWORD, fake_by_hand, free_port
from garret.service_runtime.engine.fake import DATED

ROUNDS = int(os.environ.get("GARRET_BENCH_ROUNDS", "7"))
AT_LEAST, MOST_BYTES = 20, 1.20
_PEER = Path(__file__).parent / "peers/plain_fastapi.py"


@dataclass
class Door:
    """One connection that is kept open, as clients keep theirs."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str) -> bytes:
        """Return what a path answers."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: dict[str, Any], **headers: str) -> bytes:
        """Return what a body is answered."""
        told = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return self._ask("POST", path, json.dumps(body), told)

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> bytes:
        self._connection.request(method, path, body, {**self.headers, **headers})
        reply = self._connection.getresponse()
        data = reply.read()
        self.told = reply.headers
        if reply.status not in (200, 201, 202):
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]!r}")
        return data


FORMS = ("raw", "base64")
Samples = dict[str, dict[str, list[tuple[float, float]]]]
"""Seconds since the pixels were there, and of the request, by dialect or form of the plain server, and picture."""
Ask = Callable[[Door, int], bytes]
"""Ask for the picture of a seed; what comes back is as it came, so that a client's own decoding is not counted."""
_SIZE = {"width": SIDE, "height": SIDE}


def _native(door: Door, seed: int) -> bytes:
    job = json.loads(door.post("/v1/jobs?wait=60", {"prompt": "x", "seed": seed, "steps": 1, **_SIZE}))
    return door.get(f"/v1/jobs/{job['id']}/pictures/0")


def _a1111(door: Door, seed: int) -> bytes:
    return door.post("/sdapi/v1/txt2img", {"prompt": "x", "seed": seed, "steps": 1, **_SIZE})


def _dstack(door: Door, seed: int) -> bytes:
    said = json.loads(door.post("/generate", {"prompt": "x", "seed": seed, "steps": 1, **_SIZE}))
    return door.get(f"/download/{said['id']}")


def _openai(door: Door, seed: int) -> bytes:
    return door.post("/v1/images/generations", {"prompt": "x", "seed": seed, "steps": 1, "size": f"{SIDE}x{SIDE}"})


def _sagemaker(door: Door, seed: int) -> bytes:
    body = {"text_prompts": [{"text": "x"}], "seed": seed, "steps": 10, **_SIZE}
    return door.post("/invocations", body, Accept="application/json;png")


def _stability(door: Door, seed: int) -> bytes:
    body = {"text_prompts": [{"text": "x"}], "seed": seed, "steps": 10, **_SIZE}
    return door.post("/v1/generation/demo/text-to-image", body, Accept="image/png")


def _cog(door: Door, seed: int) -> bytes:
    return door.post("/predictions", {"input": {"prompt": "x", "seed": seed, "num_inference_steps": 1, **_SIZE}})


def _first_text(reply: bytes) -> str:
    """Return the longest text of a JSON reply: the picture."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from texts(inner)

    return max(texts(json.loads(reply)), key=len)


DIALECTS: dict[str, tuple[Ask, str]] = {
    "native": (_native, "raw"),
    "a1111": (_a1111, "base64"),
    "openai": (_openai, "base64"),
    "sagemaker": (_sagemaker, "base64"),
    "stability": (_stability, "raw"),
    "dstack": (_dstack, "raw"),
    "cog": (_cog, "base64"),
}
"""How each dialect is asked, and which route of the plain server answers alike."""


def measure() -> list[Report]:
    """Both sides in turns, for each picture and dialect; what came is decoded and compared."""
    samples: Samples = {name: {one: [] for one in NAMES} for name in (*DIALECTS, *FORMS)}
    sizes: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        pixels = photographs(folder)
        with _plain(pixels) as plain, fake_by_hand(folder / "garret", pixels, 0.0) as port:
            login = base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
            garret, peer = Door(port, {"Authorization": f"Basic {login}"}), Door(plain)
            for turn in range(-1, ROUNDS):
                for number in range(len(NAMES)):
                    _turn(turn, number, garret, peer, samples)
            for number, name in enumerate(NAMES):
                sizes[name] = _compare(pixels, number, garret, peer)
    return _reports(samples, sizes)


def _file(reply: bytes, form: str) -> bytes:
    return base64.b64decode(_first_text(reply).rpartition(",")[2]) if form == "base64" else reply


def _shown_at(png: bytes) -> float:
    text = str(PIL.Image.open(io.BytesIO(png)).info["parameters"])
    return float(text.rpartition(f"{DATED}: ")[2].partition(",")[0])


def _seed(number: int) -> int:
    """Return a seed for which the stub shows this picture; not 0, which is any seed to Stability's clients."""
    return (number + len(NAMES)) * SIDE


def _turn(turn: int, number: int, garret: Door, peer: Door, samples: Samples) -> None:
    """Take one sample of each; the first turn only warms."""
    asked: dict[str, Callable[[], bytes]] = {form: partial(peer.get, f"/{form}/{number}") for form in FORMS}
    asked |= {name: partial(ask, garret, _seed(number)) for name, (ask, _) in DIALECTS.items()}
    for name, work in asked.items():
        door, form = (peer, name) if name in FORMS else (garret, DIALECTS[name][1])
        asked_at = time.monotonic()
        reply = work()
        over = time.monotonic()
        if turn >= 0:
            began = float(door.told["x-began"]) if door is peer else _shown_at(_file(reply, form))
            samples[name][NAMES[number]].append((over - began, over - asked_at))


def _compare(pixels: Path, number: int, garret: Door, peer: Door) -> tuple[int, int]:
    """Decode a picture of each dialect, compare it with what was to be shown, and return the files' sizes."""
    with pixels.open("rb") as file:
        file.seek(number * SIDE * SIDE * 3)
        wanted = file.read(SIDE * SIDE * 3)
    size = 0
    for dialect, (ask, form) in DIALECTS.items():
        reply = ask(garret, _seed(number))
        png = _file(reply, form)
        assert PIL.Image.open(io.BytesIO(png)).convert("RGB").tobytes() == wanted, (dialect, number)
        size = max(size, len(png))
    return size, len(peer.get(f"/raw/{number}"))


def _reports(samples: Samples, sizes: dict[str, tuple[int, int]]) -> list[Report]:
    table = {
        dialect: {one: round(_median(samples[form][one]) / _median(samples[dialect][one]), 1) for one in NAMES}
        for dialect, (_, form) in DIALECTS.items()
    }
    slowest = min(table, key=lambda dialect: statistics.median(table[dialect].values()))
    notes: dict[str, object] = {
        "unit": "seconds from the pixels to the last byte of the answer, over a connection that is open",
        "times faster, each dialect": {name: round(statistics.median(row.values()), 1) for name, row in table.items()},
        "times faster, each picture": table,
        "medians in ms": {name: _medians(row, 0) for name, row in samples.items()},
        "medians in ms, from the request": {name: _medians(row, 1) for name, row in samples.items()},
        "bytes, ours to theirs": {name: round(mine / other, 3) for name, (mine, other) in sizes.items()},
        "ours and theirs are of the dialect": slowest,
    }
    form = DIALECTS[slowest][1]
    mine, other = _flat(samples[slowest]), _flat(samples[form])
    what = f"PNG at the client, ours / Pillow behind FastAPI, six photographs, slowest dialect ({slowest})"
    files = "bytes of the files, ours / Pillow's"
    return [
        Report("delivery", what, mine, other, at_most=1 / AT_LEAST, notes=notes),
        Report("delivery_bytes", files, [float(sum(one for one, _ in sizes.values()))],
               [float(sum(one for _, one in sizes.values()))], at_most=MOST_BYTES, notes={"each": sizes}),
    ]  # fmt: skip


def _median(samples: list[tuple[float, float]], what: int = 0) -> float:
    return statistics.median(sample[what] for sample in samples)


def _medians(row: dict[str, list[tuple[float, float]]], what: int) -> dict[str, float]:
    return {one: round(_median(samples, what) * 1000, 1) for one, samples in row.items()}


def _flat(row: dict[str, list[tuple[float, float]]]) -> list[float]:
    return [round(sample, 6) for samples in row.values() for sample, _ in samples]


@contextmanager
def _plain(pixels: Path) -> Iterator[int]:
    """Run the plain server and give its port when it answers."""
    port = free_port()
    told = {"BENCH_SIDE": str(SIDE), "BENCH_PICTURES": str(pixels), "BENCH_PORT": str(port)}
    process = subprocess.Popen([sys.executable, _PEER], env=os.environ | told)
    try:
        ends = time.monotonic() + 60
        while True:
            try:
                Door(port).get("/raw/0")
                break
            except OSError:
                if time.monotonic() > ends or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)
