"""The gallery, as somebody goes through it who has made pictures."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.house import House, furnished
from tests.page.language import foreign_texts
from tests.page.tabs import open_tab, overflow
from tests.page.waiting import until
from tests.page.watching import seen_by
from tests.service_runtime.living import wait

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

_PLACE = "(id) => document.querySelector(`.garret-grid li[data-id='${id}']`).getBoundingClientRect().top"

_SHOWN = "[...document.querySelectorAll('.garret-grid li')].map((item) => item.dataset.id)"
_OTHERS = f"(known) => {_SHOWN}.some((id) => !known.includes(id))"


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service where two pages of pictures were made."""
    with furnished(tmp_path_factory.mktemp("gallery"), fake_seconds=0.01) as house:
        for number in range(17):
            _make(house, f"{('red', 'green', 'blue')[number % 3]} house {number}", count=4)
        yield house


def _make(house: House, prompt: str, count: int = 1, **fields: Any) -> list[str]:
    body = {"prompt": prompt, "negative_prompt": "fog", "steps": 2, "seed": 7, "width": 512, "height": 512}
    job = house.call("POST", "/v1/jobs?wait=60", {**body, "batch_size": count, **fields}).json
    assert job.get("state") == "Success", job
    return [f"{job['id']}-{picture['number']}" for picture in job["pictures"]]


def _ids(house: House, **asked: str) -> list[str]:
    query = urlencode({"limit": 1000, **asked})
    return [image["id"] for image in house.call("GET", f"/v1/images?{query}").json["data"]]


def _gallery(visit: Visit, house: House, **looks: str) -> tuple[Page, Locator]:
    page = visit("/", service=house, **looks)
    open_tab(page, "gallery")
    return page, page.locator(".garret-grid .garret-card")


def test_pictures_are_found_looked_at_and_deleted(visit: Visit, served: House) -> None:
    """The newest is first; its dialog goes on to the next one by a key, and deletes for good after a question."""
    first = _make(served, "a gallery of one house", count=2)
    page, cards = _gallery(visit, served)
    page.locator("#garret-gallery-search").fill("GALLERY house")
    expect(cards).to_have_count(2)
    assert cards.first.get_attribute("data-picture") == first[-1]
    cards.first.click()
    dialog = page.locator(".garret-picture")
    expect(dialog.locator("dl")).to_contain_text("Kept until")
    expect(dialog.locator(".garret-picture-words").first).to_contain_text("a gallery of one house")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("2 of 2")
    expect(dialog.locator("dl")).to_contain_text("Seed7")
    assert_accessible(page)
    page.keyboard.press("Delete")
    page.locator(".garret-question .garret-grave").click()
    expect(dialog).to_contain_text("Seed8")
    page.keyboard.press("Escape")
    expect(cards).to_have_count(1)
    assert _ids(served, q="gallery") == [first[-1]]


@pytest.mark.e2e
@pytest.mark.parametrize(("language", "size"), [("en", "desktop"), ("zh", "phone")])
def test_the_dialog_is_well(visit: Visit, lived_in: House, language: str, size: str) -> None:
    """For axe, in one language, in its window; it comes nearer, gives a model its preview and makes a link."""
    page, cards = _gallery(visit, lived_in, language=language, size=size, scheme="dark" if size == "phone" else "light")
    cards.nth(1).click()
    dialog = page.locator(".garret-picture")
    expect(dialog.locator("dl div")).not_to_have_count(0)
    dialog.locator("summary").click()
    expect(dialog.locator("pre")).to_contain_text("Negative prompt: fog")
    assert_accessible(page)
    assert foreign_texts(page, language) == []
    assert overflow(page) <= 0
    percent = dialog.locator(".garret-percent").inner_text()
    page.keyboard.press("+")
    expect(dialog.locator(".garret-percent")).not_to_have_text(percent)
    page.keyboard.press("0")
    expect(dialog.locator(".garret-percent")).to_have_text(percent)
    dialog.locator(".garret-picture-link").click()
    link = dialog.locator("input").input_value()
    assert page.request.get(link, headers={"cookie": ""}).headers["content-type"] == "image/png"
    dialog.locator(".garret-picture-preview").click()
    asking = page.locator(".garret-question")
    asking.locator("select").select_option("lora/heart")
    asking.locator(".garret-first").click()
    expect(asking.locator("[role=status]")).not_to_be_empty()
    assert_accessible(page)
    assert foreign_texts(page, language) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(cards.nth(1)).to_be_focused()


