"""Models on their way: from an address, from this computer, broken off and gone on with; in the words of who looks."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from garret import demo_model
from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.house import House, furnished
from tests.page.language import foreign_texts
from tests.page.tabs import open_tab, overflow
from tests.page.watching import seen_by
from tests.service_runtime.living import SDXL_TENSORS, safetensors_bytes
from tests.service_runtime.shelf import answer, serving_shelf

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

_LORA = demo_model.LORA.read_bytes()
# A download is a process of its own, which takes its time to begin.
_PATIENCE_MS = 60_000
_HASH = """async ([name, bytes]) => {
  const own = document.querySelector('script[src*="/own/"]').src;
  const worker = new Worker(new URL(name, own));
  return new Promise((done) => {
    worker.onmessage = ({ data }) => data.done === undefined && done(data.sha256);
    worker.postMessage({ file: new File([new Uint8Array(bytes)], "x") });
  });
}"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service that fetches from this machine as well."""
    with furnished(tmp_path_factory.mktemp("coming"), allow_private_download=True) as running:
        yield running


def _file(name: str, content: bytes) -> Any:
    return [{"name": name, "mimeType": "application/octet-stream", "buffer": content}]


def _models(visit: Visit, house: House, **looks: str) -> Page:
    page = visit("/", service=house, **looks)
    open_tab(page, "models")
    expect(page.locator(".garret-model-card").first).to_be_visible()
    return page


@pytest.mark.e2e
def test_models_come_from_an_address_and_from_this_computer(visit: Visit, house: House) -> None:
    """What each is they say themselves."""
    page = _models(visit, house, language="zh")
    with serving_shelf(_LORA) as shelf:
        page.locator("#garret-models-source").fill(shelf.url)
        page.locator("#garret-models-source").press("Enter")
        expect(page.locator('[data-path="Lora/model.safetensors"]')).to_be_visible(timeout=_PATIENCE_MS)
    own = _LORA[:-4] + os.urandom(4)
    page.locator(".garret-models-files").set_input_files(_file("own.safetensors", own))
    card = page.locator('[data-path="Lora/own.safetensors"]')
    expect(card).to_contain_text(hashlib.sha256(own).hexdigest()[:10])
    expect(page.locator(".garret-uploads .garret-hide")).to_be_visible()
    assert foreign_texts(page, "zh") == []
    assert_accessible(page)


@pytest.mark.e2e
def test_hashes_are_those_of_everybody(visit: Visit, house: House) -> None:
    """Around the lengths at which the last block is full."""
    page = visit("/", service=house)
    for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 70_000):
        content = os.urandom(size)
        found = page.evaluate(_HASH, ["hash_worker.js", list(content)])
        assert found == hashlib.sha256(content).hexdigest(), size


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_does_not_come_says_why(visit: Visit, house: House, language: str) -> None:
    """Addresses that are none, sources that refuse, files that are no models; in one's own words, on a phone."""
    page = _models(visit, house, language=language, size="phone")
    source, said = page.locator("#garret-models-source"), page.locator(".garret-add .garret-note")
    for text in ("nothing", "https://civitai.com/tags/x", "https://huggingface.co/a/b", ""):
        source.fill(text)
        page.locator(".garret-download").click()
        expect(said).to_be_visible()
        assert foreign_texts(page, language) == [], text
    with serving_shelf(_LORA) as shelf:
        shelf.replies += [answer(403) for _ in range(8)]
        source.fill(shelf.url)
        page.locator("#garret-models-type").select_option("lora")
        page.locator(".garret-download").click()
        failed = page.locator(".garret-downloads .garret-coming").filter(has=page.locator(".garret-bad"))
        expect(failed.first).to_contain_text({"en": "token", "zh": "令牌"}[language], timeout=_PATIENCE_MS)
        failed.first.locator(".garret-hide").click()
    for name, content in {
        "old.ckpt": b"PK\x03\x04" + bytes(60),
        "face.png": b"\x89PNG",
        "text.safetensors": b"x" * 99,
    }.items():
        page.locator(".garret-models-files").set_input_files(_file(name, content))
        expect(said).to_contain_text(name)
        said.evaluate("one => one.querySelector('*')?.remove()")
    assert overflow(page) == 0


@pytest.mark.e2e
def test_an_upload_outlives_its_service_and_its_page(visit: Visit, tmp_path: Path) -> None:
    """The service goes away under it, and it goes on by itself; the page is loaded anew, and the same file goes on."""
    content = safetensors_bytes(SDXL_TENSORS | {"big": (9_000_000,)})[:-32] + os.urandom(32)
    with furnished(tmp_path) as house:
        page = _models(visit, house)
        seen_by(page).forgive("Failed to load resource", "net::ERR", "status of")
        page.route(re.compile("/v1/uploads/.*offset="), lambda route: route.abort())
        page.locator(".garret-models-files").set_input_files(_file("long.safetensors", content))
        row = page.locator(".garret-uploads .garret-coming")
        expect(row).to_contain_text("No connection", timeout=_PATIENCE_MS)
        page.unroute_all()
        house.leave()
        house.come_back()
        page.route(re.compile(r"offset=[1-9]"), lambda route: route.abort())
        expect(row.locator("[role=progressbar]")).not_to_have_attribute("aria-valuenow", "0")
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload(timeout=_PATIENCE_MS)
        page.unroute_all()
        open_tab(page, "models")
        expect(row).to_contain_text("Choose the same file again")
        page.locator(".garret-models-files").set_input_files(_file("long.safetensors", content))
        expect(page.locator('[data-path="Stable-diffusion/long.safetensors"]')).to_be_visible()
        expect(row).to_have_count(1)
