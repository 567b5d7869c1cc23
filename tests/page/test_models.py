"""The models' tab, as somebody goes through it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.house import preview
from tests.page.language import foreign_texts
from tests.page.tabs import open_tab, overflow

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e


def test_models_are_found_looked_at_and_had_back(visit: Visit) -> None:
    """Narrowed by type and by words; one into the bin and back again."""
    page = visit("/", language="zh")
    open_tab(page, "models")
    cards = page.locator(".garret-model-card")
    expect(cards).to_have_count(5)
    page.locator('.garret-choice[data-type="lora"]').click()
    expect(cards).to_have_count(2)
    page.locator("#garret-models-find").fill("bright")
    expect(cards).to_have_count(1)
    cards.locator(".garret-details").click()
    dialog = page.locator(".garret-models-dialog")
    expect(dialog.locator(".garret-model-triggers")).to_contain_text("heart")
    assert foreign_texts(page, "zh") == []
    assert_accessible(page)
    dialog.locator(".garret-remove").click()
    expect(cards).to_have_count(0)
    page.locator(".garret-undo").click()
    expect(cards).to_have_count(1)
    expect(page.locator(".garret-models-bin")).to_be_hidden()


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_model_gets_its_picture_and_is_the_default(visit: Visit, language: str) -> None:
    """By its dialog, on a phone."""
    page = visit("/", language=language, size="phone", scheme="dark")
    open_tab(page, "models")
    second, tiny = (
        page.locator(f'.garret-model-card[data-path="Stable-diffusion/{name}.safetensors"]')
        for name in ("second", "tiny")
    )
    for chosen, other in ((tiny, second), (second, tiny)):
        chosen.locator(".garret-choose").click()
        expect(chosen.locator(".garret-badge-strong")).to_be_visible()
        expect(other.locator(".garret-badge-strong")).to_have_count(0)
    second.locator(".garret-copy").click()
    expect(second.locator(".garret-copy")).to_have_text({"en": "Copied", "zh": "已复制"}[language])
    second.locator(".garret-details").click()
    dialog = page.locator(".garret-models-dialog")
    picture = {"name": "face.png", "mimeType": "image/png", "buffer": preview(20, 120, 60)}
    dialog.locator("input[type=file]").set_input_files([picture])  # type: ignore[list-item]
    expect(dialog.locator("img.garret-model-picture")).to_be_visible()
    assert overflow(page) == 0
    dialog.locator(".garret-preview-drop").click()
    expect(dialog.locator(".garret-model-bare")).to_be_visible()
    dialog.locator("input[type=file]").set_input_files([{**picture, "buffer": b"no picture"}])  # type: ignore[list-item]
    expect(dialog.locator(".garret-note-bad")).to_contain_text("20 MB")
    assert foreign_texts(page, language, ".*PNG.*") == []
    dialog.get_by_role("button").first.press("Escape")
    expect(dialog).to_have_count(0)
