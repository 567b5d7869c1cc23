"""Every control of every tab does something, and none of them breaks the page, whoever touches what in which order."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit
from tests.page.house import House, furnished
from tests.page.tabs import TABS, open_tab
from tests.page.touching import Walk
from tests.page.waiting import until
from tests.page.watching import console_clean, only_own_origin, seen_by
from tests.service_runtime.living import wait

_FRAME = "garret-bar, [role=tablist]"
# A walk fills forms with what no model or address is called: it is refused in words, which a browser calls an error.
_REFUSALS = r"status of (400|404|409|413|415|422|429|503)"


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("language", "size"), [("en", "desktop"), ("zh", "phone")])
def test_every_control_is_alive(visit: Visit, tmp_path: Path, language: str, size: str) -> None:
    """Each is acted on, and what comes up by it; after all of them the page is as well as before."""
    with furnished(tmp_path) as house:
        _make_jobs(house)
        page = visit("/", service=house, language=language, size=size)
        seen_by(page).forgive(_REFUSALS)
        failed: dict[str, list[str]] = {}
        for name in TABS:
            open_tab(page, name)
            page.wait_for_load_state("networkidle")
            walk = Walk(page, name, leave_in=_FRAME)
            walk.over()
            print(f"{name}: {len(walk.touched)} controls")  # noqa: T201 # pytest shows it where something failed
            if walk.failed:
                failed[name] = walk.failed
        assert not failed
        only_own_origin(page)
        console_clean(page)
        _frame_works(page, language)


def _frame_works(page: Page, language: str) -> None:
    """The colours change, the language does, and who leaves is out."""
    bar = page.locator("garret-bar")
    before = page.evaluate("getComputedStyle(document.querySelector('garret-bar')).color")
    bar.get_by_role("button").nth(1).click()
    until(page, "(before) => getComputedStyle(document.querySelector('garret-bar')).color !== before", before)
    bar.get_by_role("button", name="中文" if language == "en" else "English").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "en" else "en")
    page.locator("garret-bar").get_by_role("button").last.click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/login")
    page.goto("/")
    assert urlsplit(page.url).path == "/login"


def _make_jobs(house: House) -> None:
    jobs = [
        house.call("POST", "/v1/jobs", {"prompt": f"circle {number}", "width": 64, "height": 64, "steps": 2}).json[
            "url"
        ]
        for number in range(3)
    ]
    for job in jobs:
        wait(lambda job=job: house.call("GET", job).json["ended_at"] is not None, 60, "the pictures")
