"""How soon the page is there, beside an empty Gradio page of the same version.

A page is interactive when its first text field answers an input event: it grows for the lines that are put into it,
which is the work of the page's script and not of the browser. Both are opened in turn, in one browser and one run: in
a new profile (cold), and once more in the same one (warm). The settings come after the words; when the button can be
pressed is noted, in milliseconds, and has no bound: the empty page has no button.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.report import Report
from tests.page.chromium import chromium, context_of
from tests.page.house import address, furnished, sign_in
from tests.page.waiting import until
from tests.service_runtime.living import Service, free_port, wait

ROUNDS = 7
_AT_MOST = 1.5
# Tried at each frame until it is answered; the words are set as a browser sets them, not as a script's own.
_ANSWERED = """() => {
  const lines = Array(6).fill("a red circle").join("\\n");
  const shown = (field) => field.getClientRects().length && !field.disabled && !field.readOnly;
  const heights = new WeakMap();
  function attempt() {
    const field = [...document.querySelectorAll("textarea")].find(shown);
    if (field && field.offsetHeight > heights.get(field)) { window.answeredAt = performance.now(); return; }
    if (field) {
      if (!heights.has(field)) heights.set(field, field.offsetHeight);
      Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, lines);
      field.dispatchEvent(new InputEvent("input", { bubbles: true, data: lines }));
    }
    requestAnimationFrame(attempt);
  }
  requestAnimationFrame(attempt);
}"""
_PRESSABLE = """() => {
  const button = document.querySelector("button.garret-sample");
  return !button ? -1 : !button.disabled && performance.now();
}"""
_LOADED = """() => {
  const [page, ...rest] = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return { requests: rest.length + 1, bytes: [page, ...rest].reduce((sum, one) => sum + one.transferSize, 0) };
}"""


def measure() -> list[Report]:
    """Measure both pages by turns."""
    with tempfile.TemporaryDirectory() as folder, furnished(Path(folder), fake_seconds=0.0) as ours:
        with _empty_page() as theirs, chromium() as (browser, _):
            return _interactive(browser, ours, theirs)


@contextmanager
def _empty_page() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.empty_page", str(port)])
    own = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: _answers(own), 60, "the empty page")
        yield own
    finally:
        process.terminate()
        process.wait()


def _answers(own: str) -> bool:
    with suppress(OSError):
        return urllib.request.urlopen(own, timeout=5).status == 200
    return False


def _interactive(browser: Browser, ours: Service, theirs: str) -> list[Report]:
    def ours_opened() -> dict[str, float]:
        return _opened(browser, address(ours), lambda context: sign_in(context, ours))

    def theirs_opened() -> dict[str, float]:
        return _opened(browser, theirs, lambda _: None)

    ours_opened(), theirs_opened()  # neither server's first answer counts
    taken: list[tuple[dict[str, float], dict[str, float]]] = []
    for number in range(ROUNDS):
        if number % 2:
            other = theirs_opened()
            taken.append((ours_opened(), other))
        else:
            taken.append((ours_opened(), theirs_opened()))
    return [_report(kind, taken) for kind in ("cold", "warm")]


def _report(kind: str, taken: list[tuple[dict[str, float], dict[str, float]]]) -> Report:
    import gradio

    ours, theirs = ([round(one[kind], 4) for one in side] for side in zip(*taken, strict=True))
    notes: dict[str, object] = {"gradio": gradio.__version__}
    for name, (one, other) in {"ours": taken[-1], "theirs": taken[-1]}.items():
        chosen = one if name == "ours" else other
        notes[name] = {what: int(chosen[f"{kind}_{what}"]) for what in ("requests", "bytes", "pressable")}
    what = f"seconds until our page answers an input event, {kind}, against an empty Gradio page"
    return Report(f"page_{kind}", what, ours, theirs, at_most=_AT_MOST, notes=notes)


def _opened(browser: Browser, own: str, enter: Callable[..., None]) -> dict[str, float]:
    """Open a page in a new profile and once more; return the seconds of both and what came over the wire."""
    context = context_of(browser, own)
    try:
        enter(context)
        context.add_init_script(f"({_ANSWERED})()")
        page = context.new_page()
        found: dict[str, float] = {}
        for kind in ("cold", "warm"):
            found[kind] = _seconds(page)
            loaded = page.evaluate(_LOADED)
            loaded["pressable"] = until(page, _PRESSABLE)
            found |= {f"{kind}_{name}": value for name, value in loaded.items()}
        return found
    finally:
        context.close()


def _seconds(page: Page) -> float:
    page.goto("/", wait_until="load")
    return float(until(page, "() => window.answeredAt")) / 1000
