"""What prompts say at each step: A1111's published tables, and properties that hold for any text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garret.service_runtime.prompt.moment import HEAVIEST, Moment, Piece, Section, changes, plain, read
from garret.service_runtime.prompt.parse import DEEPEST, parse

ANY_TEXT = st.text() | st.text(alphabet="ab (){}[]:|\\.,1-5<>ANDBREAK\n", max_size=80)
WORDS = st.text(alphabet="abc xyz,.-'äß星", min_size=1, max_size=12)


def pieces(text: str, step: int = 0, steps: int = 10, first_steps: int | None = None) -> list[tuple[str, float]]:
    """Return the pieces of a text without BREAK at a step."""
    (section,) = read(parse(text), Moment(step, steps, first_steps))
    return [(piece.text, piece.weight) for piece in section]


def table(text: str, steps: int = 10, first_steps: int | None = None) -> list[tuple[int, str]]:
    """Return the texts of a pass, weights left out, each with the step that it ends at."""
    rows: list[tuple[int, str]] = []
    for step in range(steps):
        said = "".join(words for words, _ in pieces(text, step, steps, first_steps))
        rows = [*(rows[:-1] if rows and rows[-1][1] == said else rows), (step + 1, said)]
    return rows


# The tables in the docstrings of A1111's modules/prompt_parser.py, the weights rounded as ours are.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("\\(literal\\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
    ],
)
def test_weights_are_those_of_the_published_table(text: str, expected: list[tuple[str, float]]) -> None:
    """Brackets that nothing closes reach to the end."""
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a b")]),
        ("[(a:2):3]", [(3, ""), (10, "a")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a unbalanced")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [{b|d{:.5] c", [(5, "a  c"), (10, "a {b|d{ c")]),
        ("((a][:b:c [d:3]", [(3, "a]:b:c "), (10, "a]:b:c d")]),
        ("[a|(b:1.1)]", [(step, "ab"[(step - 1) % 2]) for step in range(1, 11)]),
        ("[fe|]male", [(step, ("female", "male")[(step - 1) % 2]) for step in range(1, 11)]),
        ("[fe|||]male", [(1, "female"), (4, "male"), (5, "female"), (8, "male"), (9, "female"), (10, "male")]),
    ],
)
def test_changes_come_at_the_steps_of_the_published_table(text: str, expected: list[tuple[int, str]]) -> None:
    """Whole numbers are steps, others are shares; what takes turns does so at every step."""
    assert table(text) == expected


def test_a_second_pass_counts_on() -> None:
    """Shares from 1 to 2 are the second pass's, and steps those after the first pass's."""
    assert table("a [b:.5] c", first_steps=10) == [(10, "a b c")]
    assert table("a [b:1.5] c", first_steps=10) == [(5, "a  c"), (10, "a b c")]
    assert table("a [b:14] c", first_steps=10) == [(4, "a  c"), (10, "a b c")]
    assert table("a [b:1.5] c") == [(10, "a  c")]


def test_a_weight_holds_across_what_is_nested_in_it() -> None:
    """Also across changes by step and turns."""
    assert pieces("(a [b:c:0.5] [d|e]:1.2)", 0) == [("a b d", 1.2)]
    assert pieces("(a [b:c:0.5] [d|e]:1.2)", 5) == [("a c e", 1.2)]
    assert pieces("(a (b:0.5):2)") == [("a ", 2.0), ("b", 1.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a:b:1.2)", [("a:b", 1.2)]),
        ("(a : 1.2 )", [("a ", 1.2)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:-1)", [("a", -1.0)]),
        ("[a:b:c:0.5]", [("a:b:c:0.5", 0.909091)]),
        ("[a|b:c]", [("a", 1.0)]),
        ("a: b | c", [("a: b | c", 1.0)]),
        ("(a|b)", [("a|b", 1.1)]),
        ("a) ] b", [("a) ] b", 1.0)]),
        ("([a)b", [("ab", 1.0)]),
        ("\\", []),
        ("\\\\o/ \\:\\|\\)", [("\\o/ :|)", 1.0)]),
        ("(a:1e9)", [("a:1e9", 1.1)]),
        ("(a:\u0663)", [("a:\u0663", 1.1)]),
        (f"(a:{'9' * 5000})", [("a:" + "9" * 5000, 1.1)]),
        ("(a:999999999)", [("a", HEAVIEST)]),
    ],
)
def test_what_is_written_otherwise_is_read_sensibly(text: str, expected: list[tuple[str, float]]) -> None:
    """Numbers that are none are text, strange brackets are text, weights stay within what makes a picture."""
    assert pieces(text) == expected


def test_break_parts_sections_and_takes_the_space_around_it() -> None:
    """In brackets too, where the weight goes on behind it; `BREAKFAST` and an escaped one are words."""
    assert read(parse("a BREAK\n b"), Moment(0, 1)) == ((Piece("a"),), (Piece("b"),))
    assert read(parse("(a BREAK b:1.3)"), Moment(0, 1)) == ((Piece("a", 1.3),), (Piece("b", 1.3),))
    assert read(parse("BREAK"), Moment(0, 1)) == ((), ())
    assert read(parse("BREAKFAST \\BREAK"), Moment(0, 1)) == ((Piece("BREAKFAST BREAK"),),)


@settings(deadline=None)
@given(ANY_TEXT, st.integers(0, 9))
def test_any_text_is_read(text: str, step: int) -> None:
    """Nothing raises, weights are bounded, neighbours of one weight are one, and every character was in the text."""
    sections = read(parse(text), Moment(step, 10))
    for section in sections:
        check(section, text)
    if not changes(parse(text)):
        assert sections == read(parse(text), Moment((step + 1) % 10, 10, 10))


def check(section: Section, text: str) -> None:
    """Hold a section against what is true of all."""
    assert all(abs(piece.weight) <= HEAVIEST and piece.text for piece in section)
    assert all(one.weight != two.weight for one, two in itertools.pairwise(section))
    assert set("".join(piece.text for piece in section)) <= set(text)


@settings(deadline=None)
@given(WORDS)
def test_words_without_marks_are_themselves(text: str) -> None:
    """One piece of weight 1: what a model reads then is what it was given."""
    assert read(parse(text), Moment(3, 10)) == plain(text)


@settings(deadline=None)
@given(st.text(alphabet="ab()[]:|\\ ", max_size=40))
def test_escaped_text_says_itself(text: str) -> None:
    """A backslash before every mark makes any text plain."""
    escaped = "".join("\\" + mark if mark in "()[]:|\\" else mark for mark in text)
    assert read(parse(escaped), Moment(0, 10)) == plain(text)


@settings(deadline=None)
@given(WORDS, st.integers(1, 300).map(lambda number: number / 100), st.integers(0, 9))
def test_a_weighted_word_has_its_weight(text: str, weight: float, step: int) -> None:
    """At every step, whatever the number."""
    assert pieces(f"({text}:{weight})", step) == [(text, weight)]


@settings(deadline=None)
@given(WORDS, WORDS, st.integers(0, 10), st.integers(0, 9))
def test_one_word_until_a_step_and_the_other_from_then_on(one: str, two: str, when: int, step: int) -> None:
    """By number, and by the same share."""
    expected = one if step < when else two
    assert pieces(f"[{one}:{two}:{when}]", step) == [(expected, 1.0)]
    assert pieces(f"[{one}:{two}:{when / 10:.1f}]", step) == [(expected, 1.0)]


def test_thousands_of_brackets_are_read_at_once() -> None:
    """Deep ones count up to a depth, and no walk over them is deep or slow."""
    for text in ("(" * 16_000, "[" * 8_000 + "]" * 8_000, "[a:" * 5_000, "(a|" * 5_000, " " * 16_000, "\\" * 16_000):
        read(parse(text), Moment(0, 10))
    assert pieces("(" * DEEPEST + "x" + ")" * DEEPEST) == [("x", HEAVIEST)]
    assert pieces("(" * (DEEPEST + 1) + "x" + ")" * (DEEPEST + 1)) == [("(x", HEAVIEST), (")", 1.0)]
