"""Jobs through trouble: full queues, dying workers, hangs, crashes of the service, callers who leave."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import WAITING, Job, Kept, MadeWith
from garret.service_runtime.passwords import hash_password
from garret.service_runtime.png import SIGNATURE
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.living import Answer, Service, certificate, fake_settings, free_port, launch, serving, wait


def jobs(service: Service) -> list[dict[str, Any]]:
    """Return the records of all jobs, oldest first."""
    return list(reversed(service.call("GET", "/v1/jobs").json))


def leave_behind(service: Service, **body: Any) -> Any:
    """Send a request without waiting for its answer; return the connection."""
    import json

    connection = service.connect()
    data = json.dumps({"width": 64, "height": 64, "steps": 10, **body})
    connection.request("POST", "/sdapi/v1/txt2img", data, {"Content-Type": "application/json"})
    return connection


def test_a_full_queue_answers_at_once(tmp_path: Path) -> None:
    """429 with the time to come back; what was accepted is made."""
    with serving(fake_settings(tmp_path, fake_seconds=0.5, queue_limit=3)) as service:
        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(lambda n: service.txt2img(prompt=str(n), steps=2), range(8)))
        refused = [answer for answer in answers if answer.status == 429]
        assert sum(answer.status == 200 for answer in answers) + len(refused) == 8
        assert len(refused) >= 3
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        assert service.txt2img().status == 200


def test_a_killed_worker_is_replaced_and_its_job_made(tmp_path: Path) -> None:
    """The caller notices nothing but the wait."""
    with serving(fake_settings(tmp_path, fake_seconds=1.5)) as service:
        with ThreadPoolExecutor(1) as callers:
            answer = callers.submit(service.txt2img, prompt="x", steps=10)
            wait(lambda: jobs(service) and jobs(service)[0]["state"] == "Running", 10, "the job to run")
            (worker,) = service.workers()
            os.kill(worker, signal.SIGKILL)
            assert answer.result().status == 200
        assert jobs(service)[0]["state"] == "Success"
        assert service.workers() not in ([], [worker])


def test_a_job_that_ends_every_worker_is_told(tmp_path: Path) -> None:
    """Tried twice, then 503; the next job is made."""
    with serving(fake_settings(tmp_path, fake_faults="die@1")) as service:
        answer = service.txt2img()
        assert answer.status == 503
        assert "code 70" in answer.json["errors"]
        assert "tried 2 times" in answer.json["errors"]
    with serving(fake_settings(tmp_path, fake_faults="fatal@2")) as service:
        assert [service.txt2img().status for _ in range(4)] == [200] * 4


def test_a_device_that_is_not_there_is_told_with_the_reason(tmp_path: Path) -> None:
    """After a few starts, those who wait and those who come get 503; /healthz never says ok, /readyz why."""
    service = launch(fake_settings(tmp_path, fake_faults="setup@0"))
    try:
        for _ in range(2):
            answer = service.txt2img()
            assert answer.status == 503
            assert "the fake device is not there" in answer.json["errors"]
        health = service.call("GET", "/healthz")
        assert (health.status, health.json) == (200, {"status": "starting", "workers": 0})
        ready = service.call("GET", "/readyz")
        assert (ready.status, ready.headers["retry-after"]) == (503, "30")
        assert ready.json == {"status": "down", "detail": "no worker comes up", "seconds": 30}
    finally:
        service.kill()


def test_behind_a_front_two_places_are_left_to_it_until_there_is_a_worker(tmp_path: Path) -> None:
    """The front shows there how far the node is; everything else asks who calls, as ever."""
    settings = fake_settings(
        tmp_path, fake_faults="setup@0", trusted_proxy=True, password_hash=hash_password("Correct-horse-7")
    )
    service = launch(settings)
    try:
        statuses = {path: service.call("GET", path).status for path in ("/", "/boot.json", "/docs", "/v1/jobs")}
        assert statuses == {"/": 503, "/boot.json": 503, "/docs": 401, "/v1/jobs": 401}
    finally:
        service.kill()


def test_an_accepted_job_survives_the_death_of_the_service(tmp_path: Path) -> None:
    """kill -9 while one runs and one waits: both pictures are there after the restart, and no worker is left over."""
    settings = fake_settings(tmp_path, fake_seconds=3.0)
    with serving(settings) as service:
        connections = [leave_behind(service, prompt="first"), leave_behind(service, prompt="second", width=128)]
        wait(lambda: [job["state"] for job in jobs(service)] == ["Running", "Queued"], 10, "one to run, one to wait")
        (worker,) = service.workers()
        service.kill()
        for connection in connections:
            connection.close()
    wait(lambda: not Path(f"/proc/{worker}").exists(), 5, "the worker to end with its service")
    with serving(replace(settings, fake_seconds=0.0)) as service:
        wait(lambda: {job["state"] for job in jobs(service)} == {"Success"}, 15, "both jobs to be done")
        for job in jobs(service):
            picture = service.call("GET", f"/v1/jobs/{job['id']}/pictures/0").body
            assert picture.startswith(SIGNATURE)
        assert not list((settings.state_dir / "results").glob("*.part"))


def test_what_cannot_be_taken_up_again_is_told(tmp_path: Path) -> None:
    """A job that was running at three ends of the service, and one whose model has gone; old pictures are swept."""
    settings = fake_settings(tmp_path, keep_finished_s=3600)
    pictures = settings.state_dir / "pictures"
    pictures.mkdir(parents=True)
    store = JobStore(settings.state_dir / "jobs.sqlite")
    for name, model in (("deadly", "tiny"), ("orphan", "gone"), ("good", "tiny"), ("old", "tiny")):
        store.add(Job(name, "local", WAITING, ImageRequest(model, name, 64, 64, 1, 1.0, 1)))
    for _ in range(3):
        store.start("deadly")
    store.finish("old", {0: Kept("old-00.png")}, MadeWith())
    store.close()
    with closing(sqlite3.connect(settings.state_dir / "jobs.sqlite")) as database, database:
        database.execute("UPDATE jobs SET ended_at = 1 WHERE id = 'old'")
    for name in ("old-00.png", "good-00.png.part"):
        (pictures / name).touch()
    with serving(settings) as service:
        wait(lambda: service.call("GET", "/v1/jobs/good").json["state"] == "Success", 10, "the good one")
        deadly, orphan = (service.call("GET", f"/v1/jobs/{name}").json for name in ("deadly", "orphan"))
        assert (deadly["state"], deadly["error"]["error"]) == ("Failed", "Unavailable")
        assert (orphan["state"], orphan["error"]["error"]) == ("Failed", "NotFound")
        assert service.call("GET", "/v1/jobs/old").status == 404
        wait(lambda: not list(pictures.iterdir()), 5, "what no record names to be swept")
        assert len(list((settings.state_dir / "results").iterdir())) == 1


def test_a_caller_who_leaves_takes_the_job_along(tmp_path: Path) -> None:
    """What has not begun never is; what runs stops at the next step; somebody else's is made."""
    with serving(fake_settings(tmp_path, fake_seconds=4.0)) as service:
        running = leave_behind(service, prompt="running")
        wait(lambda: [job["state"] for job in jobs(service)] == ["Running"], 10, "the first to run")
        queued = leave_behind(service, prompt="queued", width=128)
        wait(lambda: len(jobs(service)) == 2, 10, "the second to be accepted")
        queued.close()
        wait(lambda: jobs(service)[1]["state"] == "Cancelled", 5, "the second to be cancelled")
        began = time.monotonic()
        running.close()
        wait(lambda: service.call("GET", "/sdapi/v1/progress").json["state"]["job_count"] == 0, 3, "nothing to do")
        assert service.txt2img(steps=100, width=256).status == 200
        # Its own 4 s, and far less than the rest of the one that was given up.
        assert time.monotonic() - began < 6.5


