"""What comes between a client and its service: lines that break, answers that are cut, and others who answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from garret.client import (
    AsyncClient,
    Client,
    ClientError,
    Manners,
    Misused,
    Refused,
    Trust,
    Unreachable,
    Untrusted,
    WrongCertificate,
)
from tests.service_runtime.api.forms import FORMS, client_of
from tests.service_runtime.api.raw import http, raw_server
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service, certificate, wait

SMALL = {"width": 64, "height": 64, "steps": 2}
JOB = {"id": "1", "url": "/v1/jobs/1", "state": "Running", "ended_at": None, "pictures": []}
OVER = {**JOB, "state": "Success", "ended_at": 1.0}


def said(value: Any) -> bytes:
    """An answer in JSON."""
    return http(json.dumps(value).encode())


@pytest.mark.parametrize("form", FORMS)
def test_a_request_whose_answer_is_lost_comes_again_with_its_key(form: str) -> None:
    """The line breaks before an answer, and in the middle of one."""
    with raw_server(b"", http(b'{"id"', length=999), said(JOB)) as raw, client_of(form, raw.url, "t") as client:
        assert client.jobs.submit("a").id == "1"
    assert raw.lines == ["POST /v1/jobs"] * 3
    assert len(set(raw.headers("idempotency-key"))) == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\r\n\r\n", http(b"{", length=99)])
def test_what_may_not_come_twice_is_told_as_lost(form: str, answer: bytes) -> None:
    """The request may have arrived."""
    with raw_server(answer) as raw, client_of(form, raw.url, "t") as client:
        with pytest.raises(Unreachable, match="broke") as lost:
            client.models.restore("7")
    assert (lost.value.sent, len(raw.asked)) == (True, 1)


@pytest.mark.parametrize("form", FORMS)
def test_events_go_on_where_their_line_broke(form: str) -> None:
    """What was told already is not told again."""
    first = f": hello\n\nevent: job\ndata: {json.dumps(JOB)}\n\nevent: job\nda".encode()
    rest = f"event: job\ndata: {json.dumps(JOB)}\n\nevent: end\r\ndata: {json.dumps(OVER)}\r\n\r\n".encode()
    with raw_server(http(first, length=9999), http(rest)) as raw, client_of(form, raw.url, "t") as client:
        assert [one.state for one in client.jobs.events("1")] == ["Running", "Success"]
    assert len(raw.asked) == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_redirect_is_not_followed(form: str) -> None:
    """A token is for the service alone."""
    elsewhere = http(b"", "302 Found", "Location: http://127.0.0.1:1/")
    with raw_server(elsewhere) as raw, client_of(form, raw.url, "t") as client:
        with pytest.raises(Refused) as refused:
            client.jobs.list()
    assert (refused.value.status, len(raw.asked)) == (302, 1)


@pytest.fixture(scope="module")
def node_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    return certificate(tmp_path_factory.mktemp("certificates"), "node")


def serving_as(files: tuple[Path, Path]) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def fingerprint(files: tuple[Path, Path]) -> str:
    """The SHA-256 of a certificate."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(files[0].read_text())).hexdigest()


@pytest.mark.compatible("Native", "garret.client, Client and AsyncClient", "TLS to exactly the certificate of the node")
@pytest.mark.parametrize("form", FORMS)
def test_the_pinned_certificate_is_enough(form: str, node_certificate: tuple[Path, Path]) -> None:
    """In either way of writing its digest, and for each connection anew."""
    pinned = fingerprint(node_certificate)
    colons = ":".join(pinned[at : at + 2] for at in range(0, 64, 2)).upper()
    with raw_server(said([]), context=serving_as(node_certificate)) as raw:
        for one in (pinned, colons):
            with client_of(form, raw.url, "t", fingerprint=one) as client:
                assert client.jobs.list() == client.jobs.list() == []
    assert raw.headers("authorization") == ["Bearer t"] * 4


