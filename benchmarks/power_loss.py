"""The power goes at a random moment: does the disk hold every accepted job, and every picture whole that was shown?

A whole service runs under strace; what its disk may hold after each moment follows from its system calls.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.disk_model import CALLS, Call, Disk, calls
from benchmarks.report import Report
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import CANCELLED, SUCCESS
from tests.service_runtime.killing import is_whole
from tests.service_runtime.living import Service, children, fake_settings, free_port, wait

JOBS = int(os.environ.get("GARRET_BENCH_POWER_JOBS", "30"))
MOMENTS = int(os.environ.get("GARRET_BENCH_POWER_MOMENTS", "1000"))
_TOLD = re.compile(rb'"id": ?"([0-9a-f]{32})", ?"owner": ?"[^"]*", ?"state": ?"(\w+)"')


def measure() -> Report:
    """Moments after which everything promised was there, over all that were tried."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = list(calls(_recorded(folder)))
        disk, told = Disk(str(folder / "state")), _told(done)
        for call in done:
            disk.take(call)
        chance, wrong = random.Random(1), []
        first = min(told.values(), default=(0, ""))[0]
        for _ in range(MOMENTS):
            moment = chance.randrange(first, done[-1].end + 2)
            found = _check(disk, moment, told, chance, folder / "after")
            wrong += found[:1]
    notes: dict[str, object] = {"unit": "moments", "calls": len(done), "jobs": JOBS, "wrong": wrong[:20]}
    right = float(MOMENTS - len(wrong))
    return Report("power_loss", "moments survived / moments", [right], [float(MOMENTS)], at_least=1.0, notes=notes)


def _recorded(folder: Path) -> Path:
    """Run a service that makes some jobs, and return the record of its calls."""
    settings = fake_settings(folder, port=free_port(), fake_seconds=0.02)
    record = folder / "calls.txt"
    watcher = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "300000", "-e", f"trace={CALLS}", "-o", str(record)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
    process = subprocess.Popen(
        [*watcher, sys.executable, "-m", "garret.service_runtime"],
        env={**kept, **settings.to_env()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    service = Service(process, "127.0.0.1", settings.port)
    try:
        service.wait_until("ok", timeout=120)
        for number in range(JOBS):
            body = {"prompt": str(number), "width": 64, "height": 64, "steps": 2, "n_iter": 1 + number % 3}
            job = service.call("POST", "/v1/jobs", body).json
            if number % 7 == 3:
                service.call("DELETE", job["url"])
            elif number % 2:
                service.call("GET", f"{job['url']}?wait=20")
        wait(lambda: all(job["ended_at"] for job in service.call("GET", "/v1/jobs").json), 120, "all to be over")
    finally:
        # strace itself passes no signal on, and ends with the service.
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=60)
    return record


def _told(done: list[Call]) -> dict[tuple[str, str], tuple[int, str]]:
    """Which states of which jobs callers were told of, and when."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for call in done:
        if call.name == "sendto":
            for job_id, state in _TOLD.findall(call.texts[0]):
                key = (job_id.decode(), state.decode())
                found[key] = min(found.get(key, (call.begin, "")), (call.begin, ""))
    return found


def _check(disk: Disk, moment: int, told: Any, chance: random.Random, into: Path) -> list[str]:
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    disk.after(moment, chance, into)
    try:
        return [f"at {moment}: {text}" for text in _wrong(into, moment, told)]
    except sqlite3.Error as error:
        return [f"at {moment}: {error}"]


def _wrong(state: Path, moment: int, told: Any) -> list[str]:
    with closing(JobStore(state / "jobs.sqlite")) as store:
        jobs = {job.id: job for job in store.recent("local", 10_000)}
    wrong = []
    for (job_id, state_told), (at, _) in told.items():
        if at < moment and job_id not in jobs:
            wrong.append(f"{job_id} is not there")
        elif at < moment and state_told in (SUCCESS, CANCELLED) and jobs[job_id].state != state_told:
            wrong.append(f"{job_id} is {jobs[job_id].state} and was {state_told}")
    for job in jobs.values():
        if job.state == SUCCESS and len(job.pictures) != job.request.count:
            wrong.append(f"{job.id} has {len(job.pictures)} pictures")
        for kept in job.pictures.values():
            path = state / "results" / kept.name
            if not path.is_file() or not is_whole(path.read_bytes()):
                wrong.append(f"{kept.name} of {job.id} is not whole")
    return wrong
