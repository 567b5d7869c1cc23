"""What holds for every test: no proxies towards loopback, and where CI promises that nothing is missing, no skips."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
# Every test talks to loopback, and the vendor's SDKs, which know no NO_PROXY, would ask the proxy for it.
for name in PROXIES:
    os.environ.pop(name, None)
# Nodes that are processes come up in a second and need nothing; tests of whole nodes ask for those.
os.environ.setdefault("GARRET_LOCAL_DRIVER", "process")

IN_CI = os.environ.get("CI", "").lower() == "true"


# Files that take minutes, begun first: at the end of a run they would be waited for alone.
LONG = (
    "tests/flows/",
    "tests/light/",
    "tests/local_cloud/nodes/namespace/",
    "tests/service_runtime/api/test_fuzzed.py",
    "tests/service_runtime/test_downloads_under_fire.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files before the others, in whatever order they are shuffled."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def _fail_if_skipped(report: Any) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, and with CI=true nothing may be missing: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Turn a module that skips itself into a failed one in CI."""
    report = yield
    _fail_if_skipped(report)
    return report