@pytest.mark.parametrize("form", FORMS)
def test_whoever_is_somebody_else_is_told_nothing(form: str, node_certificate: tuple[Path, Path]) -> None:
    """Another certificate than the pinned one, and one that nobody vouches for where none was pinned."""
    cases: list[tuple[Trust, type[ClientError], str]] = [
        (Trust("ab" * 32), WrongCertificate, "another certificate"),
        (Trust("ab" * 32, authority=True, name="pictures.example.com"), WrongCertificate, "as pictures.example.com"),
        (Trust(), Untrusted, "does not trust"),
    ]
    with raw_server(said([]), context=serving_as(node_certificate)) as raw:
        for trust, kind, words in cases:
            with client_of(form, raw.url, "t", trust=trust) as client, pytest.raises(kind, match=words) as refused:
                client.jobs.list()
            assert type(refused.value) is kind
    assert raw.asked == []


@pytest.mark.parametrize("form", FORMS)
def test_an_authority_may_vouch_beside_the_pin(form: str, node_certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """Its word is enough for the name it was asked for; as long as there is none, the pinned certificate is."""
    pem, other = node_certificate[0].read_text(), certificate(tmp_path, "other")
    vouched = Trust("ab" * 32, ca=pem, name="node")
    not_yet = Trust(fingerprint(node_certificate), ca=other[0].read_text(), name="other")
    with raw_server(said([]), context=serving_as(node_certificate)) as raw:
        for trust in (vouched, not_yet):
            with client_of(form, raw.url, "t", trust=trust) as client:
                assert client.jobs.list() == client.jobs.list() == []


@pytest.mark.parametrize("form", FORMS)
def test_what_speaks_no_tls_is_told_apart(form: str) -> None:
    """It may be a service that is still starting."""
    with raw_server(http(b"")) as raw:
        with client_of(
            form, raw.url.replace("http:", "https:"), "t", fingerprint="ab" * 32, manners=Manners(absent_s=0)
        ) as client:
            with pytest.raises(Unreachable, match="TLS") as lost:
                client.jobs.list()
    assert lost.value.sent is False


def test_threads_share_a_client_and_tasks_another(service: Service) -> None:
    """Each gets what it asked for."""
    url, seeds = f"http://{service.host}:{service.port}", range(100, 112)
    with Client(url, TOKEN) as client, ThreadPoolExecutor(6) as threads:
        made = threads.map(lambda seed: client.generate("a hat", seed=seed, **SMALL)[0], seeds)
        assert [one.seed for one in made] == list(seeds)

    async def together() -> list[int | None]:
        async with AsyncClient(url, TOKEN) as awaiting:
            pictures = await asyncio.gather(*(awaiting.generate("a hat", seed=seed, **SMALL) for seed in seeds))
            return [one.seed for (one,) in pictures]

    assert asyncio.run(together()) == list(seeds)


def test_a_task_that_is_cancelled_takes_its_job_along(service: Service) -> None:
    """Nobody would fetch it."""
    url = f"http://{service.host}:{service.port}"

    async def leave() -> str:
        async with AsyncClient(url, TOKEN) as client:
            begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

            def told(job: Any) -> None:
                if not begun.done():
                    begun.set_result(job.id)

            making = asyncio.create_task(
                client.generate("many", n_iter=16, told=told, width=1024, height=1024, steps=150)
            )
            job_id = await begun
            making.cancel()
            with pytest.raises(asyncio.CancelledError):
                await making
            return (await client.jobs.get(job_id)).state

    assert asyncio.run(leave()) == "Cancelled"


@pytest.mark.parametrize("form", FORMS)
def test_a_connection_is_used_again(form: str) -> None:
    """One handshake for many requests."""
    with raw_server(said([]), keeps=True) as raw, client_of(form, raw.url, "t") as client:
        for _ in range(3):
            assert client.jobs.list() == []
    assert (len(raw.asked), raw.connections) == (3, 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_connection_that_was_closed_meanwhile_is_left(form: str) -> None:
    """Also for what may not come twice: it is seen before anything is sent."""
    done = said({"name": "mine"})
    with raw_server(said([]), done) as raw, client_of(form, raw.url, "t") as client:
        client.jobs.list()
        wait(lambda: raw.closed == 1, 5, "the server to close")
        assert client.models.restore("7")["name"] == "mine"


@pytest.mark.parametrize("form", FORMS)
def test_a_fingerprint_that_is_none_is_refused_before_anybody_is_called(form: str) -> None:
    """Nobody is told that somebody may be in between for a number that was cut off."""
    wrong = {"fingerprint": "abc"}
    with (
        pytest.raises(Misused, match="no SHA-256 in hexadecimal"),
        client_of(form, "https://127.0.0.1:9", "x", **wrong),
    ):
        pass
