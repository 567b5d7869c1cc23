"""A walk over every control that a page shows: each is acted on as by a person, also those that come up meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ElementHandle, FileChooser, Page
from playwright.sync_api import Error as BrowserError

from tests.page.chromium import PATIENCE_MS
from tests.page.controls import Control, controls_of
from tests.page.house import preview
from tests.page.tabs import open_tab

_MOST = 400
_LOOKS, _PAUSE_MS = 3, 300
"""So often it is looked for what comes up a moment later, as what a search finds."""
_WORDS = "a blue square"
_TEXTS = ("text", "textarea", "search", "url", "email", "password", "textbox")
_STEPS = {"number": "ArrowUp", "range": "ArrowRight", "slider": "ArrowRight", "spinbutton": "ArrowUp"}
_CHOICES = ("combobox", "listbox")
_HANDLE = "(at) => window.garretControls[at]"
_INSIDE = "(one, selector) => Boolean(one.closest(selector))"
_DIALOGS = "dialog[open], [role=dialog]"


@dataclass
class Walk:
    """Acts on every control of a tab, and keeps what could not be acted on; from other tabs it comes back.

    Without a `tab` it is all that a page shows. Left alone is what `leave` matches by its key, and what is inside of an
    element that the selector `leave_in` finds.
    """

    page: Page
    tab: str
    leave: tuple[str, ...] = ()
    leave_in: str = ""
    patience_ms: int = 3000
    touched: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _again: set[str] = field(default_factory=set)

    def over(self) -> list[str]:
        """Touch each once, as long as there are new ones; return their keys."""
        self.page.on("filechooser", _choose)
        self.page.set_default_timeout(self.patience_ms)
        quiet = 0
        for _ in range(_MOST):
            self._come_back()
            if found := self._next():
                quiet = 0
                key, control, handle = found
                self.touched.append(key)
                self._act(key, control, handle)
            elif not self._closed():
                quiet += 1
                if quiet > _LOOKS:
                    break
                self.page.wait_for_timeout(_PAUSE_MS)
        self.page.remove_listener("filechooser", _choose)
        self.page.set_default_timeout(PATIENCE_MS)
        return self.touched

    def _come_back(self) -> None:
        if self.tab and not self._is_modal() and not self.page.locator(f"#tab-{self.tab}").is_visible():
            open_tab(self.page, self.tab)

    def _next(self) -> tuple[str, Control, ElementHandle] | None:
        modal = self._is_modal()
        for at, control in enumerate(controls_of(self.page)):
            key = key_of(control)
            if not control.stops or key in self.touched or any(re.search(one, key) for one in self.leave):
                continue
            handle = self.page.evaluate_handle(_HANDLE, at).as_element()
            if handle is None or (self.leave_in and handle.evaluate(_INSIDE, self.leave_in)):
                continue
            if not modal or handle.evaluate(_INSIDE, _DIALOGS):
                return key, control, handle
        return None

    def _is_modal(self) -> bool:
        return self.page.locator(_DIALOGS).filter(visible=True).count() > 0

    def _closed(self) -> bool:
        """Close what stands before the page; false where nothing does."""
        if not self._is_modal():
            return False
        self.page.keyboard.press("Escape")
        if self._is_modal():
            self.failed.append("a dialog does not close by Escape")
            return False
        return True

    def _act(self, key: str, control: Control, handle: ElementHandle) -> None:
        before = self.page.url
        try:
            _way(control.role)(self.page, handle)
        except BrowserError as error:
            told = str(error).splitlines()[0]
            if key not in self._again and (self._is_modal() or not (handle.is_visible() and handle.is_enabled())):
                # It went, was drawn anew or was covered by a dialog, in this very moment.
                self._again.add(key)
                self.touched.remove(key)
            else:
                self.failed.append(f"{key}: {told}")
        if urlsplit(self.page.url).path != urlsplit(before).path:
            self.page.go_back(wait_until="load")


def key_of(control: Control) -> str:
    """Return what a control is known by: the same one of fifty cards is one control."""
    return re.sub(r"\d+", "#", f"{control.role} {control.name.partition(chr(10))[0]!r} in {control.path}")


def _way(role: str) -> Callable[[Page, ElementHandle], None]:
    if role in _TEXTS:
        return _type
    if role in _STEPS:
        return lambda _, handle: handle.press(_STEPS[role])
    if role in _CHOICES:
        return _choose_next
    return {"select": _choose_all, "link": _look_up}.get(role, lambda _, handle: handle.click())


def _type(_: Page, handle: ElementHandle) -> None:
    if handle.is_editable():
        handle.fill(_WORDS)


def _choose_next(page: Page, handle: ElementHandle) -> None:
    handle.click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def _choose_all(_: Page, handle: ElementHandle) -> None:
    count = int(handle.evaluate("(one) => one.options.length"))
    for at in [*range(min(count, 8)), 0]:
        handle.select_option(index=at)


def _look_up(page: Page, handle: ElementHandle) -> None:
    address = str(handle.evaluate("(one) => one.href"))
    if address.startswith("http"):
        answer = page.context.request.get(address)
        if answer.status >= 400:
            raise BrowserError(f"{address} is answered {answer.status}")


def _choose(chooser: FileChooser) -> None:
    chooser.set_files({"name": "square.png", "mimeType": "image/png", "buffer": preview(20, 60, 160)})
