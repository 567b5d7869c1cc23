"""The form of the tabs that make pictures, used as a person uses it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.page.accessible import assert_accessible
from tests.page.conftest import Visit
from tests.page.house import House, furnished
from tests.page.tabs import open_tab, overflow


def ready(page: Page, kind: str = "create") -> None:
    """Wait until a form has what there is to choose."""
    page.locator(f"#{kind}-make[data-ready]").wait_for()


def press(page: Page, house: House) -> dict[str, Any]:
    """Press the button and return the job that comes of it."""
    known = {job["id"] for job in house.call("GET", "/v1/jobs").json}
    page.locator("button.garret-sample:visible").click()
    return new_job(house, known)


def new_job(house: House, known: set[str]) -> dict[str, Any]:
    """Return the first job that is not known, as soon as it is there."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for job in house.call("GET", "/v1/jobs").json:
            if job["id"] not in known:
                return dict(job)
        time.sleep(0.05)
    raise AssertionError("no job came of it")


def unfold(page: Page, part: str, kind: str = "create") -> None:
    """Open a part of the form that is folded away."""
    page.locator(f"#{kind}-part-{part} button").first.click()


def prompt(page: Page) -> str:
    """Return what the prompt says."""
    return page.locator("#create-prompt textarea").input_value()


def _size(width: int, height: int) -> str:
    return f"{width} \u00d7 {height} pixels"


def test_a_form_becomes_a_job_and_is_kept(visit: Visit, served: House) -> None:
    """With the size of a shape, a LoRA's card and the keyboard; a fault at its field; kept when loaded again."""
    page = visit("/")
    ready(page)
    page.locator("#create-prompt textarea").fill("a red heart (big")
    expect(page.locator("garret-tokens").first).to_contain_text("nothing closes this (")
    unfold(page, "extras")
    page.locator(".garret-lora-choice", has_text="heart-bright").click()
    assert prompt(page) == "a red heart (big <lora:heart-bright:1>"
    page.get_by_label("Weight of heart-bright").fill("0.4")
    page.get_by_role("button", name="ink", exact=True).click()
    page.get_by_role("radio", name=_size(1280, 768)).click()
    page.get_by_role("button", name="Swap sides").click()
    page.locator("#create-seed input").fill("12345678901234567")
    known = {job["id"] for job in served.call("GET", "/v1/jobs").json}
    page.keyboard.press("Control+Enter")
    made = new_job(served, known)["request"]
    assert made["prompt"] == "a red heart (big <lora:heart-bright:0.4>"
    assert (made["seed"], made["width"], made["height"], made["styles"]) == (12345678901234567, 768, 1280, ["ink"])
    page.locator("#create-n_iter input").fill("99")
    page.locator("#create-sample").click()
    expect(page.get_by_role("alert")).to_have_text("Batches: give a value from 1 to 16.")
    expect(page.locator("#create-n_iter input")).to_have_attribute("aria-invalid", "true")
    page.reload()
    ready(page)
    expect(page.locator("#create-n_iter input")).to_have_value("99")
    assert prompt(page) == made["prompt"]
    expect(page.get_by_role("radio", name=_size(768, 1280))).to_be_checked()


