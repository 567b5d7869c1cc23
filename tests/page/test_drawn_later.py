"""What of a form comes after its words: somebody may have written by then, and an answer may be lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import Visit
from tests.page.house import House
from tests.page.test_form import new_job
from tests.page.watching import seen_by

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

_EVENTS = "**/run/predict"


class Gate:
    """Lets no event reach the service until it is opened."""

    def __init__(self, page: Page) -> None:
        self._held: list[Route] = []
        self._is_open = False
        page.route(_EVENTS, self._hold)

    def open(self) -> None:
        """Let all go on that were held, and those that come."""
        self._is_open = True
        for route in self._held:
            route.continue_()

    def _hold(self, route: Route) -> None:
        if self._is_open:
            route.continue_()
        else:
            self._held.append(route)


def test_what_is_written_before_the_settings_come_is_kept_and_made(visit: Visit, served: House) -> None:
    """Instead of what was kept of the last time; the key is remembered until the form is filled, and makes one job."""
    page = visit("/")
    words, ready = page.locator("#create-prompt textarea"), page.locator("#create-make[data-ready]")
    ready.wait_for()
    words.fill("an old brook")
    page.locator("#create-steps input[type=number]").fill("3")
    gate = Gate(page)
    page.reload()
    words.fill("a new mill")
    expect(page.locator("#create-sample")).to_be_disabled()
    page.locator("garret-form[facts*=create]").wait_for(state="attached")
    known = {job["id"] for job in served.call("GET", "/v1/jobs").json}
    words.press("Control+Enter")
    gate.open()
    ready.wait_for()
    asked = served.call("GET", f"/v1/jobs/{new_job(served, known)['id']}").json["request"]
    assert (asked["prompt"], asked["steps"]) == ("a new mill", 3)
    expect(words).to_have_value("a new mill")
    assert len({job["id"] for job in served.call("GET", "/v1/jobs").json} - known) == 1


def test_a_form_whose_answer_is_lost_is_asked_for_again(visit: Visit) -> None:
    """It is said meanwhile, and no more afterwards."""
    page = visit("/")
    page.locator("#create-make[data-ready]").wait_for()
    seen_by(page).forgive("ERR_FAILED|Failed to load resource")
    lost: list[str] = []

    def lose(route: Route) -> None:
        lost.append(route.request.url)
        route.abort()

    page.route(_EVENTS, lose)
    page.locator("#tab-image-button").click()
    expect(page.locator("#tab-image .garret-unanswered").first).to_be_visible()
    page.unroute(_EVENTS)
    page.locator("#image-make[data-ready]").wait_for()
    expect(page.locator(".garret-unanswered")).to_have_count(0)
    assert lost


def test_a_login_that_ends_before_a_form_came_brings_it_with_the_next(visit: Visit, served: House) -> None:
    """In another window, while this one stays open."""
    page = visit("/")
    page.locator("#create-make[data-ready]").wait_for()
    seen_by(page).forgive("status of 401")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    with page.expect_response(_EVENTS) as refused:
        page.locator("#tab-inpaint-button").click()
    assert refused.value.status == 401
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.locator("#inpaint-make[data-ready]").wait_for()
