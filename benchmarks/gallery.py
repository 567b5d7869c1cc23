"""How smoothly fifty finished jobs scroll, beside a plain page of as many small pictures; and what is loaded for it.

Both are scrolled from top to bottom in the same browser, a step with each frame. Samples are the 95th percentile of
the gaps between frames. No full picture may be loaded.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.report import Report
from tests.page.chromium import chromium, context_of
from tests.page.house import address, furnished, preview, sign_in
from tests.page.tabs import open_tab
from tests.service_runtime.living import Service, wait

JOBS = 50
ROUNDS = 5
_AT_MOST = 1.5
_SIDE = 1024
_SCROLLED = """async () => {
  const inner = (one) => one && (one.scrollHeight > one.clientHeight + 8
    && /auto|scroll/.test(getComputedStyle(one).overflowY) ? one : inner(one.parentElement));
  const shown = [...document.querySelectorAll("img")].filter((one) => one.getClientRects().length);
  const scroller = inner(shown.at(-1)) || document.scrollingElement;
  const gaps = [];
  const frame = () => new Promise(requestAnimationFrame);
  let last = await frame(), before = -1;
  while (gaps.length < 600 && (scroller.scrollTop > before || gaps.length < 30)) {
    before = scroller.scrollTop;
    scroller.scrollTop += 20;
    const now = await frame();
    gaps.push(now - last);
    last = now;
  }
  gaps.sort((one, other) => one - other);
  return { p95: gaps[Math.floor(gaps.length * 0.95)] / 1000, worst: gaps.at(-1) / 1000, frames: gaps.length,
    to: scroller.scrollTop };
}"""
_PICTURES = """() => performance.getEntriesByType("resource")
  .filter((one) => one.initiatorType === "img" || one.initiatorType === "css")
  .map((one) => [new URL(one.name).pathname + new URL(one.name).search, one.transferSize])"""


def measure() -> Report:
    """Scroll both pages by turns."""
    with tempfile.TemporaryDirectory() as folder, furnished(Path(folder), fake_seconds=0.0) as service:
        full = _make_jobs(service)
        with chromium() as (browser, _):
            ours, theirs, notes = [], [], {}
            for _ in range(ROUNDS):
                notes = _ours(browser, service, full)
                ours.append(round(notes["p95"], 4))
                theirs.append(round(_plain(browser)["p95"], 4))
    what = (
        f"95th percentile of the gaps between frames, {JOBS} finished jobs scrolled, against a plain page of pictures"
    )
    return Report("page_gallery", what, ours, theirs, at_most=_AT_MOST, notes=notes)


def _make_jobs(service: Service) -> int:
    """Make the jobs and return how many bytes one of their full pictures has."""
    body = {"width": _SIDE, "height": _SIDE, "steps": 1}
    links = []
    for number in range(JOBS):
        job = service.call("POST", "/v1/jobs", {**body, "prompt": f"a red circle, number {number}", "seed": number})
        links.append(job.json["url"])
        if number % 10 == 9:
            _await(service, links[-10:])
    finished = service.call("GET", links[0]).json
    return len(service.call("GET", finished["pictures"][0]["url"]).body)


def _await(service: Service, links: list[str]) -> None:
    for link in links:
        wait(lambda link=link: service.call("GET", link).json["ended_at"] is not None, 60, "the jobs")


def _ours(browser: Browser, service: Service, full: int) -> dict[str, float]:
    context = context_of(browser, address(service))
    try:
        sign_in(context, service)
        page = context.new_page()
        page.goto("/")
        open_tab(page, "gallery")
        page.locator("#tab-gallery img").first.wait_for()
        found = _scrolled(page)
        loaded = page.evaluate(_PICTURES)
        sizes = [size for _, size in loaded]
        large = [path for path, size in loaded if size > full / 2]
        assert not large, f"loaded for cards, as large as full pictures: {large[:3]}"
        return {**found, "pictures": len(loaded), "bytes": sum(sizes), "bytes_of_a_full_picture": full}
    finally:
        context.close()


def _plain(browser: Browser) -> dict[str, float]:
    context = context_of(browser, "http://127.0.0.1")
    try:
        page = context.new_page()
        small = base64.b64encode(preview(40, 90, 160, side=256)).decode()
        card = f"<img width=256 height=256 alt='' src='data:image/png;base64,{small}'><p>a red circle</p>"
        page.set_content(f"<div>{card * JOBS}</div>")
        return _scrolled(page)
    finally:
        context.close()


def _scrolled(page: Page) -> dict[str, float]:
    time.sleep(0.5)  # what the page does at its start is measured elsewhere
    return dict(json.loads(page.evaluate(f"({_SCROLLED})().then(JSON.stringify)")))
