"""Our download with its SHA-256 checked, against curl that throws the bytes away and aria2c with sha256sum after it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.nginx import Nginx, nginx
from benchmarks.report import Report

BYTES = 3_000_000_000
ROUNDS = 5
CONNECTIONS = 4
BYTES_PER_S = 100_000_000
KILLS = 3
BOUNDS = {
    "download_ceiling": 0.45,
    "download_aria2": 3.0,
    "download_limited_ceiling": 0.97,
    "download_limited_aria2": 2.1,
}
_HEADER = json.dumps({"noise": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}})
_OURS = """
import sys
from pathlib import Path
from garret.service_runtime.downloads import download
from garret.service_runtime.fetching import Policy
from garret.service_runtime.transfer import Surroundings, Wanted
url, folder, sha256 = sys.argv[1:]
around = Surroundings(policy=Policy(allow_private=True, allow_plain_http=True))
print(download(Wanted(url, Path(folder), "noise", sha256), around).bytes_fetched)
"""


@dataclass(frozen=True)
class Served:
    """Random bytes with a safetensors header in front, in a folder in memory; `to` is where they are fetched to."""

    root: Path
    name: str
    size: int
    sha256: str
    to: Path


@dataclass
class Sample:
    """What one client did: wall and processor seconds, one a round."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def measure(size: int = BYTES, rounds: int = ROUNDS, kills: int = KILLS, rate: int = BYTES_PER_S) -> list[Report]:
    """Measure without a limit, with one per connection, and how much is fetched again after kill -9."""
    missing = [program for program in ("curl", "aria2c", "openssl") if not shutil.which(program)]
    if missing:
        raise SystemExit(f"the benchmark compares with {', '.join(missing)}: apt-get install curl aria2 openssl")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        served = make_noise(Path(folder) / "www", size)
        reports = []
        for limit in (0, rate):
            with nginx(served.root, Path(folder) / f"nginx-{limit}", limit) as server:
                reports += _compare(served, server.url(served.name), rounds, limit)
        with nginx(served.root, Path(folder) / "nginx-killed", rate) as server:
            reports.append(killed(served, server, kills, rate))
        return reports


def make_noise(root: Path, size: int) -> Served:
    """Write the file that is fetched."""
    root.mkdir()
    data = size - 8 - len(_HEADER) - 64
    header = json.dumps({"noise": {"dtype": "U8", "shape": [data], "data_offsets": [0, data]}}).encode()
    header = header.ljust(size - 8 - data)
    digest = hashlib.sha256()
    with (root / "noise.safetensors").open("wb") as file:
        for block in (len(header).to_bytes(8, "little") + header, *_noise(data)):
            file.write(block)
            digest.update(block)
    return Served(root, "noise.safetensors", size, digest.hexdigest(), root.with_name("to"))


def _noise(size: int) -> list[bytes] | map[bytes]:
    blocks = [1 << 20] * (size >> 20) + [size & (1 << 20) - 1]
    return map(os.urandom, blocks)


def _compare(served: Served, url: str, rounds: int, limit: int) -> list[Report]:
    """All clients in turn, the order reversed every other round."""
    to = served.to
    sequence: dict[str, Callable[[], list[list[str]]]] = {
        "curl to /dev/null": lambda: _curl(url, served.size, CONNECTIONS if limit else 1),
        "garret": lambda: [ours(served, url)],
        "aria2c + sha256sum": lambda: [_aria2(url, to), ["sha256sum", str(to / served.name)]],
    }
    if not limit:
        sequence["aria2c + openssl dgst"] = lambda: [
            _aria2(url, to),
            ["openssl", "dgst", "-sha256", str(to / served.name)],
        ]
    limited = "limited" if limit else ""
    samples = {client: Sample() for client in sequence}
    for number in range(0 if limit else -1, rounds):
        for client in list(sequence)[:: 1 if number % 2 else -1]:
            wall, processor = _timed(sequence[client](), to, served.sha256)
            if number >= 0:  # The first round only warms up.
                samples[client].wall.append(wall)
                samples[client].processor.append(processor)
                print(f"{client:<22}{'limited' if limit else '':<8}{served.size / wall / 1e9:6.3f} GB/s", flush=True)
    notes = _notes(served, samples, limit)
    limited = f"{limit / 1e6:g} MB/s per connection" if limit else "no limit"
    reports = []
    for short, other in (("ceiling", "curl to /dev/null"), ("aria2", "aria2c + sha256sum")):
        name = f"download_limited_{short}" if limit else f"download_{short}"
        pair = ([served.size / wall / 1e9 for wall in samples[client].wall] for client in ("garret", other))
        reports.append(Report(name, f"garret / {other}, {limited}", *pair, at_least=BOUNDS[name], notes=notes))
    return reports


