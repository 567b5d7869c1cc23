"""Waiting for what a page's script finds true; Playwright's own way evaluates text, which the page's policy forbids."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.page.chromium import PATIENCE_MS

_UNTIL = """(condition, given, patience) => new Promise((done, fail) => {
  const over = performance.now() + patience;
  const look = async () => {
    const found = await condition(given);
    if (found) done(found);
    else if (performance.now() > over) fail(new Error(`never true: ${condition}`));
    else requestAnimationFrame(() => look().catch(fail));
  };
  look().catch(fail);
})"""


def until(page: Page, condition: str, given: Any = None, patience_ms: int = PATIENCE_MS) -> Any:
    """Wait until a JavaScript function, called with what is given, returns or promises something true; return that."""
    return page.evaluate(f"([given, patience]) => ({_UNTIL})({condition}, given, patience)", [given, patience_ms])
