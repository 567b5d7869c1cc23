"""The controls that a page shows, and a walk over all of them by keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_LIST = (Path(__file__).parent / "controls.js").read_text(encoding="utf-8")
# After what the page draws for who arrives there, as a picker's list: nobody goes on within two frames.
_STOP = """async () => {
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  const focus = window.garretFocused();
  const at = window.garretControls.indexOf(focus);
  const told = at < 0 && focus && focus !== document.body ? focus.outerHTML.slice(0, 120) : "";
  return { at, told, seen: at < 0 || window.garretLooks()[at] !== window.garretBefore[at] };
}"""
_MOST_STOPS = 400


@dataclass(frozen=True)
class Control:
    """Something to act on; `stops` where the Tab key stops at it, `group` where it stops at one of several."""

    role: str
    name: str
    group: str
    stops: bool
    path: str

    def __str__(self) -> str:
        return f"{self.role} {self.name!r} (in {self.path})"


def controls_of(page: Page) -> list[Control]:
    """Return what can be acted on of what the page shows now."""
    return [Control(**one) for one in page.evaluate(_LIST)]


def walk_by_keyboard(page: Page) -> list[Control]:
    """Go over the whole page by Tab; fail for a control that is not reached or does not show that it has the focus."""
    controls = controls_of(page)
    stops: list[dict[str, Any]] = []
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        if stops and stop["at"] == stops[0]["at"]:
            break
        if stop["at"] >= 0 or stop["told"]:
            stops.append(stop)
        elif stops:  # past the last one, in the browser's own controls
            break
    reached = [controls[stop["at"]] for stop in stops if stop["at"] >= 0]
    groups = {one.group for one in reached if one.group}
    missed = [str(one) for one in controls if one.stops and one not in reached and one.group not in groups]
    unseen = [str(controls[stop["at"]]) for stop in stops if not stop["seen"]]
    assert not missed, "Tab does not reach:\n" + "\n".join(missed)
    assert not unseen, "the focus is not to be seen on:\n" + "\n".join(unseen)
    return reached