def ours(served: Served, url: str) -> list[str]:
    """The command that downloads with garret, as a node does it."""
    return [sys.executable, "-c", _OURS, url, str(served.to), served.sha256]


def _curl(url: str, size: int, connections: int) -> list[list[str]]:
    """One curl, or as many side by side as the others have connections."""
    step = -(-size // connections)
    one = "curl --silent --fail --output /dev/null --range {}-{} " + url
    parts = [one.format(at, min(at + step, size) - 1) for at in range(0, size, step)]
    return [["sh", "-c", " & ".join(parts) + " & wait"]] if connections > 1 else [parts[0].split()]


def _aria2(url: str, to: Path) -> list[str]:
    options = f"--quiet --no-conf --file-allocation=none -x {CONNECTIONS} -s {CONNECTIONS} -k 1M --dir={to}"
    return ["aria2c", *options.split(), url]


def _timed(commands: list[list[str]], to: Path, sha256: str) -> tuple[float, float]:
    """Run one client's programs one after the other; a wrong hash ends the benchmark."""
    to.mkdir()
    before, started = os.times(), time.perf_counter()
    for command in commands:
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall = time.perf_counter() - started
    after = os.times()
    if commands[-1][0] in ("sha256sum", "openssl") and sha256 not in said:
        raise SystemExit(f"{commands[-1][0]} says {said}")
    shutil.rmtree(to)
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def _notes(served: Served, samples: dict[str, Sample], limit: int) -> dict[str, object]:
    speeds = {client: [served.size / wall / 1e9 for wall in sample.wall] for client, sample in samples.items()}
    gigabytes = served.size / 1e9
    return {
        "unit": "GB/s, SHA-256 checked but for curl",
        "bytes": served.size,
        "connections": CONNECTIONS,
        "limit per connection, bytes per second": limit or None,
        "all clients, GB/s": speeds,
        "all clients, median": {client: round(statistics.median(all_), 3) for client, all_ in speeds.items()},
        "processor seconds per GB, median, without the server's": {
            client: round(statistics.median(sample.processor) / gigabytes, 2) for client, sample in samples.items()
        },
        "peer's hash": "sha256sum of coreutils; the one of openssl is much faster, see its samples without a limit",
    }


def killed(served: Served, server: Nginx, kills: int, rate: int) -> Report:
    """Kill the client at a random moment, start it again, and count at the server."""
    chance, sent, sizes = random.Random(5), [], []
    whole_s = served.size / (rate * CONNECTIONS)
    for _ in range(kills):
        before = server.sent()
        served.to.mkdir()
        command = ours(served, server.url(served.name))
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            time.sleep(whole_s * chance.uniform(0.2, 0.9))
            process.send_signal(signal.SIGKILL)
        subprocess.run(command, check=True, capture_output=True)
        time.sleep(0.5)  # nginx notes a request when it has noticed that nobody listens any more.
        sent.append(float(server.sent() - before))
        sizes.append(float(served.size))
        shutil.rmtree(served.to)
    notes: dict[str, object] = {"unit": "bytes", "counted": "at the server, with what was on its way when it was cut"}
    return Report("download_killed", "bytes sent, with a kill -9 / size", sent, sizes, at_most=1.02, notes=notes)
