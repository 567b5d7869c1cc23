"""Prompts parted by AND, and tags of LoRAs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garret.service_runtime.prompt.moment import Moment
from garret.service_runtime.prompt.parts import count_parts, parse_negative, parse_prompt
from garret.service_runtime.prompt.tags import Tag, take_tags
from tests.service_runtime.prompt.test_moment import ANY_TEXT


def said(text: str) -> list[tuple[str, float]]:
    """Return the parts' words and weights."""
    parts = parse_prompt(text)
    return [("".join(piece.text for row in part.at(Moment(0, 10)) for piece in row), part.weight) for part in parts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a cat AND a dog", [("a cat ", 1.0), (" a dog", 1.0)]),
        ("a cat :1.2 AND a dog AND rain:-0.5 ", [("a cat", 1.2), (" a dog ", 1.0), (" rain", -0.5)]),
        ("a cat AND (a dog:1.3)", [("a cat ", 1.0), (" a dog", 1.0)]),
        ("at 12:30", [("at 12:30", 1.0)]),
        ("a SAND AND", [("a SAND ", 1.0)]),
        ("salt \\AND pepper and more", [("salt AND pepper and more", 1.0)]),
        ("", [("", 1.0)]),
        ("AND", [("", 1.0)]),
    ],
)
def test_and_joins_texts_with_their_weights(text: str, expected: list[tuple[str, float]]) -> None:
    """A lone text has no such weight, so that a time of day stays one."""
    assert said(text) == expected


def test_a_negative_prompt_knows_no_and() -> None:
    """It is a word there."""
    ((piece,),) = parse_negative("rain AND snow").at(Moment(0, 1))
    assert piece.text == "rain AND snow"


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("<lora:ink>", Tag("ink")),
        ("<lora:ink:0.5>", Tag("ink", 0.5, 0.5)),
        ("<lora:ink:0.5:0.7>", Tag("ink", 0.7, 0.5)),
        ("<LORA:ink : -1 >", Tag("ink", -1.0, -1.0)),
        ("<lora:ink:te=0.2>", Tag("ink", 0.2, 0.2)),
        ("<lora:ink:te=0.2:unet=1.5>", Tag("ink", 1.5, 0.2)),
        ("<lora:ink:0.8:unet=0>", Tag("ink", 0.0, 0.8)),
        ("<lyco:ink:0.8>", Tag("ink", 0.8, 0.8)),
    ],
)
def test_a_tag_is_read_as_a1111_reads_it(tag: str, expected: Tag) -> None:
    """The first weight is the text encoders', the second the UNet's, and one alone is both."""
    assert take_tags(f"a cat {tag}, rain") == ("a cat , rain", (expected,))


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("<lora:>", "no name"),
        ("<lora:ink:strong>", "'strong'"),
        ("<lora:ink:1:1:8>", "two weights"),
        ("<lora:ink:lbw=MIDD>", "lbw="),
        ("<hypernet:ink:1>", "hypernetwork"),
    ],
)
def test_a_wrong_tag_says_what_is_wrong(tag: str, problem: str) -> None:
    """It is taken out of the text all the same."""
    text, (read,) = take_tags(tag)
    assert text == ""
    assert problem in read.problem


def test_other_angles_are_text() -> None:
    """A heart is no tag."""
    assert take_tags("<3 <b> <lora <lora:a") == ("<3 <b> <lora <lora:a", ())


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_has_parts_and_tags(text: str) -> None:
    """Nothing raises, there is always something to read, and parts can be counted without it."""
    assert len(parse_prompt(text)) == count_parts(text) > 0
    rest, tags = take_tags(f"{text}<lora:x:1>")
    assert tags
    assert len(rest) <= len(text)


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab c", min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_as_many_parts_as_were_joined(texts: list[str]) -> None:
    """AND between words makes one more part each time."""
    assert len(parse_prompt(" AND ".join(texts))) == len(texts)
