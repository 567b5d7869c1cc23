"""The compatibility tables are those that the tests' marks give, and a mark that says too little is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.api.dialects import DIALECTS
from tests.docs.compatibility import PAGE, WrongMark, lines, page, tables

MARKED = """
import pytest

@pytest.mark.compatible("Ours", "client 1", "a | b")
@pytest.mark.incompatible("Ours", "hypernetworks", "501: not built")
def test_it(): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.compatible("Ours", "client 2", "both"))])
def test_more(x): ...
"""


def test_the_page_is_what_the_tests_say() -> None:
    """`python -m tests.docs.compatibility` writes it."""
    text = PAGE.read_text("utf-8")
    assert page(text) == text


def test_every_dialect_has_a_line() -> None:
    """Under its own title."""
    # The fuzzer holds all of them to the document that they share.
    assert {line.dialect for line in lines()} == {one.title for one in DIALECTS} | {"OpenAPI"}


def test_marks_become_rows(tmp_path: Path) -> None:
    """Also those of one parameter."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_x.py").write_text(MARKED)
    text = tables(lines(tmp_path / "tests"))
    assert "| client 1 | a \\| b | [x](../tests/test_x.py) |" in text
    assert "| client 2 | both |" in text
    assert "| hypernetworks | 501: not built |" in text


def test_a_mark_that_says_too_little_is_refused(tmp_path: Path) -> None:
    """By its place."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_x.py").write_text('import pytest\n@pytest.mark.compatible("Ours")\ndef test_it(): ...\n')
    with pytest.raises(WrongMark, match=r"test_x.py:2"):
        lines(tmp_path / "tests")
