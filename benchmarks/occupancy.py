"""How much of its time an accelerator works when eight clients ask for pictures: garret, and two servers beside it.

The accelerator is a stub that holds 0.25 s a picture without Python's lock; pictures are 1024 x 1024 with a
photograph's entropy, encoded as PNG and sent as base64 in JSON. Occupancy is pictures per second times 0.25.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.natural import natural_rgb
from benchmarks.report import Report
from benchmarks.runtime import LOGIN, PASSWORD, fake_by_hand, free_port

SIDE, SECONDS, CLIENTS = 1024, 0.25, 8
ROUNDS, WARM_S, MEASURED_S = (
    int(os.environ.get("GARRET_BENCH_ROUNDS", "3")),
    3.0,
    float(os.environ.get("GARRET_BENCH_OCCUPANCY_S", "20")),
)
PEERS = Path(__file__).parent / "peers"
PACKAGES = ("litserve==0.2.19", "bentoml==1.4.39", "numpy>=2,<3", "pillow>=11,<14")
VARIANTS = ("litserve inline", "litserve off-thread", "bentoml inline", "bentoml off-thread")


def measure() -> Report:
    """All in turns, in one run; each round starts its server anew."""
    samples: dict[str, list[float]] = {name: [] for name in ("garret", *VARIANTS)}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        rgb = folder / "picture.rgb"
        rgb.write_bytes(natural_rgb(SIDE))
        python = _peers_python(folder)
        for number in range(ROUNDS):
            with fake_by_hand(folder / str(number), rgb, SECONDS) as port:
                samples["garret"].append(_occupancy(port, "/sdapi/v1/txt2img", _ours, login=True))
            for name in VARIANTS:
                with _peer(python, name, rgb) as port:
                    samples[name].append(_occupancy(port, "/predict", _theirs))
    best = max(VARIANTS, key=lambda name: sorted(samples[name])[ROUNDS // 2])
    notes: dict[str, object] = {
        "unit": "pictures per second x 0.25 s",
        "clients": CLIENTS,
        "seconds measured": MEASURED_S,
        "all": samples,
        "theirs is the accelerator's whole time; beside it the best of": best,
    }
    ones = [1.0] * ROUNDS
    return Report(
        "occupancy", "share of its time that the stub works", samples["garret"], ones, at_least=0.98, notes=notes
    )


def _ours(seed: int) -> dict[str, object]:
    return {"prompt": "x", "seed": seed, "steps": 5, "width": SIDE, "height": SIDE}


def _theirs(seed: int) -> dict[str, object]:
    return {"seed": seed}


def _occupancy(port: int, path: str, body: Callable[[int], dict[str, object]], *, login: bool = False) -> float:
    """Let the clients ask for as long as it is measured, and return the share."""
    headers = {"Content-Type": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
    seeds = itertools.count(1)
    ends: list[float] = []
    problems: list[str] = []
    over = threading.Event()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while not over.is_set():
            connection.request("POST", path, json.dumps(body(next(seeds))), headers)
            reply = connection.getresponse()
            data = reply.read()
            if reply.status != 200 or len(data) < SIDE * SIDE:
                problems.append(f"{reply.status} {data[:200]!r}")
                return
            ends.append(time.perf_counter())
        connection.close()

    clients = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    time.sleep(WARM_S + MEASURED_S)
    over.set()
    for thread in clients:
        thread.join(120)
    if problems:
        raise RuntimeError(problems[0])
    return _share(sorted(ends))


def _share(ends: list[float]) -> float:
    """Return the share between the first answer after the warm time and the last one before the end."""
    first = ends[0] + WARM_S
    counted = [end for end in ends if first <= end <= first + MEASURED_S]
    return (len(counted) - 1) / (counted[-1] - counted[0]) * SECONDS


@contextmanager
def _peer(python: Path, name: str, rgb: Path) -> Iterator[int]:
    """Run one of the other servers."""
    server, mode = name.split()
    port = free_port()
    told = {"BENCH_SIDE": SIDE, "BENCH_SECONDS": SECONDS, "BENCH_PICTURE": rgb, "BENCH_PORT": port, "BENCH_MODE": mode}
    environment = {**os.environ, **{key: str(value) for key, value in told.items()}, "BENTOML_DO_NOT_TRACK": "true"}
    commands = {
        "litserve": [str(python), "litserve_server.py", mode],
        "bentoml": [str(python), "-m", "bentoml", "serve", "bentoml_server:Painter", "--host", "127.0.0.1", "--port",
                    str(port)],
    }  # fmt: skip
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            commands[server], cwd=PEERS, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(port, process)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", "/predict", '{"seed": 0}', {"Content-Type": "application/json"})
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise RuntimeError("the server did not come up")


def _peers_python(folder: Path) -> Path:
    """Make an environment of the peers' own, unless one is named that is there already."""
    if "GARRET_BENCH_PEERS_PYTHON" in os.environ:
        return Path(os.environ["GARRET_BENCH_PEERS_PYTHON"])
    subprocess.run([sys.executable, "-m", "venv", folder / "peers"], check=True)
    python = folder / "peers" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python
