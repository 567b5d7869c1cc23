"""The last lines of the service's log, for whoever is logged in: bounded, in order, and without what opens anything."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from garret.service_runtime.log_ring import LONGEST_LINE, LogRing, clean
from tests.service_runtime.living import Service, fake_settings, serving


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abcdefghijk", "Authorization: [hidden] [hidden]"),
        ("sent Basic YWRtaW46c2VjcmV0", "sent Basic [hidden]"),
        ("GET https://host/a?token=abc&x=1 failed", "GET https://host/a?[hidden] failed"),
        ("GET /v1/jobs/7/pictures/0?expires=1&signature=abc", "GET /v1/jobs/7/pictures/0?[hidden]"),
        ("from https://me:word@host/path", "from https://[hidden]@host/path"),
        ("hf_abcdefghijklmnop was refused", "[hidden] was refused"),
        ("password=geheim next", "password=[hidden] next"),
        ('{"api_key": "geheim"}', '{"api_key": [hidden]}'),
        ("garret_session=abcdef; Path=/", "garret_session=[hidden]; Path=/"),
        ("key Ab3dEfGh1jKlMnOpQrStUvWxYz0123456789_-AbCdEf here", "key [hidden] here"),
        ("job 3f2a9c loaded sd_xl_base_1.0 in 3.1 s", "job 3f2a9c loaded sd_xl_base_1.0 in 3.1 s"),
        ("two\nlines\x00", "two lines\x00"),
    ],
)
def test_what_could_open_anything_is_hidden(text: str, kept: str) -> None:
    """Logins, tokens, keys and what follows a question mark; the rest stays readable."""
    assert clean(text) == kept


def test_a_ring_is_bounded_and_goes_on(tmp_path: Path) -> None:
    """The oldest lines go; a number finds what came after it; an error says where, and not what somebody had asked."""
    ring, logger = LogRing(3), logging.getLogger("garret.test-ring")
    logger.propagate = False
    logger.addHandler(ring)
    try:
        for number in range(5):
            logger.warning("line %d", number, extra={"job": "abc", "owner": "somebody", "why": "a red circle"})
        try:
            raise ValueError("a red circle")
        except ValueError:
            logger.exception("x" * (2 * LONGEST_LINE))
    finally:
        logger.removeHandler(ring)
    lines = ring.newest(10)
    assert [line["message"] for line in lines][:2] == ["line 3", "line 4"]
    assert (lines[0]["job"], lines[0]["level"]) == ("abc", "warning")
    assert len(lines[-1]["message"]) == LONGEST_LINE
    assert lines[-1]["traceback"][-1] == "ValueError"
    assert "test_log_ring.py" in lines[-1]["traceback"][-2]
    assert ring.newest(10, lines[1]["number"]) == lines[2:]
    assert ring.newest(1) == lines[2:]
    assert not any(word in json.dumps(lines) for word in ("circle", "somebody"))


def test_the_last_lines_are_told_to_who_is_logged_in(tmp_path: Path) -> None:
    """A job's own lines are among them, its words are not; `after` brings what is new; asking is no use of the node."""
    with serving(fake_settings(tmp_path)) as service:
        first = service.call("GET", "/v1/logs").json
        assert any("worker ready" in line["message"] for line in first["data"])
        assert service.txt2img(prompt="a red circle", negative_prompt="blue").status == 200
        sign = service.call("GET", "/machine").json["autostop"]["last_sign"]
        new = service.call("GET", f"/v1/logs?after={first['last']}&lines=3").json
        assert [line["message"] for line in new["data"]] == ["accepted", "begun", "over"]
        assert new["last"] == new["data"][-1]["number"]
        assert service.call("GET", f"/v1/logs?after={new['last']}").json["data"] == []
        assert service.call("GET", "/machine").json["autostop"]["last_sign"] == sign
        assert "circle" not in json.dumps(service.call("GET", "/v1/logs").json)


@pytest.mark.parametrize(
    ("query", "field"), [("source=system", "source"), ("lines=0", "lines"), ("lines=x", "lines"), ("after=-1", "after")]
)
def test_what_is_asked_wrong_is_named(query: str, field: str, service: Service) -> None:
    """No log of the machine's, no number that is none."""
    answer = service.call("GET", f"/v1/logs?{query}")
    assert (answer.status, answer.json["field"]) == (422, field)
