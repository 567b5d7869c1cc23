"""axe-core's judgement of a page, told so that whoever reads it can mend it."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_GRAVE = ("serious", "critical")
_OPTIONS = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


def findings(page: Page, within: str | None = None) -> list[dict[str, Any]]:
    """Return what axe finds serious or critical in the page as it is now, or in the part that a selector names."""
    results = Axe().run(page, context=within, options=_OPTIONS).response
    return [one for one in results["violations"] if one["impact"] in _GRAVE]


def assert_accessible(page: Page, within: str | None = None) -> None:
    """Fail with rule, element and what to do, where axe finds anything serious or critical."""
    found = findings(page, within)
    assert not found, f"axe found on {page.url}:\n" + "\n".join(_told(one) for one in found)


def _told(finding: dict[str, Any]) -> str:
    nodes = [f"    {' '.join(map(str, node['target']))}\n      {_mend(node)}" for node in finding["nodes"][:8]]
    more = len(finding["nodes"]) - len(nodes)
    tail = [f"    and {more} more"] if more > 0 else []
    return "\n".join([f"  {finding['id']} ({finding['impact']}): {finding['help']}", *nodes, *tail])


def _mend(node: dict[str, Any]) -> str:
    return str(node.get("failureSummary", "")).replace("\n", "\n      ")
