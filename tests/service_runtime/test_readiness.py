"""While a node warms up, it says about how long that still takes, from how long it took before."""

from __future__ import annotations

from pathlib import Path

from garret.service_runtime.passwords import hash_token
from garret.service_runtime.readiness import Readiness
from tests.service_runtime.living import fake_settings, launch


class Time:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def test_the_last_starts_tell_how_long_this_one_takes(tmp_path: Path) -> None:
    """The middle one of the last eight counts; late, it is said to be any moment; never less than a second."""
    file, clock = tmp_path / "starts.json", Time()
    first = Readiness(file, clock)
    assert first.warming().remaining_s is None
    assert first.warming().retry_after == 5
    for seconds in (10.0, 30.0, 12.0):
        start = Readiness(file, clock)
        clock.now += seconds
        start.ready()
    warming = Readiness(file, clock).warming()
    assert (warming.detail, warming.remaining_s, warming.retry_after) == ("warming, about 12 s", 12, 12)
    late = Readiness(file, clock)
    clock.now += 11.5
    assert late.warming().remaining_s == 1
    clock.now += 5
    assert (late.warming().detail, late.warming().retry_after) == ("warming, any moment now", 1)


def test_a_lost_worker_is_waited_for_anew(tmp_path: Path) -> None:
    """From when it was seen to be gone."""
    clock = Time()
    readiness = Readiness(tmp_path / "starts.json", clock)
    clock.now += 20
    readiness.ready()
    readiness.look(True)
    clock.now += 1000
    readiness.look(False)
    clock.now += 5
    assert readiness.warming().remaining_s == 15


def test_a_file_that_is_no_list_of_numbers_is_passed_over(tmp_path: Path) -> None:
    """A node that cannot read its last starts starts all the same."""
    file = tmp_path / "starts.json"
    file.write_text('{"a": 1')
    assert Readiness(file).warming().remaining_s is None


def test_a_service_is_alive_before_it_is_ready(tmp_path: Path) -> None:
    """/healthz answers while the worker loads, /readyz once a picture can be made; that one asks for a login."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state/starts.json").write_text("[600]")
    service = launch(fake_settings(tmp_path, token_hashes=(hash_token("a-token"),), fake_faults="setup@0"))
    try:
        health = service.call("GET", "/healthz")
        assert (health.status, health.json) == (200, {"status": "starting", "workers": 0})
        assert service.call("GET", "/readyz").status == 401
        ready = service.call("GET", "/readyz", Authorization="Bearer a-token")
        assert (ready.status, ready.json["status"]) == (503, "warming")
        assert ready.json["detail"].startswith("warming, about ")
        assert 590 < ready.json["seconds"] <= 600
        assert ready.headers["retry-after"] == "60"
    finally:
        service.kill()
