"""Pictures to begin from, and masks painted on them, as people bring and paint them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.house import House, furnished, preview
from tests.page.language import foreign_texts
from tests.page.tabs import open_tab, overflow
from tests.page.waiting import until
from tests.page.watching import console_clean, seen_by

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

RED = preview(170, 30, 60, side=256)


def room(page: Page, kind: str) -> Locator:
    """Return a tab's place for the picture, once its form takes what is put into it."""
    open_tab(page, kind)
    page.locator(f"#{kind}-make[data-ready]").wait_for()
    place = page.locator(f"#tab-{kind} garret-begin")
    place.locator(".garret-begin").wait_for()
    return place


def give(place: Locator, data: bytes, name: str = "red.png") -> None:
    """Choose a file."""
    place.locator(".garret-begin-file").set_input_files({"name": name, "mimeType": "image/png", "buffer": data})


def given(page: Page, kind: str, data: bytes = RED) -> Locator:
    """Return a tab's place with a picture in it, and its size in the form."""
    place = room(page, kind)
    give(place, data)
    expect(place.locator(".garret-begin-size")).not_to_be_empty()
    return place


def box(page: Page, name: str) -> Locator:
    """Return a field of a form."""
    return page.locator(f"#{name} :is(textarea, input:not([type=range]))").first


def sampled(page: Page, kind: str) -> dict[str, Any]:
    """Press the button, and return what the job was asked for."""
    known = {job["id"] for job in page.request.get("/v1/jobs").json()}
    button = page.locator(f"#{kind}-sample")
    expect(button).to_be_enabled()
    button.click()
    until(
        page,
        "async (known) => (await (await fetch('/v1/jobs?limit=1')).json()).some((job) => !known.includes(job.id))",
        list(known),
    )
    (job,) = page.request.get("/v1/jobs?limit=1").json()
    asked: dict[str, Any] = page.request.get(f"/v1/jobs/{job['id']}?wait=60").json()
    return asked


def kept(page: Page, digest: str) -> Any:
    """Return an input's pixels, as numbers."""
    answer = page.request.get(f"/v1/inputs/{digest}")
    assert answer.ok, answer.text()
    return numpy.asarray(PIL.Image.open(io.BytesIO(answer.body())))


def mask_of(page: Page, *, but: str = "") -> str:
    """Return the digest of the mask that the form has, another one than `but`, once nothing waits any more."""
    expect(page.locator("#inpaint-sample")).to_be_enabled()
    return str(
        until(
            page,
            "(but) => { const box = document.querySelector('#inpaint-start-mask-image :is(textarea, input)');"
            " return !document.querySelector('#inpaint-sample').disabled && box.value !== but && box.value; }",
            but,
        )
    )


