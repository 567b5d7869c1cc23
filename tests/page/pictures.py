"""The page's pictures in docs/pictures, made anew: `python -m tests.page.pictures [TAB …]`.

Each tab and the login page, in English (light) and Chinese (dark), on a desktop and a phone, with the demo model's own
pictures. Times, loads and identifiers in them differ from run to run.
"""

from __future__ import annotations

import io
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError

from tests.page.chromium import chromium, context_of, missing
from tests.page.house import House, address, painting_house, sign_in
from tests.page.tabs import TABS, open_tab
from tests.page.waiting import until
from tests.service_runtime.living import wait

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
LOGIN = "login"
LOOKS = {"en": "light", "zh": "dark"}
MOST_BYTES = 150_000
# Whole pages, but not the end of those that a list makes long.
_TALLEST = {"desktop": 1600, "phone": 2400}
_PICTURES_ARE_THERE = """() => [...document.images].every((one) =>
  one.complete || !one.getClientRects().length || one.getBoundingClientRect().top > innerHeight)"""
_JOBS = [
    {"prompt": f"a {colour} {shape} on a {ground} background", "seed": 7}
    for colour, shape, ground in (
        ("red", "circle", "blue"),
        ("green", "square", "white"),
        ("yellow", "triangle", "black"),
        ("blue", "circle", "yellow"),
        ("white", "square", "red"),
        ("red", "triangle", "green"),
    )
]


def main() -> int:
    """Write the pictures of the tabs that are named, of all where none is."""
    if lack := missing():
        print(lack)  # noqa: T201 # a program
        return 1
    wanted = sys.argv[1:] or [LOGIN, *TABS]
    with tempfile.TemporaryDirectory() as folder, painting_house(Path(folder)) as house, chromium() as (browser, _):
        _make_jobs(house)
        for language, scheme in LOOKS.items():
            for size in _TALLEST:
                for name in wanted:
                    _take(browser, house, name, language=language, size=size, scheme=scheme)
    return 0


def path_of(name: str, language: str, size: str) -> Path:
    """Return where a tab's picture is."""
    return FOLDER / f"page-{name}-{language}-{size}.webp"


def _make_jobs(house: House) -> None:
    jobs = [house.call("POST", "/v1/jobs", {**body, "steps": 12}).json["url"] for body in _JOBS]
    for job in jobs:
        wait(lambda job=job: house.call("GET", job).json["ended_at"] is not None, 300, "the demo model's pictures")


def _take(browser: Browser, house: House, name: str, **looks: str) -> None:
    context = context_of(browser, address(house), **looks)
    try:
        if name != LOGIN:
            sign_in(context, house)
        page = context.new_page()
        page.goto("/")
        if name != LOGIN:
            open_tab(page, name)
            _set_up(page, name)
        _save(page, path_of(name, looks["language"], looks["size"]), _TALLEST[looks["size"]])
    finally:
        context.close()


def _set_up(page: Page, name: str) -> None:
    """Let a tab show something of what it is for."""
    if name in ("create", "image", "inpaint"):
        page.locator(f"#{name}-width").wait_for()
        with suppress(BrowserError):
            page.locator(f"#tab-{name} garret-jobs img").filter(visible=True).first.wait_for(timeout=6000)
    if name in ("image", "inpaint"):
        _begin(page, name)
    if name == "gallery":
        page.locator("#tab-gallery img").first.wait_for()
    # Those further down, and in what is folded, come when somebody looks at them.
    with suppress(BrowserError):
        until(page, _PICTURES_ARE_THERE, patience_ms=4000)


def _begin(page: Page, name: str) -> None:
    """Begin from the newest picture, and paint something of a mask on it."""
    place = page.locator(f"#tab-{name} garret-begin")
    newest = page.request.get("/v1/images?limit=1").json()["data"][0]["url"]
    place.locator(".garret-begin-choose").wait_for()
    page.locator(f"#{name}-make[data-ready]").wait_for()
    file = {"name": "triangle.png", "mimeType": "image/png", "buffer": page.request.get(newest).body()}
    place.locator(".garret-begin-file").set_input_files(file)
    place.locator(".garret-begin-size:not(:empty)").wait_for()
    if name == "inpaint":
        until(page, "() => document.querySelector('garret-mask')?.view?.layer")
        canvas = place.locator("canvas")
        canvas.focus()
        for key in ("Enter", *["Shift+ArrowRight"] * 3, "Enter"):
            canvas.press(key)
        page.locator(f"#{name}-prompt textarea").fill("a yellow circle")
    until(page, "(name) => !document.querySelector(`#${name}-sample`).disabled", name)


def _save(page: Page, path: Path, tallest: int) -> None:
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True, animations="disabled")))
    taken = taken.crop((0, 0, taken.width, min(taken.height, tallest)))
    for quality in (85, 70, 55, 40):
        packed = io.BytesIO()
        kept: dict[str, Any] = {"quality": quality, "method": 6}
        taken.convert("RGB").save(packed, "WEBP", **kept)
        if packed.tell() <= MOST_BYTES:
            break
    path.write_bytes(packed.getvalue())
    print(f"{path.name}: {packed.tell()} bytes, {taken.width} x {taken.height}")  # noqa: T201 # a program


if __name__ == "__main__":
    sys.exit(main())
