"""Jobs on the page: from wherever they come, how far they are, and what holds when the service goes and comes back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.page.accessible import assert_accessible
from tests.page.chromium import PATIENCE_MS
from tests.page.conftest import Visit
from tests.page.house import House, furnished
from tests.page.watching import console_clean, seen_by
from tests.service_runtime.conftest import LOGIN, PASSWORD

expect.set_options(timeout=PATIENCE_MS)


def ask(house: House, prompt: str, **more: Any) -> str:
    """Ask for a small picture as a program does; the job's id."""
    body = {"prompt": prompt, "width": 256, "height": 256, "steps": 8, **more}
    return str(house.call("POST", "/v1/jobs", body).json["id"])


def card(page: Page, job: str) -> Any:
    """The job's card in the tab that is shown."""
    return page.locator(f'.garret-job[data-job="{job}"]:visible')


def test_a_job_from_elsewhere_shows_and_brings_its_pictures(visit: Visit, served: House) -> None:
    """A program's job of the same login, while the page is open; its picture opens at full size."""
    page = visit("/")
    expect(page.locator("garret-jobs").first).to_be_visible()
    job = ask(served, "a red kite", seed=7)
    expect(card(page, job)).to_be_visible()
    expect(card(page, job)).to_have_attribute("data-state", "Success")
    expect(card(page, job).locator("img.garret-job-preview")).to_be_hidden()
    expect(card(page, job)).to_contain_text("Seed 7")
    expect(page.get_by_role("status").filter(has_text="Job: Done")).to_have_count(1)  # as who cannot see hears it
    card(page, job).locator(".garret-card").click()
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Escape")
    console_clean(page)


@pytest.mark.e2e
def test_several_at_once_tell_place_steps_and_time(visit: Visit, tmp_path: Path) -> None:
    """The one at work its step and a preview, the others their place; one is cancelled, and the title counts."""
    with furnished(tmp_path, fake_seconds=3) as house:
        page = visit("/", service=house, language="zh")
        expect(page.locator("garret-jobs").first).to_be_visible()
        jobs = [ask(house, f"kite {number}", steps=30) for number in range(3)]
        expect(card(page, jobs[0]).locator(".garret-job-state")).to_contain_text(re.compile(r"第 \d+/30 步"))
        expect(card(page, jobs[0]).locator(".garret-job-preview")).to_be_visible()
        expect(card(page, jobs[2]).locator(".garret-job-state")).to_contain_text("前面还有 1 个")
        expect(page).to_have_title(re.compile(r"^\d+% · "))
        card(page, jobs[2]).locator(".garret-job-cancel").click()
        expect(card(page, jobs[2])).to_have_attribute("data-state", "Cancelled")
        expect(card(page, jobs[1])).to_have_attribute("data-state", "Success")
        expect(card(page, jobs[1]).locator(".garret-job-state")).to_contain_text("已完成")
        expect(page).not_to_have_title(re.compile("%"))
        card(page, jobs[2]).locator(".garret-job-retry").click()
        expect(card(page, jobs[2])).to_have_count(0)
        expect(page.locator('.garret-job[data-state="Success"]:visible')).to_have_count(3)
        page.locator(".garret-jobs-clear:visible").click()
        expect(page.locator(".garret-job:visible")).to_have_count(0)
        page.reload()
        expect(page.locator(".garret-job-empty:visible")).to_be_visible()


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_restart_under_an_open_page(visit: Visit, tmp_path: Path, language: str) -> None:
    """The page says so, connects again by itself, and the job that was begun before is finished after it."""
    says = {"en": ("does not answer", "Connected again"), "zh": ("服务没有响应", "已重新连接")}[language]
    with furnished(tmp_path, fake_seconds=4) as house:
        page = visit("/", service=house, language=language)
        seen_by(page).forgive("Failed to load resource", "ERR_")
        expect(page.locator("garret-jobs").first).to_be_visible()
        job = ask(house, "a patient kite", steps=30)
        expect(card(page, job)).to_have_attribute("data-state", "Running")
        house.kill()
        banner = page.locator(".garret-banners")
        expect(banner).to_contain_text(says[0])
        house.come_back()
        expect(banner).to_contain_text(says[1])
        expect(card(page, job)).to_have_attribute("data-state", "Success")
        expect(banner).not_to_contain_text(says[0])
        console_clean(page)


@pytest.mark.e2e
def test_two_windows_hold_few_connections(visit: Visit, tmp_path: Path) -> None:
    """With twenty jobs in flight and two windows on one address, a third page loads at once, over HTTP/1.1."""
    with furnished(tmp_path, fake_seconds=2) as house:
        page = visit("/", service=house)
        other = page.context.new_page()
        other.goto("/")
        jobs = [ask(house, f"kite {number}", width=256 + 8 * number) for number in range(20)]
        for one in (page, other):
            expect(one.locator(".garret-job:visible")).to_have_count(len(jobs))
        third = page.context.new_page()
        third.goto("/docs", timeout=8000)
        third.close()
        assert other.evaluate("fetch('/v1/queue').then((answer) => answer.ok)")


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_expired_login_leads_back(visit: Visit, served: House, language: str) -> None:
    """The page says so by itself; the login leads back to the tab that was open, and to what was typed."""
    page = visit("/", language=language)
    seen_by(page).forgive("status of 401")
    page.locator("#create-prompt textarea").fill("a half written kite")
    page.locator("#tab-image-button").click()
    expect(page.locator("#tab-image-button")).to_have_attribute("aria-selected", "true")
    page.context.clear_cookies(name="garret_session")
    login = page.locator(".garret-banner-login")
    expect(login).to_have_text({"en": "Log in", "zh": "登录"}[language])
    login.click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/login")
    page.fill("#login", LOGIN)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: urlsplit(url).path == "/")
    expect(page.locator("#tab-image-button")).to_have_attribute("aria-selected", "true")
    page.locator("#tab-create-button").click()
    expect(page.locator("#create-prompt textarea")).to_have_value("a half written kite")


@pytest.mark.e2e
def test_who_leaves_in_one_window_leaves_in_all(visit: Visit) -> None:
    """The other window says so at once, and goes on when somebody has logged in again in the first."""
    page = visit("/")
    seen_by(page).forgive("status of 401")
    expect(page.locator("garret-jobs").first).to_be_visible()
    other = page.context.new_page()
    other.goto("/")
    other.locator(".garret-bar-out").click()
    other.wait_for_url("**/login?out=1")
    expect(page.locator(".garret-banner-login")).to_be_visible()
    other.fill("#login", LOGIN)
    other.fill("#password", PASSWORD)
    other.keyboard.press("Enter")
    other.wait_for_url(lambda url: urlsplit(url).path == "/")
    expect(page.locator(".garret-banner-login")).to_have_count(0)


@pytest.mark.e2e
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_machine_that_is_about_to_stop_is_kept_on(visit: Visit, tmp_path: Path, language: str) -> None:
    """Minutes before it, with a button that puts it off for an hour."""
    with furnished(tmp_path) as house:
        soon = (datetime.now(UTC) + timedelta(minutes=6)).strftime("%H:%M")
        assert house.call("PUT", "/machine/autostop", {"stop_by": soon, "time_zone": "UTC"}).status == 200
        page = visit("/", service=house, language=language)
        stop = page.locator('[data-banner="stop"]')
        expect(stop).to_contain_text({"en": "stops itself in about", "zh": "自动停机"}[language])
        assert_accessible(page, ".garret-banners")
        stop.locator("button").click()
        expect(stop).to_have_count(0)
        assert house.call("GET", "/machine").json["autostop"]["hold"]["left_s"] > 3500