@pytest.mark.e2e
def test_several_are_saved_in_one_file_and_deleted(visit: Visit, lived_in: House, tmp_path: Path) -> None:
    """Chosen with a range; what the file holds is what the service has."""
    made = _make(lived_in, "a row of yellow boats", count=4)
    page, cards = _gallery(visit, lived_in)
    page.locator("#garret-gallery-search").fill("yellow boats")
    expect(cards).to_have_count(4)
    page.locator("#garret-gallery-choose").click()
    cards.nth(0).click()
    cards.nth(2).click(modifiers=["Shift"])
    expect(page.locator(".garret-gallery-choice [role=status]").first).to_have_text("3 selected")
    assert_accessible(page)
    with page.expect_download() as saving:
        page.locator("#garret-choice-download").click()
    saving.value.save_as(tmp_path / "some.zip")
    with zipfile.ZipFile(tmp_path / "some.zip") as archive:
        assert archive.testzip() is None
        held = {archive.read(name) for name in archive.namelist()}
    assert held == {lived_in.call("GET", f"/v1/images/{one}/file").body for one in made[1:]}
    page.locator("#garret-choice-delete").click()
    page.locator(".garret-question .garret-grave").click()
    expect(cards).to_have_count(1)
    assert _ids(lived_in, q="yellow boats") == made[:1]


