"""Every tab keeps what holds for all of them: readable, reachable, in one language, inside its window, and at home."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.controls import walk_by_keyboard
from tests.page.language import foreign_texts
from tests.page.tabs import TABS, open_tab, overflow
from tests.page.watching import console_clean, only_own_origin

# The core in `make test`: between them both languages, both sizes and both colours.
_CORE = [("en", "desktop", "light"), ("zh", "phone", "dark")]
_OTHERS = [
    (language, size, scheme)
    for language in ("en", "zh")
    for size in ("desktop", "phone")
    for scheme in ("light", "dark")
    if (language, size, scheme) not in _CORE
]


@pytest.mark.parametrize(
    ("language", "size", "scheme"), [*_CORE, *(pytest.param(*one, marks=pytest.mark.e2e) for one in _OTHERS)]
)
def test_each_tab_is_well(visit: Visit, language: str, size: str, scheme: str) -> None:
    """For axe and in its window, in one language; nothing is asked elsewhere, and the console is empty."""
    page = visit("/", language=language, size=size, scheme=scheme)
    page.get_by_role("tab").first.wait_for()
    assert_accessible(page)
    for name in TABS:
        open_tab(page, name)
        _is_well(page, name, language)
    only_own_origin(page)
    console_clean(page)


@pytest.mark.e2e
@pytest.mark.parametrize(("language", "size"), [("en", "desktop"), ("zh", "phone")])
def test_each_tab_is_for_the_keyboard(visit: Visit, language: str, size: str) -> None:
    """Tab reaches every control, and each shows that it has the focus."""
    page = visit("/", language=language, size=size)
    for name in TABS:
        open_tab(page, name)
        walk_by_keyboard(page)


def _is_well(page: Page, name: str, language: str) -> None:
    assert_accessible(page, f"#tab-{name}")
    foreign = foreign_texts(page, language)
    assert not foreign, f"{name} speaks another language than {language}: {foreign}"
    assert overflow(page) <= 0, f"{name} is {overflow(page)} pixels wider than its window"