def test_a_job_can_be_cancelled_and_interrupted(tmp_path: Path) -> None:
    """By its id, and by A1111's route; the caller gets 409."""
    with serving(fake_settings(tmp_path, fake_seconds=20.0)) as service, ThreadPoolExecutor(1) as callers:
        for cancel in (lambda job: ("DELETE", f"/v1/jobs/{job}"), lambda _: ("POST", "/sdapi/v1/interrupt")):
            answer = callers.submit(service.txt2img, steps=100)
            wait(lambda: service.call("GET", "/sdapi/v1/progress").json["progress"] > 0.01, 10, "some progress")
            progress = service.call("GET", "/sdapi/v1/progress").json
            assert 0 < progress["progress"] < 1
            assert progress["state"]["sampling_steps"] == 100
            method, path = cancel(progress["state"]["job"])
            assert service.call(method, path).status == 200
            assert answer.result(timeout=5).status == 409


def test_a_new_model_is_seen_without_a_restart(tmp_path: Path) -> None:
    """Also when there was none at all, and a broken one is shown as what it is."""
    settings = fake_settings(tmp_path)
    first = settings.models_dir / "Stable-diffusion" / "tiny.safetensors"
    content = first.read_bytes()
    first.unlink()
    with serving(settings) as service:
        answer = service.txt2img()
        assert answer.status == 404
        assert "download-model" in answer.json["detail"]
        assert service.call("GET", "/sdapi/v1/options").json["sd_model_checkpoint"] is None
        (first.parent / "new.safetensors").write_bytes(content)
        assert service.txt2img(override_settings={"sd_model_checkpoint": "new"}).status == 200
        assert [model["model_name"] for model in service.call("GET", "/sdapi/v1/sd-models").json] == ["new"]


