"""docs/cli.md says what the program says, and explains what the help pages do not."""

from __future__ import annotations

import pytest

from garret.ops.crash import VARIABLE
from garret.settings import CONFIG_KEYS, PRODUCTS
from tests.docs.cli_page import MARK, PAGE, page

TEXT = PAGE.read_text("utf-8")


def test_the_reference_is_the_program_s_own_help() -> None:
    """A changed option changes the page: `python -m tests.docs.cli_page` writes it."""
    assert page(TEXT) == TEXT, "docs/cli.md is out of date: python -m tests.docs.cli_page"


@pytest.mark.parametrize(
    "word",
    [
        "GARRET_HOME",
        "GARRET_CLOUD",
        "GARRET_REGION",
        "GARRET_PASSWORD",
        VARIABLE,
        *(f"GARRET_ENDPOINT_{product.upper()}" for product in PRODUCTS),
        *(f"`{key}`" for key in CONFIG_KEYS),
    ],
)
def test_every_setting_is_explained(word: str) -> None:
    """A variable or key that the program reads has its line above the reference."""
    assert word in TEXT.partition(MARK)[0]


@pytest.mark.parametrize("code", ["0", "1", "2", "130"])
def test_every_exit_code_is_explained(code: str) -> None:
    """The codes a script may meet are in a table."""
    assert f"| {code} |" in TEXT.partition(MARK)[0]


@pytest.mark.parametrize(
    "state",
    ["creating", "running", "stopping", "stopped", "starting", "failed", "deleting", "absent", "unreachable"],
)
def test_every_state_is_explained(state: str) -> None:
    """Each word that `status` may say has its meaning."""
    assert f"| {state} |" in TEXT.partition(MARK)[0]
