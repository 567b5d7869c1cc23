"""What somebody who comes to the page does first, in a real browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.page.accessible import assert_accessible
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
