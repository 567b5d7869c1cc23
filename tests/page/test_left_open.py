"""A page that nobody sits before: it may show what is, and must not keep the node on."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Request

from garret.service_runtime.idle import PAGE, is_use
from tests.page.conftest import Visit
from tests.page.tabs import TABS, open_tab

_MINUTE_MS = 60_000
_ANSWERED = "() => fetch('/v1/health').then((answer) => answer.ok)"

_ALL_THERE = """() => {
  const rooms = ["begin", "gallery", "models", "machine"];
  return Promise.all(rooms.map((name) => customElements.whenDefined(`garret-${name}`))).then(() => true);
}"""


@pytest.mark.e2e
@pytest.mark.parametrize("tab", TABS)
def test_a_page_left_alone_asks_for_nothing_that_is_use(visit: Visit, tab: str) -> None:
    """A quarter of an hour after the last touch; with the next one it is used again."""
    page = visit("")
    page.clock.install()
    page.goto("/")
    open_tab(page, tab)
    for wait_ms in (_MINUTE_MS, 15 * _MINUTE_MS):
        page.clock.fast_forward(wait_ms)
        page.evaluate(_ANSWERED)
        page.evaluate(_ALL_THERE)
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(urlsplit(request.url).path)

    page.on("request", note)
    for _ in range(6):
        page.clock.fast_forward(_MINUTE_MS)
        page.evaluate(_ANSWERED)
    assert "/v1/queue" in asked, "it looks at all"
    assert [path for path in asked if is_use(path)] == []
    with page.expect_request(lambda request: urlsplit(request.url).path == PAGE):
        page.mouse.move(200, 200)