def test_a_full_disk_is_answered_before_anything_is_begun(tmp_path: Path) -> None:
    """507; the free space is a seam of the service. What nobody has needed for a while makes room for the next one."""
    import asyncio
    import os

    from garret.service_runtime.errors import InsufficientStorage
    from garret.service_runtime.service import Service as Inside

    async def story() -> None:
        inside = Inside(fake_settings(tmp_path), free_bytes=lambda _: 1 << 20)
        await inside.start()
        unused = tmp_path / "state" / "inputs" / f"{'ab' * 32}.png"
        unused.touch()
        os.utime(unused, (time.time() - 1200,) * 2)
        try:
            with pytest.raises(InsufficientStorage, match="1 MiB left"):
                await inside.submit(ImageRequest("tiny", "x", 64, 64, 1, 1.0, 1), "me")
            assert await inside.records.recent("me") == []
            async with asyncio.timeout(10):
                while unused.exists():
                    await asyncio.sleep(0.02)
        finally:
            await inside.stop()

    asyncio.run(story())


def test_it_ends_when_told_and_tells_who_waits(tmp_path: Path) -> None:
    """SIGTERM: 503 for the waiting caller, exit code 0, no worker left."""
    with serving(fake_settings(tmp_path, fake_seconds=30.0)) as service, ThreadPoolExecutor(1) as callers:
        answer = callers.submit(service.txt2img)
        wait(lambda: jobs(service) and jobs(service)[0]["state"] == "Running", 10, "the job to run")
        workers = service.workers()
        began = time.monotonic()
        assert service.terminate() == 0
        assert time.monotonic() - began < 8
        result: Answer = answer.result(timeout=5)
        assert result.status == 503
        assert result.headers["retry-after"]
        wait(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 5, "the workers to end")


def test_stalled_clients_are_dropped_and_nobody_waits_for_them(tmp_path: Path) -> None:
    """Half a header, half a body, and half of a second request."""
    import socket

    with serving(fake_settings(tmp_path, client_timeout_s=1.0)) as service:
        half_header = b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\n"
        whole_request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        beginnings = [b"", half_header, half_header + b"Content-Length: 50\r\n\r\n{", whole_request + half_header] * 25
        stalled = []
        for beginning in beginnings:
            client = socket.create_connection((service.host, service.port), timeout=10)
            client.sendall(beginning)
            stalled.append(client)
        began = time.monotonic()
        assert service.txt2img().status == 200
        assert time.monotonic() - began < 1
        for beginning, client in zip(beginnings, stalled, strict=True):
            received = b""
            try:
                while part := client.recv(4096):
                    received += part
            except ConnectionResetError:
                pass
            client.close()
            assert (b" 408 " in received) == beginning.endswith(b"{")
        assert time.monotonic() - began < 5


def run_to_its_end(settings: ServiceSettings) -> subprocess.CompletedProcess[str]:
    """Run a service that should refuse to serve."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
    return subprocess.run(
        [sys.executable, "-m", "garret.service_runtime"],
        env={**environment, **settings.to_env()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_small_answers_are_not_held_back(tmp_path: Path) -> None:
    """On one kept connection: with Nagle's delay on, each answer after the first waits 40 ms."""
    with serving(fake_settings(tmp_path)) as service:
        connection = service.connect()
        times = []
        for _ in range(20):
            began = time.perf_counter()
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            times.append(time.perf_counter() - began)
        connection.close()
    assert min(times[1:]) < 0.02


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    """Exit code 3, the address, and what to do."""
    with serving(fake_settings(tmp_path, port=free_port())) as service:
        done = run_to_its_end(fake_settings(tmp_path / "b", port=service.port))
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1
        assert f"127.0.0.1 port {service.port} is in use" in done.stderr


def test_it_does_not_leave_loopback_unprotected(tmp_path: Path) -> None:
    """Neither without login nor without TLS; the line says what is missing."""
    hashed = hash_password("Correct-horse-7")
    for changes, missing in (({}, "login and TLS"), ({"password_hash": hashed}, "no TLS")):
        done = run_to_its_end(fake_settings(tmp_path, host="0.0.0.0", port=free_port(), **changes))  # noqa: S104
        assert done.returncode == 2
        assert missing in done.stderr
        assert done.stderr.count("\n") == 1


def test_what_it_cannot_use_is_named(tmp_path: Path) -> None:
    """A state folder that is a file, a certificate that is none."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    file = str(tmp_path / "file")
    for changes, name in (
        ({"state_dir": tmp_path / "file"}, "GARRET_SERVICE_STATE_DIR"),
        ({"tls_certificate": file, "tls_key": file}, "GARRET_SERVICE_TLS_CERTIFICATE"),
        ({"trusted_proxy": True}, "GARRET_SERVICE_TRUSTED_PROXY: a front passes on what other machines send"),
    ):
        done = run_to_its_end(fake_settings(tmp_path, **changes))
        assert done.returncode == 2
        assert name in done.stderr
        assert "Traceback" not in done.stderr


def test_it_speaks_tls_when_given_a_certificate(tmp_path: Path) -> None:
    """With the key pair that bootstrap makes."""
    import http.client
    import ssl

    file, key = certificate(tmp_path, "garret")
    settings = fake_settings(tmp_path, tls_certificate=str(file), tls_key=str(key))
    service = launch(settings)
    try:
        context = ssl.create_default_context(cafile=str(file))
        connection = http.client.HTTPSConnection(service.host, service.port, context=context, timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status in (200, 503)  # 503 until its worker is there
        connection.close()
    finally:
        service.kill()
