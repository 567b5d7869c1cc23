"""garret's own client in both its forms, each test with the one and with the other, against a live service."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.client import (
    BadRequest,
    Client,
    JobCancelled,
    JobFailed,
    Manners,
    Misused,
    NotFound,
    Unauthorized,
    Unreachable,
)
from garret.client.client import Door
from tests.service_runtime.api.forms import FORMS, client_of
from tests.service_runtime.conftest import PASSWORD, TOKEN
from tests.service_runtime.living import Service, fake_settings, free_port, serving

SMALL = {"width": 64, "height": 64, "steps": 2}
PNG = b"\x89PNG\r\n\x1a\n"


def url_of(service: Service) -> str:
    """Where a service answers."""
    return f"http://{service.host}:{service.port}"


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """One of the client's two forms."""
    return str(request.param)


@pytest.fixture
def client(form: str, service: Service) -> Iterator[Any]:
    """A client of the running service, in one of its forms."""
    with client_of(form, url_of(service), TOKEN) as made:
        yield made


@pytest.mark.compatible("Native", "garret.client, Client and AsyncClient", "pictures from words in one call")
def test_generate_returns_the_pictures_that_were_asked_for(client: Any, tmp_path: Path) -> None:
    """Each with its file, its seed and its infotext, and a place on the disk where one wants it."""
    heard: list[float] = []
    made = client.generate("two hats", seed=5, n_iter=2, told=lambda job: heard.append(job.share), **SMALL)
    assert [(one.number, one.seed, one.data[:8], "two hats" in one.infotext) for one in made] == [
        (0, 5, PNG, True),
        (1, 6, PNG, True),
    ]
    assert (heard[-1], made[0].image().size) == (1.0, (64, 64))
    file = made[1].save(tmp_path)
    assert (file.name, file.read_bytes()) == (f"{made[1].job_id}-1.png", made[1].data)


@pytest.mark.compatible("Native", "garret.client, Client and AsyncClient", "jobs: submit, wait, list, pictures, forget")
def test_a_job_is_submitted_waited_for_found_again_and_forgotten(client: Any) -> None:
    """By its record or by its id alone."""
    job = client.jobs.submit("one hat", seed=9, **SMALL)
    done = client.jobs.wait(job.id)
    assert (done.id, done.succeeded, done.request["prompt"], len(done.pictures)) == (job.id, True, "one hat", 1)
    assert job.id in [one.id for one in client.jobs.list(limit=50, state="Success")]
    assert client.jobs.picture(job.id).data == client.jobs.pictures(done)[0].data
    assert client.jobs.cancel(done) is False
    assert client.jobs.forget(done) is True
    with pytest.raises(NotFound):
        client.jobs.get(job)


@pytest.mark.compatible("Native", "garret.client, Client and AsyncClient", "a job's events as they come")
def test_events_tell_each_change_and_end_with_the_end(client: Any) -> None:
    """Nothing is told twice."""
    seen = list(client.jobs.events(client.jobs.submit("a hat", seed=1, n_iter=3, **SMALL)))
    assert seen[-1].succeeded
    assert all(not one.over for one in seen[:-1])
    assert all(before.raw != after.raw for before, after in itertools.pairwise(seen))


def test_the_same_key_leads_to_the_same_job(client: Any, form: str) -> None:
    """And another request under it is refused."""
    first = client.jobs.submit("a cat", idempotency_key=f"mine-{form}", **SMALL)
    again = client.jobs.submit("a cat", idempotency_key=f"mine-{form}", **SMALL)
    assert first.id == again.id
    with pytest.raises(BadRequest) as refused:
        client.jobs.submit("a dog", idempotency_key=f"mine-{form}", **SMALL)
    assert (refused.value.name, refused.value.status) == ("KeyTaken", 422)


