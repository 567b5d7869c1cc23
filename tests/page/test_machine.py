"""The Machine tab: what a node is, what it costs, when it stops itself, kept on for an hour, and its log."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.house import House, furnished
from tests.page.tabs import open_tab, overflow
from tests.page.watching import console_clean, seen_by

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

_GPU = """#!/bin/sh
case "$1" in
  --query-gpu=*) echo "0, NVIDIA A10, 15360, 22731, 64, 58, 121.5, 580.65.06" ;;
  --version) echo "CUDA Version : 13.0" ;;
esac
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A node with a stand-in for a GPU's driver, that stops itself after an hour, and was told what it costs."""
    folder = tmp_path_factory.mktemp("node")
    program = folder / "nvidia-smi"
    program.write_text(_GPU)
    program.chmod(0o755)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # for this one's start alone
            patch.setenv("PATH", str(folder), prepend=":")
            house = stack.enter_context(furnished(folder / "service", autostop_s=3600.0))
        told = {"running_per_hour": 12.0, "stopped_per_hour": 0.5, "currency": "CNY", "made_up": True}
        assert house.call("PUT", "/machine/prices", {**told, "since": time.time() - 5400}).status == 200
        yield house


def machine(visit: Visit, house: House | None = None, **looks: str) -> Page:
    """Go to the tab, and wait until the node has been asked."""
    page = visit("/", service=house, **looks)
    open_tab(page, "machine")
    page.locator(".garret-log-line").first.wait_for()
    return page


def test_a_node_is_seen_and_kept_on_for_an_hour(visit: Visit, node: House) -> None:
    """Devices, costs, when it stops; one press keeps it on, another takes that back."""
    page = machine(visit, node)
    gpu = page.locator("section", has=page.get_by_role("heading", name="GPU", exact=True))
    expect(gpu).to_contain_text("NVIDIA A10")
    expect(gpu.get_by_role("meter", name="Load")).to_have_attribute("aria-valuenow", "64")
    expect(page.locator("garret-machine")).to_contain_text("Made-up prices of the local cloud")
    expect(page.locator("garret-machine")).to_contain_text(re.compile(r"about CN¥18\.\d\d, since"))
    expect(page.locator("garret-machine")).to_contain_text("580.65.06 (CUDA 13.0)")
    page.get_by_role("button", name="Keep it on for 1 h").click()
    expect(page.locator("garret-machine")).to_contain_text(re.compile(r"Kept on for (1 h 0 min|59 min \d+ s) still"))
    assert 3590 < node.call("GET", "/machine").json["autostop"]["hold"]["left_s"] <= 3600
    page.get_by_role("button", name="Let it stop again").click()
    expect(page.get_by_role("button", name="Let it stop again")).to_be_hidden()
    assert node.call("GET", "/machine").json["autostop"]["hold"] is None
    console_clean(page)


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_autostop_is_changed(visit: Visit, node: House, language: str) -> None:
    """Another time, learned, a time of day in the browser's zone; what is not taken says why, by the field's label."""
    page = machine(visit, node, language=language)
    page.locator("garret-machine summary").click()
    form = page.locator("garret-machine form")
    form.locator("select").select_option("7200")
    form.locator("input[type=checkbox]").check()
    form.locator("input[type=time]").fill("02:00")
    form.get_by_role("button").click()
    expect(page.locator(".garret-machine-said")).to_have_text({"en": "Saved.", "zh": "已保存。"}[language])
    said = node.call("GET", "/machine").json["autostop"]
    assert (said["after_s"], said["learn"], said["stop_by"]) == (7200.0, True, "02:00")
    expect(page.locator(".garret-machine-now")).to_contain_text("02:00")
    page.locator("garret-machine summary").click()
    form.locator("select").select_option("0")
    expect(form.locator("input[type=checkbox]")).to_be_disabled()
    form.locator("input[type=time]").fill("")
    form.get_by_role("button").click()
    never = {"en": "It does not stop itself", "zh": "不会自动停机"}[language]
    expect(page.locator(".garret-machine-now")).to_contain_text(never)
    seen_by(page).forgive("status of 422")
    page.locator("garret-machine summary").click()
    page.evaluate("document.querySelector('garret-machine form option').value = '1e9'")
    form.locator("select").select_option("1e9")
    form.get_by_role("button").click()
    label = {"en": "Stop after so long without use", "zh": "闲置多久后停机"}[language]
    expect(page.locator(".garret-machine-said")).to_contain_text(label)
    assert node.call("PUT", "/machine/autostop", {"idle_s": 3600, "learn": False}).status == 200


@pytest.mark.e2e
def test_the_log_is_followed_held_still_and_copied(visit: Visit, node: House) -> None:
    """A job's lines come by themselves; held still nothing moves; only warnings where that is wanted."""
    page = machine(visit, node)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log = page.get_by_role("log")
    small = {"prompt": "a red circle", "width": 64, "height": 64, "steps": 2}
    assert node.call("POST", "/v1/jobs?wait=20", small).status == 200
    expect(log).to_contain_text(re.compile(r"over \([0-9a-f]{8}, [\d.]+ s, success\)"))
    expect(log).not_to_contain_text("circle")
    page.get_by_role("button", name="Pause").click()
    before = log.locator(".garret-log-line").count()
    assert node.call("POST", "/v1/jobs?wait=20", small).status == 200
    page.get_by_role("button", name="Follow").click()
    expect(log.locator(".garret-log-line")).to_have_count(before + 3)
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").count("\n") == before + 2
    page.get_by_label("Show").select_option("grave")
    expect(log).to_contain_text("No lines since the service started.")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("language", "size", "scheme"), [("en", "phone", "light"), ("zh", "phone", "dark"), ("zh", "desktop", "light")]
)
def test_the_tab_is_usable_by_everybody(visit: Visit, node: House, language: str, size: str, scheme: str) -> None:
    """On a phone nothing is wider than it; axe has nothing serious to say, also of the opened form."""
    page = machine(visit, node, language=language, size=size, scheme=scheme)
    page.locator("garret-machine summary").click()
    assert overflow(page) == 0
    assert_accessible(page)


@pytest.mark.e2e
def test_what_nobody_knows_is_said(visit: Visit, tmp_path: Path) -> None:
    """No GPU, no price, nothing that stops it; a service that goes and comes back is seen to by itself."""
    with furnished(tmp_path) as house:
        page = machine(visit, house)
        expect(page.locator("garret-machine")).to_contain_text("There is no GPU that the driver tells of.")
        expect(page.locator("garret-machine")).to_contain_text("Nobody has told this node what it costs")
        expect(page.locator("garret-machine")).to_contain_text("It does not stop itself")
        seen_by(page).forgive("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "status of 50")
        house.leave()
        expect(page.locator("garret-machine > [role=status]")).to_contain_text("does not answer")
        house.come_back()
        expect(page.locator("garret-machine > [role=status]")).to_be_hidden(timeout=20_000)
