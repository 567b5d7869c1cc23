"""Patterns of strangers are matched in bounded time."""

from __future__ import annotations

import re
import time

import pytest

from garret.local_cloud.ros.patterns import SECONDS, TooSlowError, matches


@pytest.mark.parametrize(
    ("pattern", "text", "whole", "expected"),
    [
        ("[a-z]+", "abc", True, True),
        ("[a-z]+", "abC", True, False),
        ("[a-z]+", "1abc2", False, True),
        (r"^(?=.*[A-Z])(?=.*\d).{8,30}$", "Abcdefg1", True, True),
        (r"([a-z]+\.)+com", "some.very.long.name.example.com", True, True),
        (r"([a-z]+\.)+com", "some.very.long.name.example.org", True, False),
    ],
)
def test_matches(pattern: str, text: str, whole: bool, expected: bool) -> None:
    """Small and nested patterns say the same as Python's own."""
    assert matches(pattern, text, whole=whole) is expected


def test_a_pattern_that_never_ends_is_given_up() -> None:
    """A repeated group that may be split in many ways is ended from outside."""
    started = time.monotonic()
    with pytest.raises(TooSlowError):
        matches("(a|a)*b", "a" * 64)
    assert time.monotonic() - started < SECONDS + 3


def test_what_is_no_pattern_is_told() -> None:
    """The caller learns of it as of any pattern."""
    with pytest.raises(re.error):
        matches("(", "x")