@pytest.mark.compatible("Native", "garret.client, Client and AsyncClient", "pictures and masks to begin from, as files")
def test_pictures_to_begin_from_are_given_as_files(client: Any, tmp_path: Path) -> None:
    """As paths or as bytes; both end up at the same place."""
    first = client.generate("a square", seed=3, **SMALL)[0]
    mask = first.save(tmp_path / "mask.png")
    start = {"image": first.data, "denoise": 0.5, "mask": {"image": mask}}
    inverted = {**start, "mask": {"image": mask, "invert": True}}
    asked = [client.jobs.wait(client.jobs.submit("a star", start=one, **SMALL)).request for one in (start, inverted)]
    image = client.jobs.keep_input(mask)
    assert [one["start"]["image"] for one in asked] == [image, image]
    assert [one["start"]["mask"]["invert"] for one in asked] == [False, True]


def test_a_wrong_field_is_named_with_its_reason(client: Any) -> None:
    """And what to type next."""
    with pytest.raises(BadRequest) as refused:
        client.jobs.submit("x", width=63, height=64, steps=2)
    error = refused.value
    assert (error.status, error.field, error.name) == (422, "width", "BadRequest")
    assert error.reason
    assert str(error).startswith("width: ")
    with pytest.raises(BadRequest) as unknown:
        client.jobs.submit("x", wide=64)
    assert (unknown.value.field, unknown.value.hint.startswith("Known: ")) == ("wide", True)
    with pytest.raises(Misused):
        client.jobs.submit("x", cfg_scale=float("nan"))


def test_who_is_not_known_is_told_so(form: str, service: Service) -> None:
    """A wrong token is refused at once; a login with its password does as well as a token."""
    with client_of(form, url_of(service), "not-the-token") as stranger, pytest.raises(Unauthorized):
        stranger.jobs.list()
    with client_of(form, url_of(service), login="admin", password=PASSWORD) as known:
        assert isinstance(known.jobs.list(limit=1), list)


def test_the_environment_says_where_and_as_whom(form: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """GARRET_URL and GARRET_TOKEN, where nothing else is said."""
    monkeypatch.setenv("GARRET_URL", url_of(service))
    monkeypatch.setenv("GARRET_TOKEN", TOKEN)
    with client_of(form) as client:
        assert isinstance(client.jobs.list(limit=1), list)
    monkeypatch.delenv("GARRET_URL")
    with pytest.raises(Misused, match="GARRET_URL"):
        Client()


def test_a_fingerprint_is_that_of_the_address_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another address has another certificate, and is not held against this one."""
    monkeypatch.setenv("GARRET_URL", "https://203.0.113.7")
    monkeypatch.setenv("GARRET_FINGERPRINT", "AB:" * 31 + "AB")
    assert Door().known_by().pinned == Door(fingerprint="ab" * 32).known_by().pinned == "ab" * 32
    assert Door("https://203.0.113.8").known_by().pinned == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "ftp://127.0.0.1", "127.0.0.1:8000", "http://[::1", "https://",
        "https://admin:planted@example.com", "https://example.com/?a=b", "https://example.com/#a",
    ],
)  # fmt: skip
def test_no_token_travels_in_the_clear_or_nowhere(url: str) -> None:
    """Plain http is for this machine itself; a password in an address is not shown to anybody."""
    with pytest.raises(Misused) as refused:
        Client(url, "t")
    assert "planted" not in str(refused.value)


def test_nobody_there_is_said_within_the_patience_of_the_client(form: str) -> None:
    """Which is short unless one says otherwise."""
    with client_of(form, f"http://127.0.0.1:{free_port()}", "t", manners=Manners(silence_s=0.3)) as client:
        with pytest.raises(Unreachable, match="refused") as nobody:
            client.jobs.list()
    assert nobody.value.sent is False


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes half a minute for a picture."""
    with serving(fake_settings(tmp_path_factory.mktemp("slow"), fake_seconds=30.0)) as service:
        yield service


def test_what_is_made_for_long_is_cancelled_and_what_fails_says_why(form: str, slow: Service) -> None:
    """A cancelled job is another error than a failed one, and both carry the job."""
    with client_of(form, url_of(slow)) as client:
        job = client.jobs.submit("slow", **SMALL)
        assert client.jobs.get(job, wait_s=0.05).over is False
        assert client.jobs.cancel(job) is True
        with pytest.raises(JobCancelled) as cancelled:
            client.jobs.wait(job)
        assert isinstance(cancelled.value, JobFailed)
        assert (cancelled.value.job.id, cancelled.value.job.state) == (job.id, "Cancelled")
