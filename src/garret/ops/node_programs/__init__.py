"""Programs that travel to a node as a command's constant text: they need its python3 and nothing of the runtime.

So they work also where a bootstrap has failed, which is when one wants to look. What a person typed is no part of
their text: it lies in a file beside, as data.
"""

from __future__ import annotations

import re
from pathlib import Path

from garret.image_bootstrap.user_data import travelling

_HERE = Path(__file__).resolve().parent
_WORD = re.compile(r"[a-z0-9]{1,32}")
_MARK = "GARRET-PROGRAM"


def command(program: str, *words: str) -> str:
    """The shell text that runs a program of this folder on a node; words are ids and numbers of ours."""
    if not all(_WORD.fullmatch(word) for word in words):
        raise ValueError(f"{words} are not plain words")
    text = travelling((_HERE / f"{program}.py").read_text("utf-8"))
    return f"\"${{GARRET_PYTHON:-python3}}\" - {' '.join(words)} <<'{_MARK}'\n{text}{_MARK}\n"