@pytest.mark.e2e
def test_all_of_them_come_by_scrolling(visit: Visit, lived_in: House) -> None:
    """Page by page, only small forms of those near the window, and arrow keys go over all of them."""
    page, cards = _gallery(visit, lived_in)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    whole, seen = _ids(lived_in), dict[str, None]()
    expect(cards.first).to_be_visible()
    while len(seen) < len(whole):
        until(page, _OTHERS, list(seen))
        seen.update(dict.fromkeys(page.evaluate(_SHOWN)))
        page.mouse.wheel(0, 900)
    assert list(seen) == whole
    expect(page.locator("#garret-gallery-more")).to_be_hidden()
    assert not [url for url in asked if url.endswith("/file")]
    cards.last.focus()
    for key, at in (("End", -1), ("Home", 0), ("ArrowRight", 1), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        expect(page.locator(f".garret-grid .garret-card[data-picture='{whole[at]}']")).to_be_focused()


@pytest.mark.e2e
def test_new_pictures_leave_what_is_looked_at_in_its_place(visit: Visit, lived_in: House) -> None:
    """They are put in above; who is in the middle sees the same as before."""
    page, cards = _gallery(visit, lived_in)
    expect(cards.nth(40)).to_be_attached()
    cards.nth(30).scroll_into_view_if_needed()
    middle = cards.nth(30).get_attribute("data-picture")
    before = page.evaluate(_PLACE, middle)
    (new,) = _make(lived_in, "a new lighthouse")
    # As somebody who comes back from another window, where what programs make in no time is looked for.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(page, "(id) => document.querySelector(`.garret-grid li:first-child[data-id='${id}']`)", new)
    assert abs(page.evaluate(_PLACE, middle) - before) < 2


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_deleted_elsewhere_is_said(visit: Visit, lived_in: House, language: str) -> None:
    """A picture that is gone is told to be, and then it is not in the gallery either."""
    (gone,) = _make(lived_in, "a short-lived house")
    page, cards = _gallery(visit, lived_in, language=language)
    card = page.locator(f".garret-grid .garret-card[data-picture='{gone}']")
    expect(card).to_be_visible()
    lived_in.call("DELETE", f"/v1/images/{gone}")
    seen_by(page).forgive("status of (404|410)")
    card.click()
    expect(page.locator(".garret-picture [role=alert]")).not_to_be_empty()
    assert foreign_texts(page, language) == []
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(cards.first).to_be_visible()


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_file_is_read_for_what_it_was_made_from(visit: Visit, lived_in: House, language: str) -> None:
    """Chosen, pasted or dropped; a broken one, another kind and too large a one are refused in words."""
    page, _ = _gallery(visit, lived_in, language=language)
    file = lived_in.call("GET", f"/v1/images/{_ids(lived_in, q='red house')[0]}/file").body
    dialog, said = page.locator(".garret-picture"), page.locator("garret-gallery [role=alert]")
    for bring in (_choose, _drop, _paste):
        bring(page, "old.png", file)
        expect(dialog.locator(".garret-picture-words").first).to_contain_text("red house")
        assert_accessible(page)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    seen_by(page).forgive("status of (413|422)")
    for name, data in (("broken.png", file[:90]), ("notes.txt", b"no picture"), ("nothing.png", b"")):
        _choose(page, name, data)
        expect(said).to_contain_text(name)
        assert foreign_texts(page, language, r".*(png|txt).*") == []
    _large(page, lived_in.settings.picture_body_bytes + 1)
    expect(said).to_contain_text("large.png")
    expect(dialog).to_have_count(0)


@pytest.mark.e2e
def test_parameters_go_into_the_form(visit: Visit, lived_in: House) -> None:
    """Of a picture that is kept here: that tab is shown then."""
    (made,) = _make(lived_in, "a particular vase", steps=9)
    page, cards = _gallery(visit, lived_in)
    expect(cards.first).to_have_attribute("data-picture", made)
    cards.first.click()
    page.locator(".garret-picture .garret-first").click()
    expect(page.locator("#create-prompt textarea")).to_have_value("a particular vase")
    expect(page.locator("#tab-create")).to_be_visible()


@pytest.mark.e2e
def test_a_gallery_with_nothing_in_it_says_what_to_do(visit: Visit, tmp_path: Path) -> None:
    """And shows the first picture when it is made."""
    # Longer than the page waits between two looks at the queue when it knows of nothing.
    with furnished(tmp_path, fake_seconds=6.0) as house:
        page, cards = _gallery(visit, house)
        expect(page.locator(".garret-gallery-empty")).to_contain_text("no pictures yet")
        page.locator("#garret-gallery-search").fill("anything")
        expect(page.locator("#garret-gallery-all")).to_be_visible()
        page.locator("#garret-gallery-all").click()
        house.call("POST", "/v1/jobs", {"prompt": "the first one", "width": 512, "height": 512})
        wait(lambda: bool(_ids(house)), 60, "the picture")
        expect(cards).to_have_count(1)
        page.locator("#tab-create-button").first.click()
        open_tab(page, "gallery")
        expect(cards).to_have_count(1)


def _choose(page: Page, name: str, data: bytes) -> None:
    page.locator("#garret-gallery-file").set_input_files([{"name": name, "mimeType": "image/png", "buffer": data}])


def _drop(page: Page, name: str, data: bytes) -> None:
    _bring(page, "drop", "dataTransfer", name, data)


def _paste(page: Page, name: str, data: bytes) -> None:
    _bring(page, "paste", "clipboardData", name, data)


def _bring(page: Page, event: str, field: str, name: str, data: bytes) -> None:
    page.evaluate(
        """([event, field, name, data]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], name, { type: "image/png" }));
          const Kind = field === "clipboardData" ? ClipboardEvent : DragEvent;
          const told = new Kind(event, { [field]: transfer, bubbles: true, cancelable: true });
          document.querySelector("garret-gallery").dispatchEvent(told);
        }""",
        [event, field, name, list(data)],
    )


def _large(page: Page, size: int) -> None:
    page.evaluate(
        """(size) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new ArrayBuffer(size)], "large.png", { type: "image/png" }));
          const input = document.querySelector("#garret-gallery-file");
          input.files = transfer.files;
          input.dispatchEvent(new Event("change"));
        }""",
        size,
    )
