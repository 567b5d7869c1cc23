"""Text is copied by a button also where the browser keeps the clipboard from the page, as it does without https."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit
from tests.page.house import House
from tests.page.tabs import open_tab

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

_NO_CLIPBOARD = "Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined })"


def _open(visit: Visit, tab: str) -> Page:
    page = visit("")
    page.add_init_script(_NO_CLIPBOARD)
    page.goto("/")
    open_tab(page, tab)
    return page


def test_what_a_dialog_says_is_copied(visit: Visit, served: House) -> None:
    """Outside of a dialog nothing can be marked; where that is refused too, the key that the button says does it."""
    words = {"prompt": "a mill by a brook", "negative_prompt": "fog", "steps": 2, "width": 512, "height": 512}
    assert served.call("POST", "/v1/jobs?wait=60", words).json["state"] == "Success"
    page = _open(visit, "gallery")
    card, search = page.locator(".garret-grid .garret-card").first, page.locator("#garret-gallery-search")
    copy = page.locator(".garret-picture .garret-picture-words .garret-copy")
    card.click()
    copy.first.click()
    expect(copy.first).to_have_text("Copied")
    expect(copy.first).to_be_focused()
    expect(copy.first).to_have_text("Copy")
    page.keyboard.press("Escape")
    search.press("Control+v")
    expect(search).to_have_value("a mill by a brook")
    page.evaluate("document.execCommand = () => false")
    card.click()
    copy.last.click()
    expect(copy.last).to_have_text("Press Ctrl+C")
    page.keyboard.press("Control+c")
    expect(copy.last).to_have_text("Copied")
    expect(copy.last).to_be_focused()
    page.keyboard.press("Escape")
    search.fill("")
    search.press("Control+v")
    expect(search).to_have_value("fog")


def test_a_hash_is_copied(visit: Visit, served: House) -> None:
    """From a card; whoever goes on without the key finds the button as it was."""
    page = _open(visit, "models")
    hashed, search = page.locator(".garret-hash").first, page.locator("#garret-models-find")
    whole = hashed.locator("code").get_attribute("title") or ""
    copy = hashed.locator(".garret-copy")
    copy.click()
    expect(copy).to_have_text("Copied")
    expect(copy).to_have_text("Copy")
    page.evaluate("document.execCommand = () => false")
    copy.click()
    expect(copy).to_have_text("Press Ctrl+C")
    search.press("Control+v")
    expect(copy).to_have_text("Copy")
    expect(search).to_have_value(whole)
    expect(page.locator(".garret-marked")).to_have_count(0)
