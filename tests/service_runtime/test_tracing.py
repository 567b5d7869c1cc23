"""Where a collector is named, each job is told to it as spans; without OpenTelemetry's packages that is said."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.tracing import open_tracing
from tests.service_runtime.living import fake_settings, serving


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector on loopback: its address, and the spans that it got."""
    spans: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/v1/traces":
                for of_resource in body.resource_spans:
                    spans.extend(span for scope in of_resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_job_becomes_three_spans(tmp_path: Path) -> None:
    """The job with its wait and its work inside; a job that failed is an error; no words of anybody's."""
    with collector() as (address, spans):
        settings = fake_settings(tmp_path, otel_endpoint=address, deployment="studio", fake_faults="oom@2,oom@3")
        with serving(settings, OTEL_EXPORTER_OTLP_COMPRESSION="none") as service:
            job_id = service.txt2img(prompt="a red circle").json["garret_job"]
            assert service.txt2img().status == 503
            assert service.terminate() == 0
    jobs = [span for span in spans if span.name == "job"]
    about = [{one.key: one.value for one in span.attributes} for span in jobs]
    assert [one["garret.end"].string_value for one in about] == ["success", "failed"]
    assert about[0]["garret.job"].string_value == job_id
    assert about[0]["garret.model"].string_value == "tiny"
    assert [span.status.code for span in jobs] == [0, 2]
    first = [span for span in spans if span.trace_id == jobs[0].trace_id]
    parts = {span.name: span for span in first}
    assert set(parts) == {"job", "wait", "make"}
    assert parts["wait"].parent_span_id == parts["make"].parent_span_id == parts["job"].span_id
    times = [parts["job"].start_time_unix_nano, parts["wait"].end_time_unix_nano, parts["job"].end_time_unix_nano]
    assert times == sorted(times)
    assert not any("circle" in str(span) for span in spans)


def test_without_a_setting_nothing_is_loaded() -> None:
    """The packages are an extra."""
    assert open_tracing(ServiceSettings()) is None
