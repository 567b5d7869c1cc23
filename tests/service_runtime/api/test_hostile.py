"""Hostile bodies at every route that takes one: refused at once in the dialect's own words, and the service goes on."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.png import SIGNATURE
from tests.service_runtime.api.doors import BASE64, BY_DESIGN, DOORS, FILES, Door
from tests.service_runtime.api.drawn import text_of
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Answer, Service

A_SECOND = 1.0
LONGEST_S = 15.0
"""Others may keep the processors busy; of its own time no refusal takes the service more than a second."""
_LONG = ("/sdapi/v1/txt2img", "/v1/images/edits", "/predictions", "/v1/generation/{engine_id}/image-to-image")
_TICKS = os.sysconf("SC_CLK_TCK")
_MEGABYTES = 10


def png(width: int, height: int, rows: bytes) -> bytes:
    """Return a PNG that says it is so large, with these rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BOMBS = (png(60_000, 60_000, zlib.compress(bytes(9_000_000), 9)), png(2**31 - 1, 1, b""), png(8, 8, b"\0"), SIGNATURE)
NO_PICTURES: tuple[Any, ...] = (
    "not base64!",
    "A",
    "data:image/png,plain",
    "data:image/png;base64,!!!!",
    "http://127.0.0.1:9/a.png",
    "https://100.100.100.200/latest/meta-data/",
    "file:///etc/passwd",
    "../../etc/passwd",
    7,
    {"url": "http://10.0.0.1/"},
    [BASE64],
    text_of(b"GIF89a" + bytes(30)),
    *map(text_of, BOMBS),
)
NO_SIDES: tuple[Any, ...] = (-64, 10**9, -(10**400), 64.5, "wide", True, [64], {})
NO_WORDS: tuple[Any, ...] = ("a\0b", "\ud800", 7, ["a"], {"a": "b"}, True, "a" * (_MEGABYTES << 20))
NO_IDS: tuple[Any, ...] = ("../../etc/passwd", "..\\..", "/etc/passwd", "a\0", "\ud800", "x" * 100_000, 7, ["a"], {})


@pytest.fixture(scope="module", autouse=True)
def _well(service: Service) -> Iterator[None]:
    """Whatever came, the service answers afterwards, with the workers that it had."""
    workers = service.workers()
    yield
    assert service.call("GET", "/healthz").json["status"] == "ok"
    assert service.txt2img(prompt="a").status == 200
    assert service.workers() == workers


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_body_that_is_none_is_refused(service: Service, door: Door) -> None:
    """No JSON, no object, no text, nothing, too deep, numbers that are none; forms that are none alike."""
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    first = json.dumps(next(iter(door.body), "a")).encode()
    bodies = [b"", b"[]", b"null", b'"a"', b"{", b"\xff\xfe", b"\x1f\x8b" + bytes(50), deep, b"1" * 9000]
    bodies += [b"{" + first + b":" + wrong + b"}" for wrong in (b"NaN", b"-Infinity", b"1e999", b"9" * 9000)]
    if door.form:
        bodies += [b"--other\r\n\r\n", b"--a-boundary-of-tests\r\n" * 5000, door.encode(door.body)[:-30]]
    for body in bodies:
        refused(service, door, body)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_value_that_is_none_is_refused(service: Service, door: Door) -> None:
    """Wrong kinds, negative sides, megabytes of words, half surrogates, bombs for pictures, paths for ids."""
    of_json = [*((place, value) for place in door.pictures for value in NO_PICTURES)]
    of_form = [*((place, value) for place in door.pictures for value in ("text", *BOMBS, b"", b"GIF89a" + bytes(30)))]
    hostile = [(place, value) for place in door.words for value in NO_WORDS if not door.form or isinstance(value, str)]
    hostile += [(place, value) for place in door.sides for value in NO_SIDES]
    hostile += [(place, value) for place in door.ids for value in NO_IDS]
    for place, value in hostile + (of_form if door.form else of_json):
        refused(service, door, door.encode(door.with_value(place, value)), what=f"{place}: {str(value)[:80]}")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_body_beyond_the_limit_is_refused_before_it_comes(service: Service, door: Door) -> None:
    """By what it announces."""
    connection = service.connect(LONGEST_S)
    connection.putrequest(door.method, door.url)
    for name, value in head(door).items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(10**11))
    connection.endheaders()
    reply = connection.getresponse()
    assert reply.status == 413
    assert door.shape(json.loads(reply.read()))
    connection.close()


