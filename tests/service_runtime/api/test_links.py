"""Signed links: one picture without a login, for a while; nothing else opens, whatever is changed about them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request

from garret.service_runtime.errors import Forbidden
from garret.service_runtime.links import Links

JOB = "0123456789abcdef" * 2


def scope_of(target: str, method: str = "GET", **more: object) -> dict[str, object]:
    """Return what a server hands on of a request."""
    parts = urlsplit(target)
    headers = [(b"host", parts.netloc.encode() or b"example.com:8443")]
    return {
        "type": "http", "method": method, "path": parts.path, "query_string": parts.query.encode(),
        "headers": headers, "scheme": "https", "server": ("10.0.0.1", 80), "root_path": "", **more,
    }  # fmt: skip


@pytest.fixture
def at() -> list[float]:
    """A clock that a test sets."""
    return [1_000_000.0]


@pytest.fixture
def links(tmp_path: Path, at: list[float]) -> Links:
    """Links that are good for a minute."""
    return Links(tmp_path / "key", 60, clock=lambda: at[0])


def test_a_link_is_at_the_name_that_the_caller_used_and_opens_its_picture(links: Links, tmp_path: Path) -> None:
    """Also for another process with the same key file, which nobody else may read."""
    url = links.url_of(Request(scope_of("https://garret.example:7860/v1/jobs")), JOB, 2)
    assert url.startswith(f"https://garret.example:7860/v1/jobs/{JOB}/pictures/2?expires=1000060&signature=")
    assert links.opens(scope_of(url))
    assert Links(tmp_path / "key", 5, clock=lambda: 1_000_000.0).opens(scope_of(url))
    assert not Links(tmp_path / "other", 60, clock=lambda: 1_000_000.0).opens(scope_of(url))
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_whatever_is_changed_about_a_link_opens_nothing(links: Links) -> None:
    """Another picture, another job, another time, another method, a route below, a parameter given twice."""
    url = links.url_of(Request(scope_of("/v1/jobs")), JOB, 0)
    for changed in (
        url.replace("/pictures/0", "/pictures/1"), url.replace(JOB, JOB[::-1]), url.replace("1000060", "1000061"),
        url + "x", url[:-1], url.replace("/pictures/0", "/preview"), url.replace("/pictures/0", ""),
        url.replace("/pictures/0", "/pictures/00"), url.replace("/pictures/0", "/pictures/0/"),
        url + "&expires=9999999",
        url.replace("expires=1000060", "expires=1000060%0a"), url.replace("expires=1000060", "expires=x"),
        url.replace("/v1/jobs/", "/v1/images/"), url.partition("?")[0], url + "&signature=%ff",
        url.replace("expires=", "padding=" + "x" * 500 + "&expires="), url.partition("signature=")[0] + "signature=",
    ):  # fmt: skip
        assert not links.opens(scope_of(changed)), changed
    for method in ("HEAD", "POST", "DELETE", "PUT"):
        assert not links.opens(scope_of(url, method))


def test_a_link_whose_time_is_over_says_so(links: Links, at: list[float]) -> None:
    """A false one does not learn that."""
    url = links.url_of(Request(scope_of("/v1/jobs")), JOB, 0)
    at[0] += 61
    with pytest.raises(Forbidden, match="over"):
        links.opens(scope_of(url))
    assert not links.opens(scope_of(url + "x"))
