"""Several weighted texts as one prompt, and the styles by their names."""

from __future__ import annotations

from typing import Any

import pytest

from garret.service_runtime.api.stability.prompts import joined, read_prompts
from garret.service_runtime.api.stability.style_presets import STYLE_PRESETS, find_style
from garret.service_runtime.errors import BadRequest, UnknownChoice
from garret.service_runtime.prompt.parts import parse_prompt
from garret.service_runtime.prompt.tree import Node, Text
from garret.service_runtime.styles import Style


@pytest.mark.parametrize(
    ("texts", "prompt", "negative"),
    [
        ([{"text": "a cat"}], "a cat", ""),
        ([{"text": "a cat", "weight": 0.3}], "a cat", ""),
        ([{"text": "a cat"}, {"text": "fog", "weight": -1}], "a cat", "fog"),
        ([{"text": "a cat"}, {"text": "fog", "weight": -0.5}], "a cat", "fog"),
        ([{"text": "a", "weight": 1}, {"text": "b", "weight": 3}], "a :0.25 AND b :0.75", ""),
        ([{"text": "a", "weight": None}, {"text": "b"}], "a :0.5 AND b :0.5", ""),
        ([{"text": "a"}, {"text": "x", "weight": -1}, {"text": "y", "weight": -0.5}], "a", "x, (y:0.5)"),
        ([{"text": "a"}, {"text": "x", "weight": -1}, {"text": "y)", "weight": -0.5}], "a", r"x, (y\):0.5)"),
        ([{"text": "a"}, {"text": "b", "weight": 0}], "a", ""),
        ([{"text": "fog", "weight": -1}], "", "fog"),
    ],
)
def test_texts_become_one_prompt(texts: Any, prompt: str, negative: str) -> None:
    """Wanted ones share the guidance, unwanted ones are weighed beside one another."""
    assert joined(read_prompts(texts)) == (prompt, negative)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([], "text_prompts: must be a list of at least one text"),
        ("a cat", "text_prompts: must be a list of at least one text"),
        (["a cat"], "text_prompts[0]: must be an object"),
        ([{"weight": 1}], "text_prompts[0].text: is empty"),
        ([{"text": 5}], "text_prompts[0].text: must be text, not a number"),
        ([{"text": "a", "weight": "1"}], "text_prompts[0].weight: must be a number, not text"),
        ([{"text": "a", "weight": 11}], "text_prompts[0].weight: must be -10 to 10"),
        ([{"text": "a", "weight": 0}], "text_prompts: has only texts of weight 0"),
        ([{"text": "a"}] * 17, "text_prompts: has 17 texts"),
        ([{"text": "a"}, {"text": " ", "weight": 0}], "text_prompts[1].text: is empty"),
    ],
)
def test_what_is_no_list_of_texts_is_refused_by_its_place(texts: Any, why: str) -> None:
    """The error names the entry, and its field."""
    with pytest.raises(BadRequest) as refused:
        read_prompts(texts)
    assert refused.value.message == why


def test_what_joins_texts_is_no_word_of_theirs() -> None:
    """A text with AND, colons and open brackets stays one part, with its own share."""
    prompt, _ = joined(read_prompts([{"text": "salt AND pepper (x", "weight": 3}, {"text": "at 12:30:", "weight": 1}]))
    first, second = parse_prompt(prompt)
    assert (first.weight, second.weight) == (0.75, 0.25)
    assert _words(first.nodes).strip() == "salt AND pepper x"
    assert _words(second.nodes).strip() == "at 12:30:"


def _words(nodes: tuple[Node, ...]) -> str:
    """Return what a tree of texts and weights says, without its weights."""
    return "".join(one.text if isinstance(one, Text) else _words(getattr(one, "inner", ())) for one in nodes)


def test_a_style_puts_its_words_around_every_text() -> None:
    """Of those that are wanted; what it does not want comes after the caller's."""
    style = Style("mine", "oil painting of {prompt}, thick paint", "photo")
    texts = [{"text": "a"}, {"text": "b"}, {"text": "c", "weight": -1}]
    assert joined(read_prompts(texts), style) == (
        "oil painting of a, thick paint :0.5 AND oil painting of b, thick paint :0.5",
        "c, photo",
    )


PUBLISHED = """enhance anime photographic digital-art comic-book fantasy-art line-art analog-film neon-punk isometric
low-poly origami modeling-compound cinematic 3d-model pixel-art tile-texture"""


def test_there_is_a_style_of_every_published_name() -> None:
    """Each says something, around the caller's own words; a node's own are found by their names as well."""
    assert sorted(STYLE_PRESETS) == sorted(PUBLISHED.split())
    for style in STYLE_PRESETS.values():
        assert style.prompt.count("{prompt}") == 1
        assert style.negative_prompt
    own = Style("house", "x")
    assert find_style("house", {"house": own}) is own
    assert find_style("", {}) is find_style("None", {}) is None
    with pytest.raises(UnknownChoice, match="'cubist' is not there"):
        find_style("cubist", {"house": own})