DEAR = (
    *(sign * 16_000 for sign in '([<\\{"|:,\n \u202e'),
    *(piece * (16_000 // len(piece)) for piece in ("(a:1.1", "[a:b:", "<lora:", "a:", "BREAK ", " AND ", "\\(", "a, ")),
    "(" * 8000 + ")" * 8000,
    " " * 15_999 + "!",
)
"""Words that are dear to read for whoever looks at each of them again for every other one."""


@pytest.mark.parametrize("field", ["prompt", "hr_prompt", "infotext"])
def test_words_take_a_time_that_grows_with_their_length(service: Service, field: str) -> None:
    """Taken or refused, and never so that everybody waits."""
    for words in (*DEAR, *((words * 50 for words in DEAR) if field == "infotext" else ())):
        before = seconds_of(service)
        asked = {"prompt": "a", "width": 64, "height": 64, "steps": 1, "enable_hr": True, "hr_scale": 1, field: words}
        answer = service.call("POST", "/sdapi/v1/txt2img", asked)
        assert answer.status == 200 or 400 <= answer.status < 500, (words[:20], answer.body[:300])
        assert seconds_of(service) - before < A_SECOND, words[:20]


def test_numbers_of_hundreds_of_digits_are_no_seconds(service: Service) -> None:
    """Nor do they change when the node stops itself."""
    for name in ("idle_s", "delete_after_s"):
        answer = service.call("PUT", "/machine/autostop", {name: 10**400})
        assert (answer.status, answer.json["field"]) == (422, name)


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"hires": {"schedule": [None]}}, "hires.schedule"),
        ({"output": {"watermark": "no"}}, "output.watermark"),
        ({"start": {"image": BASE64, "mask": {"image": BASE64, "invert": "yes"}}}, "mask.invert"),
        ({"styles": [7]}, "styles"),
        ({"loras": [{"name": 7}]}, "loras.name"),
        ({"variation": {"strength": True}}, "variation.strength"),
        ({"memory": 7}, "memory"),
    ],
)
def test_a_part_of_a_job_that_is_of_the_wrong_kind_is_named(service: Service, part: dict[str, Any], field: str) -> None:
    """Whatever its record does with it otherwise."""
    answer = service.call("POST", "/v1/jobs", {"prompt": "a", **part})
    assert (answer.status, answer.json["field"]) == (422, field)


@pytest.mark.parametrize("door", [door for door in DOORS if door.path in _LONG], ids=lambda door: door.name)
def test_a_body_that_does_not_end_is_refused_when_it_is_too_long(service: Service, door: Door) -> None:
    """It announces nothing, and comes in pieces; the service does not keep it all."""
    connection = service.connect(LONGEST_S)
    connection.putrequest(door.method, door.url)
    for name, value in head(door).items():
        connection.putheader(name, value)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    with suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(40):
            connection.send(piece)
    reply = connection.getresponse()
    assert reply.status == 413
    assert door.shape(json.loads(reply.read()))
    connection.close()


def test_every_route_with_a_body_is_among_them(service: Service) -> None:
    """A new route is held to the same."""
    there = {(door.method.lower(), door.path) for door in DOORS}
    for path, operations in service.call("GET", "/openapi.json").json["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation and path not in (*BY_DESIGN, *FILES):
                assert (method, path) in there, f"tests/service_runtime/api/doors.py has no {method} {path}"


@pytest.mark.parametrize("path", ["/v1/jobs/{}", "/v1/images/{}", "/predictions/{}", "/download/{}", "/v1/uploads/{}"])
def test_a_path_as_an_id_is_not_found(service: Service, path: str) -> None:
    """Nor anything else that no id is."""
    for identifier in ("..%2f..%2fetc%2fpasswd", "%00", "%ff%fe", "%2e%2e", "a" * 4000, "%F0%9F%90%B1", "-1", "*"):
        answer = service.call("GET", path.format(identifier))
        assert answer.status in (404, 422), (identifier, answer.body)
        assert answer.json["detail"]


def refused(service: Service, door: Door, body: bytes, what: str = "") -> None:
    """The answer is 4xx in the dialect's shape, and cost the service less than a second."""
    said = what or repr(body[:60])
    before = seconds_of(service)
    answer = send(service, door, body)
    assert 400 <= answer.status < 500, (said, answer.status, answer.body[:300])
    assert door.shape(answer.json), (said, answer.body[:300])
    assert b"Traceback" not in answer.body
    assert seconds_of(service) - before < A_SECOND, said


def head(door: Door) -> dict[str, str]:
    """The headers of a request."""
    return {"Authorization": f"Bearer {TOKEN}", "Content-Type": door.content_type}


def send(service: Service, door: Door, body: bytes) -> Answer:
    """Send bytes as they are; a service that answers before all of them have come may hang up on the rest."""
    connection = service.connect(LONGEST_S)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(door.method, door.url, body, head(door))
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()


def seconds_of(service: Service) -> float:
    """The processor time that the API process has used (Linux)."""
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
