"""File names from strangers are one plain component, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.names import BadName, check_name, model_file_name, name_from_reply

BAD = [
    "", " ", ".", "..", "../x", "a/b", "/x", "\\x", "a\\b", "..\\x", "a\0b", "a\nb", ".hidden", "~x", "-rf", "a.", "a ",
    "C:x", "a*b", "a?b", "a<b", "a|b", 'a"b', "con", "NUL.safetensors", "lpt1", "x" * 201, "ä" * 101, "\u202egpj.exe",
    "\ud800", "a\u200bb", "\ufeffa", "a\x7fb",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD, ids=[ascii(name)[:16] for name in BAD])
def test_a_dangerous_name_is_refused(name: str) -> None:
    """Separators, dots, devices, invisible characters, too long."""
    with pytest.raises(BadName):
        check_name(name)


@pytest.mark.parametrize("name", ["model", "sd_xl_base_1.0", "My Model (v2) [fp16]", "模型", "modèle"])
def test_a_good_name_passes_and_gets_its_suffix(name: str) -> None:
    """Any language."""
    assert model_file_name(name) == f"{name}.safetensors"
    assert model_file_name(f"{name}.SafeTensors") == f"{name}.SafeTensors"


@given(some.text(max_size=30))
def test_a_name_that_passes_stays_in_its_folder(name: str) -> None:
    """Whatever the text."""
    try:
        checked = check_name(name)
    except BadName:
        return
    folder = Path("/models/Lora")
    assert (folder / checked).parent == folder
    assert Path(checked).parts == (checked,)


@given(some.text(max_size=60), some.text(max_size=60))
def test_any_reply_gives_some_name(disposition: str, path: str) -> None:
    """Never an exception; what it gives is checked afterwards."""
    assert isinstance(name_from_reply(disposition, f"https://host/{path}"), str)