@pytest.mark.e2e
def test_a_job_fills_the_form_again(visit: Visit, served: House) -> None:
    """To the last digit of its seed; the newest job's seed is to be had by itself."""
    body = {
        "prompt": "ink <lora:heart:0.5>", "negative_prompt": "dull", "width": 832, "height": 1216, "steps": 9,
        "seed": 2**62 + 1, "sampler": "DPM++ 2M", "schedule": "karras", "vae": "None", "noise": {"s_noise": 1.1},
        "hires": {"scale": 1.5, "upscaler": "Lanczos", "denoise": 0.4}, "output": {"format": "webp"},
    }  # fmt: skip
    job = served.call("POST", "/v1/jobs?wait=30", json.dumps(body).encode()).json
    page = visit("/")
    ready(page)
    page.locator("#create-prompt textarea").fill("something else")
    page.locator("garret-jobs .garret-job", has_text="ink").get_by_role("button", name="Use these settings").click()
    expect(page.locator("#create-prompt textarea")).to_have_value(body["prompt"])
    expect(page.locator("#create-seed input")).to_have_value(str(2**62 + 1))
    expect(page.locator("#create-schedule input")).to_have_value("Karras")
    expect(page.locator("garret-rest")).to_contain_text("noise.s_noise: 1.1")
    assert press(page, served)["request"] == job["request"]
    page.locator("#create-seed input").fill("-1")
    page.get_by_role("button", name="Last seed").click()
    expect(page.locator("#create-seed input")).to_have_value(str(2**62 + 1))
    page.get_by_role("button", name="Any", exact=True).click()
    expect(page.locator("#create-seed input")).to_have_value("-1")


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_part_of_the_form_goes_into_the_request(visit: Visit, served: House, language: str) -> None:
    """Refiner, second pass, larger, memory, file; on a phone too, where nothing is wider than the window."""
    page = visit("/", language=language, size="phone")
    ready(page)
    page.locator("#create-prompt textarea").fill("a fox")
    for part in ("extras", "refiner", "hires", "upscale", "more"):
        unfold(page, part)
    for path in ("hires-on", "upscale-on", "memory", "shortcuts-fp8"):
        page.locator(f"#create-{path} input").check()
    page.locator("#create-output-format input[value=jpeg]").check()
    page.locator("#create-clip_skip input[type=number]").fill("2")
    page.locator("#create-shortcuts-guidance_until input[type=number]").fill("0.8")
    page.locator("#create-variation-strength input[type=number]").fill("0.25")
    page.locator("#create-hires-scale input[type=number]").fill("1.25")
    page.locator("#create-hires-scale input[type=number]").press("Tab")
    assert overflow(page) == 0
    assert_accessible(page, "#create-make")
    made = press(page, served)["request"]
    assert (made["memory"], made["clip_skip"], made["output"]["format"]) == ("low", 2, "jpeg")
    assert made["hires"]["scale"] == 1.25
    assert made["upscale"]["scale"] == 2
    assert made["shortcuts"] == {"guidance_from": 0, "guidance_until": 0.8, "fp8": True}
    assert made["variation"]["strength"] == 0.25
    assert made["refiner"] is None


@pytest.mark.e2e
def test_another_language_keeps_what_was_written(visit: Visit) -> None:
    """The page is loaded again for it."""
    page = visit("/")
    ready(page)
    page.locator("#create-prompt textarea").fill("a boat")
    open_tab(page, "image")
    ready(page, "image")
    page.locator("#image-prompt textarea").fill("a ship")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    ready(page, "image")
    expect(page.locator("#image-prompt textarea")).to_have_value("a ship")
    open_tab(page, "create")
    ready(page)
    expect(page.locator("#create-prompt textarea")).to_have_value("a boat")
    assert urlsplit(page.url).path == "/"


@pytest.mark.e2e
def test_a_full_queue_says_when_to_come_again(visit: Visit, tmp_path: Path) -> None:
    """Beside the button, in the user's words; what was written stays."""
    with furnished(tmp_path, fake_seconds=30, queue_limit=1) as house:
        page = visit("/", service=house, language="zh")
        ready(page)
        page.locator("#create-prompt textarea").fill("a boat")
        press(page, house)
        page.locator("#create-sample").click()
        expect(page.get_by_role("alert")).to_contain_text("队列已满")
        assert prompt(page) == "a boat"


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("language", "words"), [("en", "does not answer"), ("zh", "\u670d\u52a1\u6ca1\u6709\u54cd\u5e94")]
)
def test_a_service_that_is_away_is_told_in_the_pages_words(
    visit: Visit, tmp_path: Path, language: str, words: str
) -> None:
    """Not in Gradio's; when it is back the same press works."""
    with furnished(tmp_path) as house:
        page = visit("/", service=house, language=language)
        ready(page)
        page.locator("#create-prompt textarea").fill("a boat")
        house.leave()
        page.locator("#create-sample").click()
        expect(page.locator("#create-make").get_by_role("alert")).to_contain_text(words)
        assert "Connection" not in page.locator("body").inner_text()
        house.come_back()
        assert press(page, house)["request"]["prompt"] == "a boat"


@pytest.mark.e2e
def test_a_choice_that_is_no_name_is_in_the_pages_language(visit: Visit, served: House) -> None:
    """It is kept as what is meant, when the page is shown in another one."""
    page = visit("/", language="zh")
    ready(page)
    unfold(page, "more")
    schedule, vae = page.locator("#create-schedule input"), page.locator("#create-vae input")
    expect(schedule).to_have_value("自动")
    vae.click()
    page.get_by_role("option", name="无").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    ready(page)
    unfold(page, "more")
    expect(schedule).to_have_value("Automatic")
    expect(vae).to_have_value("None")
    page.locator("#create-prompt textarea").fill("a fox")
    asked = served.call("GET", f"/v1/jobs/{press(page, served)['id']}").json["request"]
    assert (asked["vae"], asked["schedule"]) == ("None", "automatic")
