"""docs/engine.md lists the samplers and schedules that there are."""

from __future__ import annotations

from tests.docs.sampler_tables import BEGIN, END, PAGE, page


def test_the_tables_are_those_of_the_code() -> None:
    """A sampler that is added is in the page: `python -m tests.docs.sampler_tables` writes it."""
    text = PAGE.read_text("utf-8")
    assert BEGIN in text
    assert END in text
    assert page(text) == text, "docs/engine.md is out of date: python -m tests.docs.sampler_tables"
