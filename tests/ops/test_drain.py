"""Stop waits for what runs on the node, or says why it cannot; and whoever cancels it leaves the node as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from garret.errors import Cancelled
from garret.ops.cloud import SystemClock
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, Login
from garret.ops.drain import drain
from garret.ops.stop import stop
from tests.ops.fake import Listener, World, cloud_of, deployment_in
from tests.ops.test_status import deployed
from tests.service_runtime.living import fake_settings, serving, wait


def at(deployment: Deployment, endpoint: str) -> Deployment:
    """The deployment, whose service is somewhere else now."""
    deployment.keep_login(Login("admin", "token", "", endpoint=endpoint))
    return deployment


def test_stop_waits_for_the_job_that_runs(world: World, tmp_path: Path) -> None:
    """The machine is stopped when the picture is made; with --now, at once."""
    deployed(world, tmp_path)
    with serving(fake_settings(tmp_path / "node", fake_seconds=1.0)) as service, ThreadPoolExecutor(1) as callers:
        one, listener = at(deployment_in(tmp_path), f"http://127.0.0.1:{service.port}"), Listener()
        job = callers.submit(service.txt2img, prompt="x", steps=10)
        wait(lambda: service.call("GET", "/v1/jobs").json, 10, "the job to be accepted")
        stop(cloud_of(world, SystemClock()), one, listener, Crash())  # type: ignore[arg-type]
        assert job.done()
        assert job.result().status == 200
        assert "running work running 1 job to finish; new jobs are refused" in listener.lines
        assert service.txt2img().status == 503, "it is about to go"


def test_a_stop_that_is_cancelled_leaves_a_service_that_works(world: World, tmp_path: Path) -> None:
    """While it waits, somebody changes their mind: nothing is stopped, and jobs are taken again."""
    deployed(world, tmp_path)

    def cancelled() -> None:
        raise Cancelled("it was cancelled")

    with serving(fake_settings(tmp_path / "node", fake_seconds=1.0)) as service, ThreadPoolExecutor(1) as callers:
        one = at(deployment_in(tmp_path), f"http://127.0.0.1:{service.port}")
        job = callers.submit(service.txt2img, prompt="x", steps=10)
        wait(lambda: service.call("GET", "/v1/jobs").json, 10, "the job to be accepted")
        with pytest.raises(Cancelled):
            stop(cloud_of(world), one, Listener(), Crash(), stop_here=cancelled)
        assert "StopInstance" not in world.writes
        assert service.txt2img().status == 200
        assert job.result().status == 200


def test_a_service_that_says_nothing_is_not_waited_for(world: World, tmp_path: Path) -> None:
    """Whoever wants to stop paying is not kept from it by a node that does not answer."""
    deployed(world, tmp_path)
    listener = Listener()
    drain(cloud_of(world), at(deployment_in(tmp_path), "http://127.0.0.1:1"), listener)
    [line] = listener.lines
    assert line.startswith("running work skipped nobody says whether there is any: http://127.0.0.1:1 does not answer")


def test_a_stopped_deployment_says_what_a_month_costs(world: World, tmp_path: Path) -> None:
    """Stopped economically the machine is not in it; with charging kept it is."""
    deployed(world, tmp_path)
    cloud, one = cloud_of(world), deployment_in(tmp_path)
    month = stop(cloud, one, Listener(), Crash())["billed_per_month"]
    assert month == {"amount": pytest.approx(0.5 * 730), "currency": "CNY", "made_up": True}
    world.stopped_mode = "KeepCharging"
    assert stop(cloud, one, Listener(), Crash(), economical=False)["billed_per_month"]["amount"] == month["amount"]
