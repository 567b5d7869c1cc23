"""A browser for the page's tests, and services to look at."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.page.chromium import Outside, chromium, context_of, missing
from tests.page.house import House, address, furnished, painting_house, sign_in
from tests.page.watching import seen_by, watch
from tests.service_runtime.living import Service

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember whether a test failed, for what is looked at after it."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


# Not for the session: as long as Playwright is there, asyncio.run refuses in this thread, which other tests use.
@pytest.fixture(scope="package")
def chromium_and_outside() -> Iterator[tuple[Browser, Outside]]:
    """Debian's Chromium and what keeps it from the world."""
    if lack := missing():
        pytest.skip(lack)
    with chromium() as both:
        yield both


@pytest.fixture(scope="package")
def browser(chromium_and_outside: tuple[Browser, Outside]) -> Browser:
    """Debian's Chromium."""
    return chromium_and_outside[0]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service with the fake engine, a login and something of everything; `address(served)` is where it is."""
    with furnished(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="session")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service with the demo model and a login, for what has to mean something; it takes seconds to start."""
    with painting_house(tmp_path_factory.mktemp("painting")) as running:
        yield running


class Visit:
    """Opens pages, each in a profile of its own: `visit("/", language="zh", size="phone", scheme="dark")`.

    Also `login=False`, and `service=` for another than `served`, by its fixture or one of the test's own.
    """

    def __init__(self, browser: Browser, outside: Outside, request: pytest.FixtureRequest) -> None:
        self._browser = browser
        self._outside = outside
        self._request = request
        self.contexts: list[tuple[BrowserContext, str]] = []

    def __call__(
        self, path: str = "/", *, service: Service | None = None, login: bool = True, wait: str = "load", **looks: str
    ) -> Page:
        """Return the page as it is when loaded; `path=""` goes nowhere yet."""
        serving = service or self._request.getfixturevalue("served")
        context = context_of(self._browser, address(serving), **looks)
        watch(context, self._outside)
        self.contexts.append((context, address(serving)))
        if login:
            sign_in(context, serving)
        page = context.new_page()
        if path:
            page.goto(path, wait_until=wait)  # type: ignore[arg-type]
        return page


@pytest.fixture
def visit(
    chromium_and_outside: tuple[Browser, Outside], request: pytest.FixtureRequest, tmp_path: Any
) -> Iterator[Visit]:
    """Open pages; afterwards none may have asked another origin, broken the policy, thrown what nobody caught
    or got an answer 500.

    What a test provokes it forgives beforehand: `seen_by(page).forgive("status of 401")`.
    """
    opened = Visit(*chromium_and_outside, request)
    try:
        yield opened
        failed = request.node.stash.get(_FAILED, False)
        faults = [] if failed else [fault for context, own in opened.contexts for fault in _faults(context, own)]
        if failed or faults:
            _picture_all(opened, tmp_path)
        assert not faults, "\n".join(faults)
    finally:
        for context, _ in opened.contexts:
            context.close()


@pytest.fixture
def page(visit: Visit) -> Page:
    """An empty tab of somebody who has not logged in, in English on a desktop; `page.goto("/")` goes to `served`."""
    return visit("", login=False)


@pytest.fixture
def logged_in(visit: Visit) -> Page:
    """The page of `served` after the login, in English on a desktop."""
    return visit("/")


def _faults(context: BrowserContext, own: str) -> list[str]:
    if not context.pages:
        return []
    seen = seen_by(context.pages[0])
    return [*seen.strangers(own), *seen.grave]


def _picture_all(opened: Visit, folder: Any) -> None:
    for number, page in enumerate(page for context, _ in opened.contexts for page in context.pages):
        path = folder / f"page-{number}.png"
        page.screenshot(path=path)
        print(f"as it was: {page.url} in {path}; complaints: {seen_by(page).complaints}")  # noqa: T201 # pytest shows it
