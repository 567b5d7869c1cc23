"""What goes wrong, said in the words of whoever sits before the page: all of it, in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.accessible import assert_accessible
from tests.page.chromium import PATIENCE_MS
from tests.page.conftest import Visit
from tests.page.house import House, furnished, preview
from tests.page.language import foreign_texts
from tests.page.tabs import open_tab
from tests.page.watching import only_own_origin, seen_by
from tests.service_runtime.conftest import LOGIN, PASSWORD

expect.set_options(timeout=PATIENCE_MS)

PICTURE_BYTES = 1_000_000
SAYS = {
    "en": {
        "wrong": "The login or the password is wrong",
        "wait": r"Try again in \d+ s",
        "broken": "This PNG file is broken",
        "large": "at most 1 MB can be sent",
        "full": r"The queue is full\. Try again in \d+ s",
        "memory": "The memory did not suffice",
        "away": "The service does not answer",
        "back": "Connected again",
        "out": "Your login has ended",
    },
    "zh": {
        "wrong": "用户名或密码错误",
        "wait": r"请在 ?\d+ ?秒后",
        "broken": "该 PNG 文件已损坏",
        "large": "最多只能上传 1 MB",
        "full": r"队列已满.请在 \d+ 秒后重试",
        "memory": "显存不足",
        "away": "服务没有响应",
        "back": "已重新连接",
        "out": "登录已失效",
    },
}
PROVOKED = (r"status of (401|413|422|429|50\d)", "ERR_", "Failed to load resource")


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_fault_is_said(visit: Visit, tmp_path: Path, language: str) -> None:
    """One evening on which everything goes wrong, one thing after the other; the jobs and the words come through."""
    says = SAYS[language]
    with furnished(tmp_path, queue_limit=1, picture_body_bytes=PICTURE_BYTES, fake_seconds=8) as house:
        page = visit("/", service=house, language=language, login=False)
        seen_by(page).forgive(*PROVOKED)
        _slip_at_the_login(page, says)
        _give_what_is_no_picture(page, says)
        job = _fill_the_queue(page, says)
        _lose_the_service(page, house, job, says)
        _lose_the_login(page, says)
        assert foreign_texts(page, language) == []
        only_own_origin(page)


@pytest.mark.e2e
@pytest.mark.timeout(200)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_guesses_passwords_is_told_to_wait(visit: Visit, tmp_path: Path, language: str) -> None:
    """The page says for how long, and the right password opens nothing until then."""
    with furnished(tmp_path) as house:
        page = visit("/login", service=house, language=language, login=False)
        seen_by(page).forgive(*PROVOKED)
        for _ in range(11):
            _log_in(page, "a guess")
            page.wait_for_load_state()
        expect(page.locator("body")).to_contain_text(re.compile(SAYS[language]["wait"]))
        _log_in(page, PASSWORD)
        expect(page.locator("body")).to_contain_text(re.compile(SAYS[language]["wait"]))


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_tab_that_is_first_opened_without_a_service(visit: Visit, tmp_path: Path, language: str) -> None:
    """Its elements are there as soon as the service is, without loading the page again."""
    with furnished(tmp_path) as house:
        page = visit("/", service=house, language=language)
        seen_by(page).forgive(*PROVOKED)
        expect(page.locator("#create-sample")).to_be_visible()
        house.kill()
        page.locator("#tab-gallery-button").click()
        expect(_banners(page)).to_contain_text(SAYS[language]["away"])
        house.come_back()
        expect(_banners(page)).not_to_contain_text(SAYS[language]["away"])
        expect(page.locator("garret-gallery :is(button, input)").first).to_be_visible()


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_job_that_failed_says_why_and_is_tried_again(visit: Visit, tmp_path: Path, language: str) -> None:
    """Out of memory, also when it is tried with little of it: what to change; and another try with one press."""
    with furnished(tmp_path, fake_faults="oom@1,oom@2") as house:
        page = visit("/", service=house, language=language)
        failed = _sample(page, "a kite of lead")
        expect(failed).to_have_attribute("data-state", "Failed")
        expect(failed.locator(".garret-error")).to_contain_text(SAYS[language]["memory"])
        assert_accessible(page, "#tab-create garret-jobs")
        failed.locator(".garret-job-retry").click()
        expect(page.locator('.garret-job[data-state="Success"]:visible')).to_contain_text("a kite of lead")


def _slip_at_the_login(page: Page, says: dict[str, str]) -> None:
    _log_in(page, "not this one")
    expect(page.locator("body")).to_contain_text(says["wrong"])
    _log_in(page, PASSWORD)
    expect(page.locator("#create-sample")).to_be_visible()


def _give_what_is_no_picture(page: Page, says: dict[str, str]) -> None:
    open_tab(page, "image")
    page.locator("#image-make[data-ready]").wait_for()
    place = page.locator("#tab-image garret-begin")
    whole = preview(170, 30, 60)
    for name, data in {"broken": whole[:200], "large": whole + bytes(PICTURE_BYTES)}.items():
        place.locator(".garret-begin-file").set_input_files(
            {"name": f"{name}.png", "mimeType": "image/png", "buffer": data}
        )
        expect(place.get_by_role("alert")).to_contain_text(says[name])
    open_tab(page, "create")


def _fill_the_queue(page: Page, says: dict[str, str]) -> str:
    """Return the id of the job that fills it."""
    running = _sample(page, "a red kite")
    page.locator("#create-sample").click()
    made = page.locator("#create-make garret-made")
    expect(made).to_contain_text(re.compile(says["full"]))
    return str(running.get_attribute("data-job"))


def _lose_the_service(page: Page, house: House, job: str, says: dict[str, str]) -> None:
    house.kill()
    expect(_banners(page)).to_contain_text(says["away"])
    house.come_back()
    expect(_banners(page)).to_contain_text(says["back"])
    expect(page.locator(f'[data-job="{job}"]:visible')).to_have_attribute("data-state", "Success")


def _lose_the_login(page: Page, says: dict[str, str]) -> None:
    page.locator("#create-prompt textarea").fill("a half written kite")
    page.context.clear_cookies(name="garret_session")
    expect(_banners(page)).to_contain_text(says["out"])
    assert_accessible(page, ".garret-banners")
    page.locator(".garret-banner-login").click()
    _log_in(page, PASSWORD)
    expect(page.locator("#create-prompt textarea")).to_have_value("a half written kite")


def _sample(page: Page, prompt: str) -> Locator:
    """Ask for a picture by the form, and return the job's card."""
    page.locator("#create-make[data-ready]").wait_for()
    before = json.loads(page.request.get("/v1/jobs?limit=1").text())
    page.locator("#create-prompt textarea").fill(prompt)
    page.locator("#create-sample").click()
    known = before[0]["id"] if before else "none"
    card = page.locator(f'.garret-job:visible:not([data-job="{known}"])').first
    expect(card).to_contain_text(prompt)
    return card


def _log_in(page: Page, password: str) -> None:
    page.fill("#login", LOGIN)
    page.fill("#password", password)
    page.keyboard.press("Enter")


def _banners(page: Page) -> Locator:
    return page.locator(".garret-banners")
