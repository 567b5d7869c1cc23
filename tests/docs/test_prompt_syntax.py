"""What docs/prompt-syntax.md says of numbers is what the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.embeddings import MAXIMUM_VECTORS
from garret.service_runtime.limits import MAXIMUM_PROMPT
from garret.service_runtime.prompt.chunks import LOOK_BACK, SIZE
from garret.service_runtime.prompt.moment import HEAVIEST
from garret.service_runtime.vocabulary import MAXIMUM_PARTS

PAGE = Path(__file__).resolve().parents[2] / "docs/prompt-syntax.md"


@pytest.mark.parametrize(
    "words",
    [
        f"chunks of {SIZE}",
        f"its last {LOOK_BACK} tokens",
        f"{MAXIMUM_PROMPT:,} characters",
        f"{MAXIMUM_PARTS} texts joined by AND",
        f"held within {HEAVIEST:g}",
        f"at most {MAXIMUM_VECTORS} vectors",
    ],
)
def test_the_page_has_the_bounds_of_the_code(words: str) -> None:
    """Whoever changes one changes the other."""
    assert words in " ".join(PAGE.read_text("utf-8").split())
