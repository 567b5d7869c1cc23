"""What comes with the page and what later: nothing is lost between them, and each part can be drawn by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from garret.service_runtime.page.later import drawn_later
from garret.service_runtime.page.parts import Parts
from tests.service_runtime.living import Service
from tests.service_runtime.page_config import event_of, first_config, parts_of


def _ids(layout: dict[str, Any]) -> Iterator[int]:
    yield layout["id"]
    for child in layout.get("children", ()):
        yield from _ids(child)


@pytest.fixture(scope="module")
def blocks() -> dict[str, Any]:
    """A config with two parts, and an event that wants what is in one."""
    with gr.Blocks() as page:
        words = gr.Textbox(elem_id="words")
        with drawn_later("one"):
            steps = gr.Slider(elem_id="steps")
            button = gr.Button(elem_id="button")
        with drawn_later("two"):
            gr.Textbox(elem_id="other")
        button.click(lambda text, number: (text, number), [words, steps], [words, steps])
        words.change(lambda text: text, words, words)
    return dict(json.loads(json.dumps(page.get_config_file(), default=str)))


def test_a_part_has_what_is_in_it_and_what_concerns_that(blocks: dict[str, Any]) -> None:
    """An event that wants a value from it comes with it; one that does not is there from the first."""
    parts = Parts(blocks)
    names = {one["props"].get("elem_id") for one in parts.first["components"]}
    assert {"words", "later-one", "later-two", "bridge-draw-one", "bridge-draw-two"} <= names
    assert not {"steps", "button", "other"} & names
    assert len(parts.answers) == 2
    assert event_of(parts.first, "words", "change")
    button = event_of(blocks, "button", "click")["id"]
    assert button not in [one["id"] for one in parts.first["dependencies"]]
    assert len(blocks["dependencies"]) == len(parts.first["dependencies"]) + 1


def test_another_shape_has_another_name(blocks: dict[str, Any]) -> None:
    """What is chosen from and what is in a field may be others; what an event is about may not."""
    shape = Parts(blocks).shape
    [words] = [one for one in blocks["components"] if one["props"].get("elem_id") == "words"]
    filled = {**words, "props": {**words["props"], "value": "a fox"}}
    same = [filled if one is words else one for one in blocks["components"]]
    assert Parts({**blocks, "components": same}).shape == shape
    renamed = [{**one, "type": "number"} if one is words else one for one in blocks["components"]]
    assert Parts({**blocks, "components": renamed}).shape != shape
    turned = [{**one, "inputs": one["inputs"][::-1]} for one in blocks["dependencies"]]
    assert Parts({**blocks, "dependencies": turned}).shape != shape


def test_gradio_is_told_the_same_twice(blocks: dict[str, Any]) -> None:
    """Its only page has the ids of what it has."""
    first = Parts(blocks).first
    [page] = first["page"].values()
    assert page["components"] == [one["id"] for one in first["components"]]
    assert page["dependencies"] == [one["id"] for one in first["dependencies"]]
    assert page["layout"] == first["layout"]
    assert set(_ids(first["layout"])) - {first["layout"]["id"]} == set(page["components"])


def test_the_page_comes_whole_in_parts(service: Service) -> None:
    """Each part draws what its place has, and knows its own events; none has what another has."""
    first = first_config(service)
    parts = parts_of(service, first)
    assert len(parts) == 3
    known = {one["id"] for one in first["components"]}
    for part in parts:
        drawn = set(_ids(part["layout"]))
        assert drawn == {one["id"] for one in part["components"]}
        assert drawn & known == {part["layout"]["id"]} == {part["render_id"]}
        known |= drawn
        wanted = {id for one in part["dependencies"] for id in [*one["inputs"], *one["outputs"]]}
        assert wanted <= known
    events = [one["id"] for part in (first, *parts) for one in part["dependencies"]]
    assert sorted(events) == list(range(len(events)))


def test_what_comes_first_is_little(service: Service) -> None:
    """A browser walks over all of it before anything is shown: some 30 components of some 240."""
    first = first_config(service)
    assert len(first["components"]) < 40
    assert sum(len(part["components"]) for part in parts_of(service, first)) > 150
