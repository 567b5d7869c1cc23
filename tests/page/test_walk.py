"""What somebody who comes to the page does first, in a real browser."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.house import furnished
from tests.page.watching import console_clean, only_own_origin
from tests.service_runtime.conftest import LOGIN, PASSWORD


def test_who_comes_logs_in(page: Page) -> None:
    """By keyboard alone; the page asks nobody but its own service."""
    page.goto("/")
    assert urlsplit(page.url).path == "/login"
    assert_accessible(page)
    expect(page.locator("#login")).to_be_focused()
    page.keyboard.type(LOGIN)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: urlsplit(url).path == "/")
    only_own_origin(page)
    console_clean(page)


@pytest.mark.e2e
def test_a_service_comes_back(visit: Visit, tmp_path: Path) -> None:
    """At the same address after a restart, and who was logged in still is."""
    with furnished(tmp_path) as house:
        page = visit("/docs", service=house)
        house.leave()
        house.come_back()
        page.goto("/")
        assert urlsplit(page.url).path == "/"
