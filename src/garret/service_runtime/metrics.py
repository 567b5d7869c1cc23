"""What Prometheus reads at /metrics: the queue, what was made and how fast, the workers and their devices, idleness."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from garret.service_runtime.job_watcher import ENDS
from garret.service_runtime.tally import BUCKETS_S, Histogram

if TYPE_CHECKING:
    from prometheus_client import Metric

    from garret.service_runtime.service import Service

DOWNLOADS = ("download-model", "place-model")


def load() -> None:
    """Import what `render` needs, which takes a moment; beside the event loop, before the first time."""
    import prometheus_client  # noqa: F401


def render(service: Service, running: list[str]) -> tuple[bytes, str]:
    """Return the text and its media type; `running` are the verbs of the executions on this node."""
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    registry.register(_Collector(service, running))
    prometheus_client.ProcessCollector(registry=registry)
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


class _Collector:
    def __init__(self, service: Service, running: list[str]) -> None:
        self._service = service
        self._running = running

    def collect(self) -> Iterator[Metric]:
        yield from self._jobs()
        yield from self._workers()
        yield from self._node()

    def _jobs(self) -> Iterator[Metric]:
        live, tally = self._service.live, self._service.tally
        begun = sum(job.started for job in live)
        yield gauge("garret_jobs_running", "Accepted jobs that a worker has begun.", begun)
        yield gauge("garret_jobs_queued", "Accepted jobs that wait.", len(live) - begun)
        yield gauge("garret_queue_limit", "So many jobs are accepted at a time.", self._service.settings.queue_limit)
        yield counter("garret_jobs", "Jobs that are over, by their end.", "end", {end: tally.ends[end] for end in ENDS})
        yield histogram("garret_job_seconds", "From a job's acceptance to its end.", tally.job_seconds)
        yield histogram("garret_picture_seconds", "A picture's share of its batch's time.", tally.picture_seconds)

    def _workers(self) -> Iterator[Metric]:
        pool = self._service.pool
        facts = {str(number): worker.facts for number, worker in enumerate(pool.workers)}
        busy = {str(number): worker.busy_seconds for number, worker in enumerate(pool.workers)}
        yield gauge("garret_workers", "Places for worker processes.", len(pool.workers))
        yield gauge("garret_workers_ready", "Workers that can take work.", pool.ready)
        yield counter("garret_worker_restarts", "Worker processes that ended.", "", {"": pool.deaths})
        yield counter("garret_worker_busy_seconds", "Time that a worker had work; its rate is use.", "worker", busy)
        for name, help_text in (("used", "that is in use"), ("total", "in all")):
            sizes = {key: value[f"memory_{name}"] for key, value in facts.items() if f"memory_{name}" in value}
            yield gauge(f"garret_device_memory_{name}_bytes", f"Memory of the device {help_text}.", sizes)
        low = {key: value.get("mode") == "low-vram" for key, value in facts.items() if value}
        yield gauge("garret_worker_low_memory", "1 where a worker runs in low-VRAM mode.", low)

    def _node(self) -> Iterator[Metric]:
        downloads = sum(verb in DOWNLOADS for verb in self._running)
        yield gauge("garret_downloads_running", "Models that are on their way to this node.", downloads)
        yield gauge("garret_operations_running", "Operations that run on this node.", len(self._running))
        yield gauge("garret_idle_seconds", "Since somebody last needed this node.", self._service.idle.seconds)
        yield gauge("garret_ready", "1 when a picture can be made.", self._service.state.status == "ready")


def gauge(name: str, help_text: str, value: float | dict[str, Any]) -> Metric:
    """Return a value that goes up and down, or one for each worker."""
    from prometheus_client.core import GaugeMetricFamily

    if not isinstance(value, dict):
        return GaugeMetricFamily(name, help_text, value=float(value))
    metric = GaugeMetricFamily(name, help_text, labels=["worker"])
    for key, one in value.items():
        metric.add_metric([key], float(one))
    return metric


def counter(name: str, help_text: str, label: str, values: dict[str, float]) -> Metric:
    """Return what only grows, by a label's values, or the one value of no label."""
    from prometheus_client.core import CounterMetricFamily

    metric = CounterMetricFamily(name, help_text, labels=[label] if label else [])
    for key, value in values.items():
        metric.add_metric([key] if label else [], float(value))
    return metric


def histogram(name: str, help_text: str, counted: Histogram) -> Metric:
    """Return durations in their buckets."""
    from prometheus_client.core import HistogramMetricFamily

    bounds = [*map(str, BUCKETS_S), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(counted.counts)), strict=True))
    return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=counted.total)
