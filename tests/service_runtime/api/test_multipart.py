"""Forms as real clients write them, and as nobody should."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from garret.service_runtime.api.multipart import MAXIMUM_PARTS, Form, read_form
from garret.service_runtime.errors import BadRequest, ServiceError, TooLarge, TooSlow

TYPE = "multipart/form-data; boundary=here"


def read(
    body: bytes,
    content_type: str = TYPE,
    *,
    timeout_s: float = 5,
    limit: int = 32_000_000,
    whole: bool = True,
    always_files: tuple[str, ...] = (),
) -> Form:
    """Read a body that comes in pieces of 64 KiB, and then ends, or falls silent."""
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] or [b""]

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces) or not whole}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(b"content-type", content_type.encode("latin-1"))],
    }
    return asyncio.run(read_form(Request(scope, receive), timeout_s, limit, always_files))


def part(disposition: str, data: bytes = b"x") -> bytes:
    """Return one part of a form whose boundary is `here`."""
    return b"--here\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + data + b"\r\n"


def test_a_form_as_a_client_writes_it() -> None:
    """Texts come by their names, files in their order, whatever bytes they hold and whatever language they speak."""
    files = [("image[]", ("a.png", b"\r\n--x\0\xff", "image/png")), ("image[]", ("b", b"", "image/webp; q=1"))]
    sent = httpx2.Request("POST", "http://x", data={"prompt": "猫 \r\n two", "n": "2"}, files=files)
    form = read(sent.read(), sent.headers["content-type"])
    assert dict(form.texts) == {"prompt": "猫 \r\n two", "n": "2"}
    assert [(file.data, file.media_type) for file in form.files["image[]"]] == [
        (b"\r\n--x\0\xff", "image/png"),
        (b"", "image/webp"),
    ]


def test_a_file_may_come_without_a_filename() -> None:
    """Go's CreateFormField and Node's form-data with a buffer write none; who reads the form says which are files."""
    body = part('form-data; name="init_image"', b"\x89PNG\xff") + part('form-data; name="seed"', b"5") + b"--here--\r\n"
    form = read(body, always_files=("init_image",))
    assert (form.files["init_image"][0].data, dict(form.texts)) == (b"\x89PNG\xff", {"seed": "5"})


def test_what_tells_forms_apart_is_what_they_say_and_not_their_boundary() -> None:
    """The same form sent again has another boundary; another file makes another form."""
    sent = [
        httpx2.Request("POST", "http://x", data={"n": "1"}, files={"image": ("a.png", data)})
        for data in (b"1", b"1", b"2")
    ]
    first, again, other = (read(one.read(), one.headers["content-type"]).told() for one in sent)
    assert first == again != other


def test_texts_become_what_a_field_is() -> None:
    """Numbers and flags are read where they are expected, an empty text is absent, and others stay as they are."""
    form = Form({"n": "2", "steps": "20.0", "scale": "7.5", "stream": "True", "prompt": "12", "size": ""}, {})
    values = form.values(whole=("n", "steps", "seed"), numbers=("scale",), flags=("stream", "other"))
    assert values == {"n": 2, "steps": 20, "scale": 7.5, "stream": True, "prompt": "12"}
    assert Form({"seed": str(2**63 - 1)}, {}).values(whole=("seed",)) == {"seed": 2**63 - 1}


def test_a_list_of_texts_is_one() -> None:
    """Names that end in brackets may come more than once."""
    sent = httpx2.Request("POST", "http://x", data={"styles[]": ["a", "b"]}, files={"image": b"1"})
    form = read(sent.read(), sent.headers["content-type"])
    assert form.values() == {"styles": ["a", "b"]}
    assert form.told()["lists"] == {"styles": ["a", "b"]}


@pytest.mark.parametrize("text", ["two", "1.5", "nan", "inf", "1e400", "1_0", "٣", "9" * 41, "0x10"])
def test_what_is_no_number_names_its_field(text: str) -> None:
    """Nothing is guessed of a text that is no number."""
    with pytest.raises(BadRequest, match="seed: must be a whole number"):
        Form({"seed": text}, {}).values(whole=("seed",))


def test_what_is_neither_true_nor_false_names_its_field() -> None:
    """A flag is true, false, 1 or 0."""
    with pytest.raises(BadRequest, match="stream: must be true or false"):
        Form({"stream": "perhaps"}, {}).values(flags=("stream",))


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"{}", "application/json", "content-type: 'application/json' is no form"),
        (b"", "multipart/form-data", "content-type"),
        (b"", TYPE, "ends before its form does"),
        (b"hello", TYPE, "is no form"),
        (part('form-data; name="a"')[:-2], TYPE, "ends before its form does"),
        (part('form-data; name="a"'), TYPE, "ends before its form does"),
        (part("form-data") + b"--here--", TYPE, "without a name"),
        (part('attachment; name="a"') + b"--here--", TYPE, "without a name"),
        (part('form-data; name="a"') * 2 + b"--here--", TYPE, "a: comes more than once"),
        (part('form-data; name="a"', b"\xff\xfe") + b"--here--", TYPE, "a: is not UTF-8"),
        (b"--here\r\n" + b"A: b\r\n" * 100 + b"\r\n\r\n--here--", TYPE, "is no form"),
        (b"--here\r\nA: " + b"b" * 100_000, TYPE, "is no form"),
        (b"--" + b"h" * 400 + b"--", "multipart/form-data; boundary=" + "h" * 400, "is no form"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str, reason: str) -> None:
    """Each says what is wrong with it, and none is an error of ours."""
    with pytest.raises(BadRequest, match=reason):
        read(body, content_type)


def test_forms_are_bounded() -> None:
    """Too many fields, a text too long and a body too large are refused, and so is one that does not come."""
    many = b"".join(part(f'form-data; name="f{number}"') for number in range(MAXIMUM_PARTS + 1))
    with pytest.raises(TooLarge, match="more than 64 fields"):
        read(many + b"--here--")
    with pytest.raises(TooLarge, match="prompt: the text has"):
        read(part('form-data; name="prompt"', b"x" * 1_000_001) + b"--here--")
    with pytest.raises(TooLarge, match="longer than 1000 bytes"):
        read(part('form-data; name="a"; filename="a"', b"x" * 2000) + b"--here--", limit=1000)
    with pytest.raises(TooSlow):
        read(part('form-data; name="a"'), whole=False, timeout_s=0.05)


@pytest.mark.parametrize("piece", [b"\r\n--her", b"\r", b"\r\n--here\r", b"-", b"\r\n--here\r\n\r\n"])
def test_a_large_body_made_to_be_slow_is_not(piece: bytes) -> None:
    """What looks like a boundary and is none again and again is read, or refused, in the time of any other body."""
    head = part('form-data; name="a"; filename="a"')[:-3]
    began = time.monotonic()
    with contextlib.suppress(ServiceError):
        read(head + piece * (8_000_000 // len(piece)) + b"\r\n--here--")
    assert time.monotonic() - began < 1
