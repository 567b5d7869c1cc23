"""Pictures inside JSON come out as they went in, wherever they stand and whatever stands beside them."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.api.picture_json import Base64, picture_json, picture_reply
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.errors import BadRequest

_FILES = some.builds(Base64, some.binary(max_size=60), some.sampled_from(["", "data:image/png;base64,", 'a"\\é\ud800']))
_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text() | _FILES,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def plain(value: Any) -> Any:
    """Return the value with texts in the places of the files."""
    if isinstance(value, Base64):
        return value.prefix + base64.b64encode(value.file).decode()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@given(_VALUES)
def test_any_value_with_files_in_it_is_the_json_of_their_texts(value: Any) -> None:
    """Objects in lists in objects, quotes and lone surrogates, no file or many."""
    assert json.loads(picture_json(value)) == json.loads(json.dumps(plain(value)))


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], b"bytes"])
def test_what_is_no_json_is_not_written(value: Any) -> None:
    """A client would choke on it."""
    with pytest.raises((ValueError, TypeError)):
        picture_json(value)


def test_a_reply_says_what_it_is_and_how_long() -> None:
    """Status and headers as they were given."""
    reply = asyncio.run(picture_reply({"data": [{"b64_json": Base64(b"png")}]}, 201, {"x-one": "1"}))
    assert reply.status_code == 201
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-one"] == "1"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert json.loads(reply.body) == {"data": [{"b64_json": "cG5n"}]}


@given(some.binary(min_size=1, max_size=300), some.sampled_from(["\n", "\r\n", " \t"]))
def test_base64_is_read_in_lines_as_well(data: bytes, between: str) -> None:
    """As e-mail writes it, or in one piece."""
    text = base64.b64encode(data).decode()
    assert picture_of(text, "image") == data
    assert picture_of(between.join(text[at : at + 8] for at in range(0, len(text), 8)), "image") == data


@pytest.mark.parametrize("text", ["cG5", "cG5n=", "cG5n!", "_-_-", "cé5n", "cG5n\ud800", "===="])
def test_what_is_not_base64_is_refused(text: str) -> None:
    """Also the alphabet of URLs, which no client of these dialects sends."""
    with pytest.raises(BadRequest, match="image"):
        picture_of(text, "image")
