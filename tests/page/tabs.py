"""The page's tabs, by the names that they have in every language."""

from __future__ import annotations

from playwright.sync_api import Page

MAKING = ("create", "image", "inpaint")
TABS = (*MAKING, "gallery", "models", "machine")


def open_tab(page: Page, name: str) -> None:
    """Go to a tab as a person does, and wait until there is something to act on."""
    page.get_by_role("tab").first.wait_for()
    page.locator(f"#tab-{name}-button").click()
    if name in MAKING:
        page.locator(f"#{name}-make[data-ready]").wait_for()
    # Its modules are loaded when it is opened first.
    page.locator(f"#tab-{name}").locator("button, input, textarea").filter(visible=True).first.wait_for()


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window: on a phone nothing may be."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
