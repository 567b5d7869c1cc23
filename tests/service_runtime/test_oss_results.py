"""Pictures get to a folder in OSS with the role's keys, all of them or later; the signature is the vendor's."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest

from garret.service_runtime.acs3 import AccessKeys
from garret.service_runtime.carriers import oss_of
from garret.service_runtime.deliveries import OSS, PENDING, Delivery
from garret.service_runtime.delivery_errors import GaveUp, NotNow
from garret.service_runtime.jobs import Job, Kept
from garret.service_runtime.model_sources import Object
from garret.service_runtime.oss import signed_headers
from garret.service_runtime.oss_results import folder_of
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.settings import ServiceSettings, SettingsError
from tests.service_runtime.living import fake_settings, serving, wait
from tests.service_runtime.receiving import receiving

KEYS = AccessKeys("STS.id", "secret", "the/token+x==")


class Metadata(BaseHTTPRequestHandler):
    """The instance metadata of a node in cn-hangzhou with a role."""

    def do_PUT(self) -> None:
        """Give a token."""
        self._say("token")

    def do_GET(self) -> None:
        """Give what is asked for."""
        keys = {"AccessKeyId": "STS.id", "AccessKeySecret": "secret", "SecurityToken": "the/token+x=="}
        known = {"region-id": "cn-hangzhou", "security-credentials/": "role", "role": json.dumps(keys)}
        self._say(next(text for name, text in known.items() if self.path.endswith(name)))

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def metadata() -> Iterator[str]:
    """Where it answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/latest"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_put_is_signed_with_what_is_sent() -> None:
    """As the vendor's SDK oss2 2.19.1 signs it: type and digest of the content are among the signed headers."""
    at = datetime(2026, 11, 21, 8, 9, 10, tzinfo=UTC)
    content = {"content-type": "image/png", "content-md5": "XrY7u+Ae7tCTyyK7j1rNww=="}
    signature = "5da56f2261fba93f1b3d721efef2bde5724272833ca7f5f502cd9bbce0525cf2"
    headers = signed_headers(KEYS, Object("my-bucket", "a/b.png", "cn-hangzhou"), at, method="PUT", content=content)
    assert headers["Authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("oss://bucket", ("bucket", "")), ("oss://bucket/", ("bucket", "")), ("oss://my-b/a/b/", ("my-b", "a/b/"))],
)
def test_a_folder_is_read(text: str, expected: tuple[str, str]) -> None:
    """Bucket and what is below it."""
    assert folder_of(text) == expected
    assert ServiceSettings(results_oss=text).results_oss == text


@pytest.mark.parametrize("text", ["bucket/folder", "https://bucket/", "oss://B/x", "oss://", "oss://bucket/a?b"])
def test_what_is_no_folder_is_refused_at_the_start(text: str) -> None:
    """With the setting's name."""
    with pytest.raises(SettingsError, match="GARRET_SERVICE_RESULTS_OSS"):
        ServiceSettings(results_oss=text)


def test_a_service_brings_its_pictures_there(tmp_path: Path, metadata: str) -> None:
    """Each with its digest and a signature that is right for it, and the record last."""
    with receiving() as bucket:
        settings = fake_settings(
            tmp_path, results_oss="oss://my-bucket/pictures", oss_endpoint=bucket.url, metadata_url=metadata
        )
        with serving(settings) as service:
            body = {"prompt": "a", "width": 64, "height": 64, "steps": 1, "n_iter": 2}
            job = service.call("POST", "/v1/jobs?wait=10", body).json
            wait(lambda: len(bucket.came) == 3, 20, "three objects")
            url = job["url"]
            wait(lambda: service.call("GET", url).json["deliveries"][0]["state"] == "done", 5, "it to be noted")
            assert service.call("GET", url).json["deliveries"][0]["said"] == f"oss://my-bucket/pictures/{job['id']}/"
            assert service.call("GET", url).json["deliveries"][0]["tries"] == 1
            pictures = [service.call("GET", one["url"]).body for one in job["pictures"]]
        there = bucket.came
        assert [one.path for one in there] == [
            f"/pictures/{job['id']}/{name}" for name in ("0.png", "1.png", "job.json")
        ]
        assert [one.body for one in there[:2]] == pictures
        assert json.loads(there[2].body)["id"] == job["id"]
        for one in there:
            assert one.headers["content-md5"] == b64encode(hashlib.md5(one.body).digest()).decode()  # noqa: S324
            at = datetime.strptime(one.headers["x-oss-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            content = {name: one.headers[name] for name in ("content-type", "content-md5")}
            found = Object("my-bucket", unquote(one.path).lstrip("/"), "cn-hangzhou")
            expected = signed_headers(KEYS, found, at, method="PUT", content=content)
            assert one.headers["authorization"] == expected["Authorization"]


def test_why_it_did_not_work_is_said(tmp_path: Path, metadata: str) -> None:
    """In OSS's code; without a role nothing is tried; pictures that have gone are given up."""
    job = Job("j", "admin", "Success", ImageRequest("demo", "a", 64, 64, 4, 3.0, 1), {0: Kept("a.png")})
    one = Delivery(1, "j", OSS, "oss://my-bucket", PENDING, 0, 0.0, "")
    with receiving() as bucket:
        bucket.statuses, bucket.said = [403], b"<Error><Code>AccessDenied</Code></Error>"
        settings = ServiceSettings(state_dir=tmp_path, oss_endpoint=bucket.url, metadata_url=metadata)
        with pytest.raises(GaveUp):
            oss_of(settings, lambda name: tmp_path / name)(one, job)
        (tmp_path / "a.png").write_bytes(b"x")
        with pytest.raises(NotNow, match=r"403 .* AccessDenied"):
            oss_of(settings, lambda name: tmp_path / name)(one, job)
        nowhere = ServiceSettings(oss_endpoint=bucket.url, metadata_url="http://127.0.0.1:9/latest")
        with pytest.raises(NotNow):
            oss_of(nowhere, lambda name: tmp_path / name)(one, job)
        assert len(bucket.came) == 1
