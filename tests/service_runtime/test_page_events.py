"""What the page's one route of Gradio's takes, and what of a request Gradio gets to see."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.page.form_values import body_of
from garret.service_runtime.page.mounting import SESSIONS
from tests.service_runtime.living import Service
from tests.service_runtime.page_config import EVENT, event_of, send, whole_config

FILE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def config(service: Service) -> dict[str, Any]:
    """The page with all that is drawn later."""
    return whole_config(service)


@pytest.fixture
def sample(config: dict[str, Any]) -> Any:
    """The event of the button of Create."""
    return event_of(config, "create-sample", "click")


@pytest.fixture
def form(config: dict[str, Any], sample: Any) -> tuple[list[str], list[Any]]:
    """The fields of Create by their ids, and what is in them at first."""
    props = {one["id"]: one["props"] for one in config["components"]}
    inputs = [props[identifier] for identifier in sample["inputs"]]
    return [one.get("elem_id") for one in inputs], [one.get("value") for one in inputs]


def _resident(service: Service) -> float:
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


def test_a_page_from_before_an_update_is_told_so(service: Service, config: Any, sample: Any, form: Any) -> None:
    """An event that is none any more, or of another page, reaches nothing that would write down what was typed."""
    (_, values), event = form, sample["id"]
    draw = event_of(config, "bridge-draw-image", "change")["id"]
    old = {"garret_shape": "0" * 16}
    for page, number, sent in (
        (config, event, values[1:]),
        (config, event, [*values, 1]),
        (config, 999, []),
        (config, -1, []),
        (old, event, values),
        (old, draw, ["{}"]),
        ({"garret_shape": ""}, draw, ["{}"]),
    ):
        answer = send(service, page, number, sent)
        assert (answer.status, answer.json["error"]) == (409, "页面版本与服务不一致，请刷新页面。")  # noqa: RUF001


@pytest.mark.parametrize(
    "said",
    [
        {"fn_index": None, "data": []},
        {"fn_index": True, "data": []},
        {"fn_index": 1.0, "data": ["", ""]},
        {"fn_index": 1, "data": "ab"},
        {"fn_index": 1, "data": [FILE, ""]},
        {"fn_index": 1, "data": [[FILE], ""]},
        {"fn_index": 1, "data": ["{}", ""], "session_hash": "x" * 100},
        {"fn_index": 1, "data": ["{}", ""], "session_hash": {"a": 1}},
    ],
)
def test_what_is_no_event_of_a_form_is_refused(service: Service, said: dict[str, Any]) -> None:
    """Forms have texts, numbers, true and false; files and what is nested they have not."""
    service.call("GET", "/")
    answer = service.call("POST", EVENT, json.dumps(said).encode())
    assert (answer.status, answer.json["error"]) == (422, "BadRequest")


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b"\xff", b'{"data": [NaN]}', b'{"data": ' + b"[" * 100_000])
def test_a_body_that_is_none_is_refused(service: Service, said: bytes) -> None:
    """As everywhere."""
    assert service.call("POST", EVENT, said).status == 422


@pytest.mark.parametrize("value", [7, True, 1e308, "\ud800", "<img src=x onerror=alert(1)>"])
def test_no_field_takes_what_breaks_it(service: Service, config: Any, sample: Any, form: Any, value: Any) -> None:
    """Whatever stands in it, the form says what is wrong with it, or a job is made."""
    names, values = form
    for place in range(len(names)):
        answer = send(service, config, sample["id"], [*values[:place], value, *values[place + 1 :]])
        assert answer.status == 200, (names[place], answer.body)
        assert "<img" not in answer.json["data"][0]


@pytest.mark.parametrize(
    "rest",
    [{"start": 5, "start.image": "x"}, {"hires": 5}, {"refiner": [1]}, {"": 1, "..": 2}, {"prompt.x": 1}],
)
def test_what_was_taken_over_wrongly_is_said(
    service: Service, config: Any, sample: Any, form: Any, rest: dict[str, Any]
) -> None:
    """Two fields that cannot both be there."""
    names, values = form
    place = names.index("create-rest")
    answer = send(service, config, sample["id"], [*values[:place], json.dumps(rest), *values[place + 1 :]])
    assert answer.status == 200
    assert "%22fault%22" in answer.json["data"][0]


def test_what_is_nested_without_end_is_nothing() -> None:
    """It is no JSON that anybody of ours wrote."""
    assert body_of({"prompt": "a", "rest": "[" * 100_000}) == {"prompt": "a"}


@pytest.mark.parametrize(
    "told",
    [
        "[" * 100_000,
        {"kept": {"refiner.mode": FILE, "prompt": [1], "seed": {"a": 1}}},
        {"fields": {"loras": [5]}},
        {"fields": {"loras": [{"name": "a", "weight": "z"}]}},
        {"fields": [1]},
        {"image": "../../etc/passwd"},
        {"job": "nobody's"},
    ],
)
def test_a_form_that_is_filled_with_nonsense_stays_as_it_is(service: Service, config: Any, told: Any) -> None:
    """No file is read for it, and nothing of it comes back."""
    fill = event_of(config, "bridge-form-create", "change")
    answer = send(service, config, fill["id"], [told if isinstance(told, str) else json.dumps(told), ""])
    assert answer.status == 200
    assert b"FileData" not in answer.body


def test_visits_are_forgotten(service: Service, config: Any) -> None:
    """Each page that is opened is half a megabyte of Gradio's, which it would keep for 10,000 of them."""
    change = event_of(config, "create-checkpoint", "change")["id"]
    values = ["tiny", "64", 64, 64, 4, 6.0]
    for number in range(SESSIONS + 2):
        assert send(service, config, change, values, session_hash=f"first{number}").status == 200
    before = _resident(service)
    for number in range(40):
        assert send(service, config, change, values, session_hash=f"then{number}").status == 200
    assert _resident(service) - before < 8


def test_nothing_of_who_asks_first_is_kept_for_others(service: Service) -> None:
    """Neither a host nor a forwarded one; a page that is kept is the same for everybody."""
    forged = {"X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "https", "X_Forwarded_Prefix": "/evil"}
    first = service.call("GET", "/", Accept_Language="zh", Cookie="garret_theme=light; spy=evil", **forged)
    assert first.status == 200
    again = service.call("GET", "/", Accept_Language="zh", Cookie="garret_theme=light").body
    assert b"evil" not in first.body + again
    theme = service.call("GET", "/ui/theme.css", **{**forged, "X_Forwarded_Host": "a\x7fb"})
    assert (theme.status, b"evil" in theme.body) == (200, False)
