"""What a Prometheus reads: the queue, what was made, the workers, and how long nobody needed the node."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from garret.service_runtime.tally import BUCKETS_S, Histogram
from tests.service_runtime.living import Service, fake_settings, serving, wait


def numbers(service: Service) -> dict[str, float]:
    """Every sample by its name and labels, read by Prometheus' own parser."""
    answer = service.call("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name + "".join(f"/{value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_durations_fall_into_their_buckets() -> None:
    """A bound belongs to its bucket; what is longer than all has one without."""
    counted = Histogram()
    for seconds in (0.0, 0.1, 0.11, 9999.0):
        counted.add(seconds)
    assert counted.counts[:2] == [2, 1]
    assert counted.counts[len(BUCKETS_S)] == 1


def test_a_service_tells_what_it_has_done(tmp_path: Path) -> None:
    """Jobs by their end, the time of pictures, workers that were replaced; asking for it is no sign of use."""
    with serving(fake_settings(tmp_path, fake_seconds=0.05, fake_faults="die@4")) as service:
        before = numbers(service)
        assert (before["garret_ready"], before["garret_workers_ready"], before["garret_workers"]) == (1, 1, 1)
        assert before["garret_jobs_total/success"] == 0
        assert service.txt2img(batch_size=2).status == 200
        assert service.txt2img(width=64).status == 200
        assert service.txt2img(prompt="dies once").status == 200
        assert service.txt2img(steps="many").status == 422
        wait(lambda: numbers(service)["garret_workers_ready"] == 1, 20, "the next worker")
        after = numbers(service)
        assert after["garret_jobs_total/success"] == 3
        assert after["garret_job_seconds_count"] == 3
        assert after["garret_picture_seconds_count"] == 4
        assert 0.0 < after["garret_picture_seconds_sum"] < 30
        assert after["garret_worker_restarts_total"] == 1
        assert after["garret_worker_busy_seconds_total/0"] >= 0.1
        assert (after["garret_jobs_queued"], after["garret_jobs_running"], after["garret_queue_limit"]) == (0, 0, 64)
        assert (after["garret_downloads_running"], after["garret_operations_running"]) == (0, 0)
        assert after["process_resident_memory_bytes"] > 1e6
        wait(lambda: numbers(service)["garret_idle_seconds"] > after["garret_idle_seconds"], 5, "idle to go on")


def test_the_numbers_are_behind_the_login(service: Service) -> None:
    """As everything but the health of the node."""
    assert Service(service.process, service.host, service.port).call("GET", "/metrics").status == 401
