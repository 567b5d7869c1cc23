"""What somebody who comes to the page does first, in a real browser."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.page.watching import console_clean, only_own_origin


def test_the_page_is_there(logged_in: Page) -> None:
    """It has a heading, and asks nobody but its own service."""
    logged_in.get_by_role("heading").first.wait_for()
    only_own_origin(logged_in)
    console_clean(logged_in)
