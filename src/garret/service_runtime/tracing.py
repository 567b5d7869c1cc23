"""Traces by OpenTelemetry, where the setting names a collector: a span for each job, its wait and its work.

The packages are an extra of garret's and are loaded here only; headers and the like are read from the environment
variables that OpenTelemetry itself defines.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from garret.service_runtime.job_watcher import JobWatcher
from garret.service_runtime.settings import ServiceSettings, SettingsError

if TYPE_CHECKING:
    from garret.service_runtime.live import Live

_TIMEOUT_S = 5


def open_tracing(settings: ServiceSettings) -> Tracing | None:
    """Return what sends traces, or None where none are asked for.

    Raises:
        SettingsError: OpenTelemetry's packages are not there.
    """
    if not settings.otel_endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        reason = f"OpenTelemetry's packages are not there ({error.name})"
        raise SettingsError("GARRET_SERVICE_OTEL_ENDPOINT", reason, "pip install 'garret[otel]'") from None
    exporter = OTLPSpanExporter(endpoint=settings.otel_endpoint.rstrip("/") + "/v1/traces", timeout=_TIMEOUT_S)
    return Tracing(exporter, settings.deployment)


class Tracing(JobWatcher):
    """Makes a job's spans when it is over, and hands them to an exporter in a thread of their own."""

    def __init__(self, exporter: Any, deployment: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": "garret", "garret.deployment": deployment})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("garret")

    def ended(self, live: Live, end: str, why: str) -> None:
        """Tell a job's course: accepted, begun, over; never what was asked for in words."""
        from opentelemetry import trace

        asked, now = live.request, time.time()
        about: dict[str, str | int] = {
            "garret.job": live.job_id,
            "garret.end": end,
            "garret.model": live.model.name,
            "garret.pictures": asked.count,
            "garret.size": f"{asked.width}x{asked.height}",
            "garret.steps": asked.steps,
        }
        span = self._tracer.start_span("job", start_time=_ns(live.began), attributes=about)
        if end == "failed":
            span.set_status(trace.Status(trace.StatusCode.ERROR, why))
        inside = trace.set_span_in_context(span)
        begun = live.started_at or now
        self._tracer.start_span("wait", inside, start_time=_ns(live.began)).end(_ns(begun))
        if live.started_at:
            self._tracer.start_span("make", inside, start_time=_ns(begun)).end(_ns(now))
        span.end(_ns(now))

    def close(self) -> None:
        """Send what is left; takes seconds where the collector does not answer."""
        self._provider.shutdown()


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
