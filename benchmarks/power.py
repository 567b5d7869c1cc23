"""`garret ops stop` and `garret ops start`: how late they see what the cloud has done, and where their seconds go.

The bound is kept by the verbs' own code on a simulated clock, against machines and services that are ready at times
of a script. Beside it, on real nodes of the local cloud: each stage, and what the cloud itself takes for the same,
asked by a program that does nothing else.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.control_plane import GARRET, Far, far
from benchmarks.report import Report
from garret.errors import GarretError
from garret.ops.aliyun.connect import connect
from garret.ops.aliyun.session import Keys
from garret.ops.cloud import Cloud, Instance
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, named
from garret.ops.endpoint import endpoint_at
from garret.ops.start import start
from garret.ops.stop import stop
from garret.settings import PRODUCTS
from tests.ops.fake import PICTURE, FakeClock, FakeInstances, Listener, World, cloud_of, deployment_in
from tests.ops.test_status import deployed

READY = tuple(range(12, 301, 6))
"""When what is waited for is there, in seconds."""
ROUNDS = 3
AT_MOST = 1.05
JOB = {"id": "1", "url": "/v1/jobs/1", "state": "Success", "ended_at": 1.0, "pictures": [{"number": 0, "url": ""}]}


@dataclass
class Script(FakeInstances):
    """A machine that has stopped, or runs, `takes` seconds after it was asked."""

    clock: FakeClock = field(default_factory=FakeClock)
    takes: float = 0.0
    there_at: float = 0.0
    looks: int = 0

    def get(self, instance_id: str) -> Instance | None:
        """Look once."""
        self.looks += 1
        found = super().get(instance_id)
        between = {"Stopped": "Stopping", "Running": "Starting"}
        if found is None or self.clock.now >= self.there_at:
            return found
        return replace(found, status=between[found.status])

    def _become(self, instance_id: str, status: str, action: str, mode: str) -> None:
        super()._become(instance_id, status, action, mode)
        self.there_at = self.clock.now + self.takes


def measure() -> Report:
    """All ready times on the simulated clock, then a few rounds on a real node."""
    lost: dict[str, list[float]] = {"stop": [], "start": []}
    looks = 0
    with tempfile.TemporaryDirectory() as folder:
        for ready in READY:
            for verb, (ratio, looked) in _scripted(Path(folder, str(ready)), ready).items():
                lost[verb].append(ratio)
                looks += looked
        stages = _stages(Path(folder))
    both = [*lost["stop"], *lost["start"]]
    notes: dict[str, object] = {
        "mean of seen / ready": {verb: round(statistics.fmean(ratios), 4) for verb, ratios in lost.items()},
        "worst": round(max(both), 4),
        "looks at the cloud in each wait, on average": round(looks / len(both), 1),
        "stages on a real node of the local cloud, median seconds": stages,
    }
    what = f"seconds until a verb sees it / seconds until it is so, scripted at {READY[0]} to {READY[-1]} s (means)"
    return Report("power", what, [statistics.fmean(both)], [1.0], at_most=AT_MOST, notes=notes)


def _scripted(folder: Path, ready: float) -> dict[str, tuple[float, int]]:
    """Stop and start where the machine takes so long for each, and the service half of that again."""
    clock, world = FakeClock(), World()
    gate: list[float] = [0.0]
    with _service(clock, gate) as url:
        world.endpoint = url
        deployed(world, folder)
        slow = Script(world, clock, ready)
        role: Any = slow
        cloud = replace(cloud_of(world, clock), instances=role, poll_s=5.0)
        one, found = deployment_in(folder), {}
        began = clock.now
        stop(cloud, one, Listener(), Crash(), now=True)
        found["stop"] = (clock.now - began) / ready, slow.looks
        began, slow.looks = clock.now, 0
        gate[0] = began + ready * 1.5
        start(cloud, one, Listener(), Crash())
        found["start"] = (clock.now - began) / (ready * 1.5), slow.looks
    return found


@contextmanager
def _service(clock: FakeClock, ready_at: list[float]) -> Iterator[str]:
    """A service that makes pictures from its time on."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = clock.now >= ready_at[0]
            data = json.dumps(JOB if there else {"errors": "starting"}).encode()
            if there and "/pictures/" in self.path:
                data = PICTURE
            self.send_response(200 if there else 503)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _stages(folder: Path) -> dict[str, dict[str, float]]:
    """Stop and start by turns, with garret and bare; medians of each stage."""
    times: dict[str, list[dict[str, float]]] = {"garret": [], "the cloud itself": []}
    with far(folder) as place:
        for _ in range(ROUNDS):
            times["the cloud itself"].append(_bare(place))
            times["garret"].append(_with_garret(place))
    return {who: {name: _median(rounds, name) for name in rounds[0]} for who, rounds in times.items()}


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return round(statistics.median(one.get(name, 0.0) for one in rounds), 2)


def _with_garret(place: Far) -> dict[str, float]:
    """Wall time of both commands, and the parts that their executions tell."""
    found = {}
    for verb in (("stop", "--now"), ("start",)):
        found[f"{verb[0]}, the whole command"] = place.seconds(GARRET, "ops", *verb)
        folder = Path(place.environment["GARRET_HOME"], "deployments/local/garret/executions")
        records = [json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")]
        newest = max(records, key=lambda one: str(one["created_at"]))
        found |= {f"{verb[0]}, {task['name']}": task["seconds"] for task in newest["tasks"]}
    return found


def _bare(place: Far) -> dict[str, float]:
    """The same calls by hand, looked at without a pause that anybody would notice."""
    home = Path(place.environment["GARRET_HOME"])
    keys = Keys(place.cloud["access_key_id"], place.cloud["access_key_secret"])
    cloud = connect("local", "cn-hangzhou", dict.fromkeys(PRODUCTS, place.endpoint), keys, scheme="http")
    one = named(home / "deployments/local", "garret")
    found, machine = {}, str(place.facts["instance_id"])
    began = time.perf_counter()
    cloud.instances.stop(machine, economical=True)
    _until(cloud, machine, "Stopped")
    found["stop, machine"] = time.perf_counter() - began
    began = time.perf_counter()
    cloud.instances.start(machine)
    _until(cloud, machine, "Running")
    found["start, machine"] = time.perf_counter() - began
    began = time.perf_counter()
    _picture(one)
    found["start, until a picture"] = time.perf_counter() - began
    return found


def _until(cloud: Cloud, machine: str, status: str) -> None:
    while (found := cloud.instances.get(machine)) is None or found.status != status:
        time.sleep(0.01)


def _picture(one: Deployment) -> None:
    login = one.login
    assert login is not None
    service = endpoint_at(login)
    while True:
        try:
            service.pictures({"prompt": "a red circle on a blue background", "seed": 1})
        except GarretError:
            time.sleep(0.01)
        else:
            return
