"""A service that is killed at random moments while somebody keeps asking for pictures, and what must be true then.

Nothing that was accepted vanishes, nothing is made twice for its caller to see, no picture is ever seen in part, and
who came first is served first.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from garret.service_runtime.png import SIGNATURE
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.living import Answer, Service, fake_settings, free_port, launch, wait

LOST = (OSError, http.client.HTTPException)
LATE_S = 1.0
"""Two pictures that are written side by side may end in either order."""
_OVER = ("Success", "Failed", "Cancelled", "Expired")


@dataclass
class Ledger:
    """What the callers were told, and what they saw, over all lives of the service."""

    accepted: list[str] = field(default_factory=list)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    ends: dict[str, tuple[str, float]] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    looks: int = 0

    def look(self, service: Service, job: dict[str, Any]) -> None:
        """Look at a job and its pictures: each is whole, and what was over once stays as it was."""
        self.looks += 1
        if job["state"] in _OVER and self.ends.setdefault(job["id"], (job["state"], job["ended_at"])) != (
            job["state"],
            job["ended_at"],
        ):
            self.wrong.append(f"{job['id']} ended twice")
        for one in job["pictures"]:
            answer = service.call("GET", one["url"])
            if answer.status != 200 or not is_whole(answer.body) or len(answer.body) != one["size"]:
                self.wrong.append(f"{one['url']}: {answer.status}, {len(answer.body)} of {one['size']} bytes")
                continue
            digest = hashlib.sha256(answer.body).hexdigest()
            if self.seen.setdefault(one["url"], digest) != digest:
                self.wrong.append(f"{one['url']} was made twice")


def is_whole(png: bytes) -> bool:
    """Say whether a file is a PNG to its last byte, every chunk as its checksum says."""
    at = len(SIGNATURE)
    if png[:at] != SIGNATURE:
        return False
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, end = png[at + 4 : at + 8], at + 8 + length
        if zlib.crc32(png[at + 4 : end]) != int.from_bytes(png[end : end + 4], "big"):
            return False
        at = end + 4
        if kind == b"IEND":
            return at == len(png)
    return False


@dataclass
class Killing:
    """The story; `chance` decides every moment."""

    folder: Path
    chance: random.Random
    longest_s: float = 1.2
    ledger: Ledger = field(default_factory=Ledger)

    def settings(self) -> ServiceSettings:
        """One worker, one picture at a time, so that there is an order to be kept."""
        return fake_settings(self.folder, port=free_port(), fake_seconds=0.03, max_batch=1, queue_limit=200)

    def run(self, rounds: int) -> Ledger:
        """Kill it so many times, then let it finish, and check everything."""
        settings = self.settings()
        for _ in range(rounds):
            service = launch(settings)
            try:
                self._live_for(service, self.chance.uniform(0.0, self.longest_s))
            finally:
                service.kill()
        last = launch(replace(settings, fake_seconds=0.0))
        try:
            last.wait_until("ok")
            self._check(last)
        finally:
            last.kill()
        return self.ledger

    def _live_for(self, service: Service, seconds: float) -> None:
        stop = threading.Event()
        callers = [
            threading.Thread(target=self._until, args=(stop, work, service)) for work in (self._ask, self._watch)
        ]
        for caller in callers:
            caller.start()
        time.sleep(seconds / 2)
        if self.chance.random() < 0.3:
            for worker in service.workers():
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        time.sleep(seconds / 2)
        service.process.kill()
        stop.set()
        for caller in callers:
            caller.join()

    def _until(self, stop: threading.Event, work: Any, service: Service) -> None:
        while not stop.is_set():
            try:
                work(service)
            except LOST:
                stop.wait(0.02)

    def _ask(self, service: Service) -> None:
        key = f"{self.chance.getrandbits(64):016x}"
        body = {
            "prompt": key,
            "width": 64,
            "height": 64,
            "steps": 3,
            "seed": 1,
            "n_iter": self.chance.choice((1, 1, 2)),
        }
        self.ledger.sent[key] = body
        answer = service.call("POST", "/v1/jobs", body, Idempotency_Key=key)
        if answer.status == 202:
            self.ledger.accepted.append(answer.json["id"])
            if self.chance.random() < 0.1:
                self._cancel(service, answer.json["id"])
        elif answer.status in (429, 503):
            del self.ledger.sent[key]
            time.sleep(0.05)
        else:
            self.ledger.wrong.append(f"POST: {answer.status} {answer.body[:200]!r}")
        time.sleep(self.chance.uniform(0.0, 0.05))

    def _cancel(self, service: Service, job_id: str) -> None:
        if service.call("DELETE", f"/v1/jobs/{job_id}").json["cancelled"]:
            self.ledger.cancelled.add(job_id)

    def _watch(self, service: Service) -> None:
        jobs = service.call("GET", "/v1/jobs?limit=20").json
        if jobs:
            self.ledger.look(service, self.chance.choice(jobs))

    def _check(self, service: Service) -> None:
        ledger = self.ledger
        for key, body in ledger.sent.items():
            answer = self._again(service, key, body)
            if answer.status not in (200, 202):
                ledger.wrong.append(f"POST again: {answer.status} {answer.body[:200]!r}")
            elif answer.json["id"] not in ledger.accepted:
                ledger.accepted.append(answer.json["id"])
        wait(lambda: all(job["state"] in _OVER for job in self._jobs(service)), 60, "everything to be over")
        jobs = {job["id"]: job for job in self._jobs(service)}
        if set(jobs) != set(ledger.accepted):
            ledger.wrong.append(f"{len(jobs)} jobs are there, {len(ledger.accepted)} were accepted")
        for job in jobs.values():
            ledger.look(service, job)
            self._check_end(job)
        self._check_order([job for job in jobs.values() if job["state"] == "Success"])
        there = sum(1 for _ in (self.folder / "state" / "results").iterdir())
        shown = sum(len(job["pictures"]) for job in jobs.values())
        if there != shown:
            ledger.wrong.append(f"{there} files for {shown} pictures")

    def _again(self, service: Service, key: str, body: dict[str, Any]) -> Answer:
        while True:
            answer = service.call("POST", "/v1/jobs", body, Idempotency_Key=key)
            if answer.status != 429:
                return answer
            time.sleep(0.1)

    def _check_end(self, job: dict[str, Any]) -> None:
        state, wanted = job["state"], job["request"]["n_iter"]
        if job["id"] in self.ledger.cancelled:
            right = state == "Cancelled"
        elif state == "Failed":
            # Three ends of the service while it ran, or two of its worker: it may be what ends them, and is told so.
            right = any(text in job["error"]["message"] for text in ("the service ended 3 times", "tried 2 times"))
        elif state == "Cancelled":
            right = True  # the answer to who cancelled it was lost
        else:
            right = state == "Success" and len(job["pictures"]) == wanted
        if not right:
            self.ledger.wrong.append(f"{job['id']} is {state} with {len(job['pictures'])} of {wanted}: {job['error']}")

    def _check_order(self, done: list[dict[str, Any]]) -> None:
        latest = 0.0
        for job in sorted(done, key=lambda job: float(job["created_at"])):
            if job["ended_at"] < latest - LATE_S:
                self.ledger.wrong.append(f"{job['id']} was overtaken by {latest - job['ended_at']:.1f} s")
            latest = max(latest, job["ended_at"])

    def _jobs(self, service: Service) -> list[dict[str, Any]]:
        return list(self._pages(service))

    def _pages(self, service: Service) -> Iterator[dict[str, Any]]:
        before = ""
        while page := service.call("GET", f"/v1/jobs?limit=500&before={before}").json:
            yield from page
            before = page[-1]["id"]


def killed(folder: Path, rounds: int, seed: int, longest_s: float = 1.2) -> Ledger:
    """Run the story in a folder; what is in `wrong` should not have been."""
    with suppress(FileExistsError):
        folder.mkdir()
    return Killing(folder, random.Random(seed), longest_s).run(rounds)
