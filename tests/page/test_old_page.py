"""A page that was loaded before the service was updated."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.page.conftest import Visit
from tests.page.watching import seen_by


@pytest.mark.e2e
def test_a_page_from_before_an_update_says_so_below_its_button(visit: Visit) -> None:
    """In the words of the page; what was typed stays."""

    def of_another_version(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "garret-page": "0123456789abcdef"})

    page = visit("/", language="zh")
    seen_by(page).forgive("status of 409")
    page.locator("#create-make[data-ready]").wait_for()
    page.locator("#create-prompt textarea").fill("a fox")
    page.route("**/run/predict", of_another_version)
    page.locator("#create-sample").click()
    expect(page.locator("#create-make garret-made .garret-error")).to_have_text("页面版本与服务不一致，请刷新页面。")  # noqa: RUF001
    expect(page.locator("#create-prompt textarea")).to_have_value("a fox")
