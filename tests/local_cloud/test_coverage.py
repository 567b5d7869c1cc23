"""The coverage page is what the registries say."""

from __future__ import annotations

from garret.local_cloud import coverage
from garret.local_cloud.core import PRODUCTS, access


def test_the_page_is_current() -> None:
    """`python -m garret.local_cloud.coverage` would change nothing."""
    assert coverage.PAGE.read_text("utf-8") == coverage.page(), "run: python -m garret.local_cloud.coverage"


def test_every_action_is_on_the_page_and_reads_do_not_write() -> None:
    """Each product's actions are listed; only Describe, Get, List, Validate and Preview count as reads."""
    text = coverage.page()
    for product in PRODUCTS.values():
        assert product.actions(), product.name
        for name in product.actions():
            assert f"| {name} | {access(name)} |" in text
    assert access("RunInstances") == access("SendFile") == access("StopInstance") == "write"