def stroke(page: Page, place: Locator, *points: tuple[float, float], steps: int = 8) -> None:
    """Paint with the mouse from point to point, in shares of the picture as it is seen whole."""
    canvas = place.locator("canvas")
    layer = until(
        page, "() => document.querySelector('garret-mask')?.view?.layer && document.querySelector('canvas').width > 300"
    )
    assert layer
    canvas.hover()  # which waits until it stays where it is
    width, height = page.evaluate(
        "(({ width, height }) => [width, height])(document.querySelector('garret-mask').view.layer)"
    )
    area = canvas.bounding_box()
    assert area
    scale = min(area["width"] / width, area["height"] / height)
    left = area["x"] + (area["width"] - width * scale) / 2
    top = area["y"] + (area["height"] - height * scale) / 2
    places = [(left + x * width * scale, top + y * height * scale) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for x, y in places[1:] or places:
        page.mouse.move(x, y, steps=steps)
    page.mouse.up()


def test_a_picture_is_begun_from(logged_in: Page) -> None:
    """What is no picture is told at once; a picture gives the form its size, and the job begins from it."""
    place = room(logged_in, "image")
    give(place, RED[:300], "half.png")
    expect(place.get_by_role("alert")).to_contain_text("This PNG file is broken")
    assert_accessible(logged_in, "#tab-image")
    give(place, b"text, no picture", "notes.txt")
    expect(place.get_by_role("alert")).to_contain_text("notes.txt: this browser cannot read it")
    logged_in.locator("#image-sample").click()
    expect(logged_in.locator("#image-make garret-made")).to_contain_text("Choose a picture first")
    give(place, preview(30, 90, 170, side=1200))
    expect(place.locator("img")).to_be_visible()
    expect(place.get_by_role("alert")).to_be_hidden()
    expect(box(logged_in, "image-width")).to_have_value("1200")
    job = sampled(logged_in, "image")
    assert job["state"] == "Success"
    assert kept(logged_in, job["request"]["start"]["image"]).shape == (1200, 1200, 3)
    assert (job["request"]["width"], job["request"]["start"]["denoise"]) == (1200, 0.75)
    assert_accessible(logged_in, "#tab-image garret-begin")
    console_clean(logged_in)


def test_a_mask_is_painted(visit: Visit) -> None:
    """By mouse, white where it went; the button asks for it where there is none."""
    page = visit("/", language="zh")
    place = given(page, "inpaint")
    page.locator("#inpaint-sample").click()
    expect(page.locator("#inpaint-make garret-made")).to_contain_text("请先涂出要重绘的部分")
    stroke(page, place, (0.5, 0.5), (0.6, 0.5))
    mask = kept(page, mask_of(page))
    assert mask.shape == (256, 256)
    assert mask[128, 140] == 255
    assert mask[20, 20] == 0
    job = sampled(page, "inpaint")
    assert job["request"]["start"]["mask"]["image"]
    assert foreign_texts(page, "zh", "red.png") == []
    console_clean(page)


def run(page: Page, module: str, call: str, given: Any = None) -> None:
    """Call a function of one of the page's own modules: `call` has the module as `it`."""
    own = """const own = document.querySelector('script[src*="/start.js"]').src.replace("start.js", `${module}.js`);"""
    page.evaluate(f"([module, given]) => {{ {own} return import(own).then((it) => {call}); }}", [module, given])


def _parts(page: Page, place: Locator) -> dict[str, Callable[[], None]]:
    press = place.locator("canvas").press
    return {
        "dot": lambda: press(" "),
        "right": lambda: press("Shift+ArrowRight"),
        "undo": lambda: press("Control+z"),
        "redo": lambda: press("Control+Shift+Z"),
        "enter": lambda: press("Enter"),
        "eraser": lambda: press("e"),
        "larger": lambda: press("]"),
    }


@pytest.mark.e2e
def test_a_mask_is_painted_by_keys_alone(logged_in: Page) -> None:
    """A dot, a line, a step back and forth, the eraser; told as it is done."""
    page = logged_in
    place = given(page, "inpaint")
    until(page, "() => document.querySelector('garret-mask')?.view?.layer")
    do = _parts(page, place)
    do["dot"]()
    first = mask_of(page)
    assert kept(page, first)[128, 128] == 255
    expect(place.locator(".garret-mask-status")).to_contain_text("Painted at 50 %")
    do["enter"]()
    for _ in range(4):
        do["right"]()
    do["enter"]()
    line = mask_of(page, but=first)
    assert kept(page, line)[128, 190] == 255
    do["undo"]()
    assert mask_of(page, but=line) == first
    do["redo"]()
    assert mask_of(page, but=first) == line
    do["eraser"]()
    for _ in range(8):
        do["larger"]()
    do["dot"]()
    rubbed = kept(page, mask_of(page, but=line))
    assert rubbed[128, 190] == 0
    assert rubbed[128, 128] == 255


@pytest.mark.e2e
def test_what_the_tools_do(logged_in: Page) -> None:
    """Fill, invert, clear, a mask of one's own, zoomed in; a mask that is empty again is none."""
    page = logged_in
    place = given(page, "inpaint")
    until(page, "() => document.querySelector('garret-mask')?.view?.layer")
    place.locator(".garret-mask-fill").click()
    full = mask_of(page)
    assert kept(page, full).min() == 255
    place.locator(".garret-mask-eraser").click()
    stroke(page, place, (0.25, 0.25))
    holed = mask_of(page, but=full)
    assert kept(page, holed)[64, 64] == 0
    place.locator(".garret-mask-invert").click()
    dot = kept(page, mask_of(page, but=holed))
    assert (dot[64, 64], dot[200, 200]) == (255, 0)
    place.locator(".garret-mask-clear").click()
    expect(page.locator("#inpaint-sample")).to_be_enabled()
    until(page, "() => !document.querySelector('#inpaint-start-mask-image :is(textarea, input)').value")
    half = PIL.Image.new("L", (64, 64))
    half.paste(255, (0, 0, 32, 64))
    file = io.BytesIO()
    half.save(file, "PNG")
    place.locator(".garret-mask-file").set_input_files(
        {"name": "m.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    mask = kept(page, mask_of(page))
    assert (mask[128, 20], mask[128, 230]) == (255, 0)
    place.locator(".garret-mask-clear").click()
    until(page, "() => !document.querySelector('#inpaint-start-mask-image :is(textarea, input)').value")
    place.locator(".garret-mask-brush").click()
    for _ in range(3):
        place.locator(".garret-mask-nearer").click()
    stroke(page, place, (0.5, 0.1), (0.5, 0.12))
    top = numpy.argwhere(kept(page, mask_of(page)) == 255)[:, 0]
    assert 80 < top.mean() < 110, "painted where it is seen, not where it would be without the zoom"


@pytest.mark.e2e
def test_a_picture_and_its_mask_are_there_after_a_reload(logged_in: Page) -> None:
    """And in the other language; another tab and back changes nothing either."""
    page = logged_in
    place = given(page, "inpaint")
    stroke(page, place, (0.3, 0.3), (0.4, 0.3))
    digest = mask_of(page)
    before = kept(page, digest)
    open_tab(page, "create")
    open_tab(page, "inpaint")
    assert mask_of(page) == digest
    page.reload()
    place = room(page, "inpaint")
    assert mask_of(page) == digest
    expect(place.locator(".garret-begin-name")).to_have_text("red.png")
    stroke(page, place, (0.7, 0.7), (0.75, 0.7))
    more = kept(page, mask_of(page, but=digest))
    assert (more[before == 255] > 100).all()
    assert more[179, 185] == 255


@pytest.mark.e2e
def test_what_the_service_has_forgotten_is_sent_again_or_told(visit: Visit, tmp_path: Path) -> None:
    """From the file as long as the page has it; after a reload, in words."""
    with furnished(tmp_path) as house:
        page = visit("/", service=house)
        seen_by(page).forgive("status of 404")
        given(page, "image")
        _forget(house)
        run(page, "begun", "it.check('image')")
        until(page, "() => !document.querySelector('#image-sample').disabled")
        assert sampled(page, "image")["state"] == "Success"
        page.request.delete(f"/v1/jobs/{page.request.get('/v1/jobs').json()[0]['id']}?forget=true")
        _forget(house)
        page.reload()
        place = room(page, "image")
        expect(place.get_by_role("alert")).to_contain_text("does not keep the picture any more")


def _forget(house: House) -> None:
    for path in house.settings.state_dir.rglob("inputs/*.png"):
        path.unlink()


@pytest.mark.e2e
@pytest.mark.parametrize(("language", "words"), [("en", "at most 1 MB can be sent"), ("zh", "最多只能上传 1 MB")])
def test_too_large_a_file_is_told_before_it_is_sent(visit: Visit, tmp_path: Path, language: str, words: str) -> None:
    """With the node's limit."""
    with furnished(tmp_path, picture_body_bytes=1_000_000) as house:
        page = visit("/", language=language, service=house)
        place = room(page, "image")
        give(place, RED + bytes(1_000_000), "photo.png")
        expect(place.get_by_role("alert")).to_contain_text(words)
        assert not any("/v1/inputs" in url for url in seen_by(page).asked)


@pytest.mark.e2e
def test_a_finished_picture_is_sent_on(logged_in: Page) -> None:
    """From where it is to a tab that was not opened yet; its file does not go down and up again."""
    page = logged_in
    job = page.request.post(
        "/v1/jobs?wait=30",
        data={"prompt": "a lighthouse", "steps": 1, "width": 1024, "height": 768, "seed": 5},
        headers={"Origin": page.url.rstrip("/")},
    ).json()
    name = f"{job['id']}-0"
    run(page, "send", "it.sendTo('image', { image: given })", name)
    page.locator("#image-make[data-ready]").wait_for()
    expect(box(page, "image-width")).to_have_value("1024")
    expect(box(page, "image-height")).to_have_value("768")
    expect(box(page, "image-prompt")).to_have_value("a lighthouse")
    place = page.locator("#tab-image garret-begin")
    expect(place.locator("img")).to_be_visible()
    place.locator(".garret-begin-on").click()
    expect(page.locator("#tab-inpaint garret-mask canvas")).to_be_visible()
    expect(box(page, "inpaint-width")).to_have_value("1024")
    expect(box(page, "inpaint-prompt")).to_have_value("a lighthouse")
    place = given(page, "image")
    place.locator(".garret-begin-on").click()
    expect(page.locator("#tab-inpaint .garret-begin-name")).to_have_text("red.png")
    expect(box(page, "inpaint-width")).to_have_value("1024")
    expect(box(page, "inpaint-height")).to_have_value("1024")


@pytest.mark.e2e
def test_a_picture_is_only_made_larger(logged_in: Page) -> None:
    """By a job of its own, which needs no words."""
    page = logged_in
    place = given(page, "image")
    place.locator(".garret-larger summary").click()
    expect(place.locator(".garret-larger-upscaler option").first).to_have_text("Lanczos")
    place.locator(".garret-larger-act").click()
    newest = "async () => (await (await fetch('/v1/images?limit=1')).json()).data.find((one) => one.width === 512)"
    assert until(page, newest)["height"] == 512
    expect(page.locator("#tab-image garret-jobs img:visible").first).to_be_visible()


@pytest.mark.e2e
def test_pictures_are_dropped_and_pasted(logged_in: Page) -> None:
    """Anywhere on the tab; a file that is dropped never takes the page's place."""
    page = logged_in
    place = room(page, "image")
    put = """([name, bytes]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], `${name}.png`, { type: "image/png" }));
      const facts = { bubbles: true, cancelable: true };
      const what = name === "paste" ? new ClipboardEvent("paste", { ...facts, clipboardData: transfer })
        : new DragEvent("drop", { ...facts, dataTransfer: transfer });
      document.body.dispatchEvent(what);
      return what.defaultPrevented;
    }"""
    for name in ("drop", "paste"):
        assert page.evaluate(put, [name, list(RED)])
        expect(place.locator(".garret-begin-name")).to_have_text(f"{name}.png")
    place.locator(".garret-begin-remove").click()
    expect(place.locator(".garret-begin-choose")).to_be_focused()
    open_tab(page, "create")
    page.evaluate(put, ["drop", list(RED)])
    open_tab(page, "image")
    expect(place.locator(".garret-begin-choose")).to_be_visible()


@pytest.mark.e2e
def test_two_fingers_zoom_and_one_paints(visit: Visit) -> None:
    """On a phone, where the page is no wider than its window."""
    page = visit("/", size="phone")
    place = given(page, "inpaint")
    stroke(page, place, (0.5, 0.5))
    first = mask_of(page)
    area = place.locator("canvas").bounding_box()
    assert area
    middle = (area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *apart: float) -> None:
        points = [{"x": middle[0] + x, "y": middle[1], "id": number} for number, x in enumerate(apart)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -20)
    touch("touchStart", -20, 20)
    for apart in (30, 45, 60):
        touch("touchMove", -apart, apart)
    touch("touchEnd")
    assert until(page, "() => document.querySelector('garret-mask').view.zoom > 2")
    assert mask_of(page) == first, "a gesture is no stroke"
    touch("touchStart", 0)
    touch("touchMove", 40)
    touch("touchEnd")
    assert mask_of(page, but=first)
    assert overflow(page) == 0
    assert_accessible(page, "#tab-inpaint")


@pytest.mark.e2e
def test_a_large_photo_is_painted_on(logged_in: Page) -> None:
    """4096 pixels a side, with its mask at half of that; steps back cost no memory of their own."""
    page = logged_in
    file = io.BytesIO()
    PIL.Image.effect_noise((512, 512), 60).resize((4096, 4096)).convert("RGB").save(file, "JPEG")
    place = given(page, "inpaint", file.getvalue())
    expect(place.locator(".garret-begin-size")).to_contain_text(re.compile("4096 . 4096"))
    for share in (0.2, 0.4, 0.6):
        stroke(page, place, (0.2, share), (0.8, share))
    mask = kept(page, mask_of(page))
    assert mask.shape == (2048, 2048)
    assert mask[819, 1024] == 255


@pytest.mark.e2e
def test_the_picture_is_extended(logged_in: Page) -> None:
    """By its edges' colours, with the mask where it is new and what was painted before still painted."""
    page = logged_in
    place = given(page, "inpaint")
    stroke(page, place, (0.5, 0.5))
    before = mask_of(page)
    place.locator(".garret-extend summary").click()
    place.locator(".garret-extend-act").click()
    expect(place.get_by_role("alert")).to_contain_text("at least one side")
    place.locator(".garret-extend-left").fill("128")
    place.locator(".garret-extend-act").click()
    expect(place.locator(".garret-begin-size")).to_contain_text(re.compile("384 . 256"))
    mask = kept(page, mask_of(page, but=before))
    assert mask.shape == (256, 384)
    assert [mask[10, 10], mask[10, 140], mask[10, 200], mask[128, 256]] == [255, 255, 0, 255]
    picture = kept(page, box(page, "inpaint-start-image").input_value())
    assert tuple(picture[10, 10]) == (170, 30, 60)


@pytest.mark.e2e
def test_only_what_is_masked_changes(visit: Visit, painting: House) -> None:
    """With the demo model: another thing under the mask, and beyond its blur every pixel as it was."""
    page = visit("/", service=painting)
    painted = page.request.post(
        "/v1/jobs?wait=60", data={"prompt": "a red circle", "seed": 3}, headers={"Origin": page.url.rstrip("/")}
    ).json()
    run(page, "send", "it.sendTo('inpaint', { image: given })", f"{painted['id']}-0")
    place = room(page, "inpaint")
    stroke(page, place, (0.7, 0.3), (0.8, 0.4), (0.7, 0.4))
    box(page, "inpaint-prompt").fill("a green star")
    mask = kept(page, mask_of(page))
    job = sampled(page, "inpaint")
    assert job["state"] == "Success", job
    before, after = (
        numpy.asarray(PIL.Image.open(io.BytesIO(page.request.get(f"/v1/images/{one}-0/file").body()))).astype(int)
        for one in (painted["id"], job["id"])
    )
    assert before.shape == after.shape
    near = PIL.Image.fromarray(mask).resize(before.shape[1::-1])
    touched = numpy.asarray(near.resize((before.shape[1] // 8, before.shape[0] // 8), PIL.Image.Resampling.BOX)) > 0
    around = numpy.kron(touched, numpy.ones((8, 8), bool))
    far = numpy.ones(before.shape[:2], bool)
    for y, x in numpy.argwhere(around[::4, ::4]) * 4:
        far[max(0, y - 24) : y + 28, max(0, x - 24) : x + 28] = False
    assert far.any()
    assert (before[far] == after[far]).all()
    assert abs(before - after)[around].mean() > 3
