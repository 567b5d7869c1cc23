"""A deployment on a local cloud whose every answer takes 50 ms longer, for benchmarks of what a person waits for."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from garret.settings import PRODUCTS

ROUND_TRIP_S = 0.05
ROUNDS = 15
GARRET = str(Path(sys.executable).with_name("garret"))
BARE, DELAY = (str(Path(__file__).with_name(name)) for name in ("bare.py", "delay.py"))
DEPLOY = ["deploy", "--cloud", "local", "--region", "cn-hangzhou", "--instance-type", "ecs.gn7i-c16g1.4xlarge", "--yes"]
ROS, ECS = "2019-09-10", "2014-05-26"


@dataclass(frozen=True)
class Far:
    """A deployed home; `facts` is what deploy said, `cloud` what `garret local up` says, `token` opens the service.

    `endpoint` is the door to the cloud behind which every answer takes longer.
    """

    environment: dict[str, str]
    endpoint: str
    facts: dict[str, Any]
    cloud: dict[str, Any]
    stack_id: str
    token: str

    def seconds(self, *command: str) -> float:
        """How long a command takes."""
        started = time.perf_counter()
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - started

    def calls(self) -> list[str]:
        """The actions that the cloud was asked for, as it counted them itself."""
        return [str(call["action"]) for call in self._own("/_garret/calls")["calls"]]

    def api(self, version: str, action: str, **parameters: str) -> dict[str, Any]:
        """A request to the cloud, for the bare interpreter."""
        wanted = {"RegionId": "cn-hangzhou", **parameters}
        return {"url": self.endpoint, "version": version, "action": action, "parameters": wanted}

    def service(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request to the service, for the bare interpreter."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        text = json.dumps(body) if body else ""
        return {"url": self.facts["endpoint"] + path, "method": method, "headers": headers, "body": text}

    def bare(self, folder: Path, waves: list[list[dict[str, Any]]]) -> list[str]:
        """The command that sends the same requests without garret."""
        keys = {"id": self.cloud["access_key_id"], "secret": self.cloud["access_key_secret"]}
        path = folder / "plan.json"
        path.write_text(json.dumps({"keys": keys, "waves": waves}), "utf-8")
        return [sys.executable, BARE, str(path)]

    def _own(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.cloud["endpoint"] + path, data)
        request.add_header("x-garret-secret", self.cloud["access_key_secret"])
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)


@contextmanager
def far(folder: Path) -> Iterator[Far]:
    """Deploy, then put the cloud far away."""
    environment = os.environ | {"GARRET_HOME": f"{folder}/home", "GARRET_CLOUD": "local", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules are what a user has after the first start
    try:
        facts = _json(environment, *DEPLOY)
        journal = Path(environment["GARRET_HOME"], "deployments", "local", "garret")
        events = [json.loads(line) for line in (journal / "journal.jsonl").read_text("utf-8").splitlines()]
        stack_id = next(event["stack_id"] for event in events if event["event"] == "created")
        token = json.loads((journal / "login.json").read_text("utf-8"))["token"]
        cloud = _json(environment, "local", "up")
        command = [sys.executable, DELAY, cloud["endpoint"].removeprefix("http://"), str(ROUND_TRIP_S)]
        door = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert door.stdout is not None
            endpoint = f"http://127.0.0.1:{door.stdout.readline().strip()}"
            doors = {f"GARRET_ENDPOINT_{product.upper()}": endpoint for product in PRODUCTS}
            yield Far(environment | doors, endpoint, facts, cloud, stack_id, token)
        finally:
            door.kill()
            door.wait()
    finally:
        subprocess.run([GARRET, "local", "down"], env=environment, check=False, stdout=subprocess.DEVNULL)


def compare(name: str, what: str, command: list[str], waves: Any) -> Report:
    """Time a garret command against its own requests sent by a bare interpreter, in turns; at most 1.5 times that."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder, far(Path(folder)) as place:
        bare = place.bare(Path(folder), waves(place))
        for _ in range(2):  # warm: modules compiled, files in memory
            place.seconds(GARRET, *command)
            place.seconds(*bare)
        before = place.calls()
        place.seconds(GARRET, *command)
        asked = place.calls()[len(before) :]
        for _ in range(ROUNDS):
            ours.append(place.seconds(GARRET, *command))
            theirs.append(place.seconds(*bare))
    needed = [request["action"] for wave in waves(place) for request in wave if "action" in request]
    notes: dict[str, object] = {
        "calls counted at the server": asked,
        "calls of the bare interpreter": needed,
        "seconds added to each round trip": ROUND_TRIP_S,
        "median seconds, ours and bare": [round(statistics.median(ours), 3), round(statistics.median(theirs), 3)],
    }
    assert sorted(asked) == sorted(needed), f"garret asked {asked}, the bare interpreter {needed}"
    return Report(name, what, ours, theirs, at_most=1.5, notes=notes)


def _json(environment: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run([GARRET, *arguments, "--json"], env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
