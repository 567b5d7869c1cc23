"""Styles from A1111's table and from lists of objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from garret.service_runtime.errors import ModelError, UnknownChoice
from garret.service_runtime.styles import FILES, MAXIMUM_BYTES, Style, Styles

TABLE = """\ufeffname,prompt,negative_prompt\r
ink,"ink drawing of {prompt}, ""fine"" lines",colour\r
night,"at night,
dark",\r
--- more ---,,\r
"""
LIST = [{"name": "clay", "prompt": "clay {prompt}", "negative_prompt": "glass"}, {"name": "ink", "prompt": "other"}]


@pytest.fixture
def styles(tmp_path: Path) -> Styles:
    """The styles of a folder with both files."""
    (tmp_path / "styles.csv").write_text(TABLE, encoding="utf-8", newline="")
    (tmp_path / "styles.json").write_text(json.dumps(LIST), encoding="utf-8")
    return Styles(tmp_path)


def test_both_files_are_read(styles: Styles) -> None:
    """With the table's own quoting and line ends; its style of a name comes first."""
    assert styles.all() == [
        Style("ink", 'ink drawing of {prompt}, "fine" lines', "colour"),
        Style("night", "at night,\ndark"),
        Style("--- more ---"),
        Style("clay", "clay {prompt}", "glass"),
    ]


def test_a_style_goes_around_or_behind(styles: Styles) -> None:
    """In the order they are named; an empty text gets no comma."""
    assert styles.apply(["ink", "night"], "a cat", "") == (
        'ink drawing of a cat, "fine" lines, at night,\ndark',
        "colour",
    )
    assert styles.apply(["night", "ink"], "", "rain") == (
        'ink drawing of at night,\ndark, "fine" lines',
        "rain, colour",
    )
    assert styles.apply(["None", ""], " a ", "b") == (" a ", "b")


def test_an_unknown_style_is_refused_with_those_there_are(styles: Styles, tmp_path: Path) -> None:
    """And where none is, with the place for them."""
    with pytest.raises(UnknownChoice) as caught:
        styles.apply(["oil"], "a", "")
    assert caught.value.field == "styles"
    assert "ink, night" in caught.value.hint
    with pytest.raises(UnknownChoice) as caught:
        Styles(tmp_path / "nowhere").apply(["oil"], "a", "")
    assert "styles.csv" in caught.value.hint


def test_a_changed_file_is_read_again(styles: Styles, tmp_path: Path) -> None:
    """Without a restart; the column of the first versions is known."""
    styles.all()
    (tmp_path / "styles.csv").write_text("name,text\nold,words of old\n", encoding="utf-8")
    assert [style.prompt for style in styles.all()] == ["words of old", "clay {prompt}", "other"]
    (tmp_path / "styles.csv").unlink()
    assert [style.name for style in styles.all()] == ["clay", "ink"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("styles.json", b"{}"),
        ("styles.json", b'["a"]'),
        ("styles.json", b"[" * 100_000),
        ("styles.csv", b"\xff\xfe\x00"),
        ("styles.csv", b"name,prompt\na," + b'"' + b"x" * 200_000),
        ("styles.csv", b"x" * (MAXIMUM_BYTES + 1)),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    """Only to those who ask for a style."""
    assert name in FILES
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        Styles(tmp_path).apply(["a"], "", "")
    assert Styles(tmp_path).apply([], "a", "b") == ("a", "b")
