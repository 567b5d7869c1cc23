"""Logging in and out in a real browser: what other sites' pages can do to it, and what two tabs tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.accessible import assert_accessible
from tests.page.chromium import context_of
from tests.page.conftest import Visit
from tests.page.controls import walk_by_keyboard
from tests.page.house import House, address, sign_in
from tests.page.language import foreign_texts
from tests.page.tabs import overflow
from tests.page.watching import console_clean, seen_by
from tests.service_runtime.conftest import LOGIN, PASSWORD

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

_ASK = """async ([path, method]) => {
  const answer = await fetch(path, { method });
  const invited = answer.headers.has("www-authenticate");
  return [answer.status, invited, answer.status === 401 ? (await answer.json()).code : ""];
}"""


def fill_in(page: Page, password: str, login: str = LOGIN) -> None:
    """Send the form."""
    page.locator("#login").fill(login)
    page.locator("#password").fill(password)
    page.locator("button").click()


def test_without_a_script_a_slip_is_told_and_the_next_try_goes_on(browser: Browser, served: House) -> None:
    """To where the way began; what was typed but the password is still there."""
    context = browser.new_context(base_url=address(served), locale="zh-CN", java_script_enabled=False)
    page = context.new_page()
    page.goto("/docs#jobs")
    fill_in(page, "Wrong-horse-7")
    expect(page.get_by_role("alert")).to_have_text("用户名或密码错误。")
    expect(page.locator("#login")).to_have_value(LOGIN)
    expect(page.locator("#password")).to_have_value("")
    page.reload()  # which sends the form again
    expect(page.get_by_role("alert")).to_have_text("用户名或密码错误。")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/docs")
    context.close()


def test_two_tabs_hear_of_a_logout(visit: Visit) -> None:
    """The other one is told in a word that its page knows, and no box of the browser's comes up; then the way back."""
    page = visit("/docs")
    other = page.context.new_page()
    other.goto("/docs")
    assert other.evaluate(_ASK, ["/v1/jobs", "GET"]) == [200, False, ""]
    assert page.evaluate(_ASK, ["/logout", "POST"])[0] == 200
    assert other.evaluate(_ASK, ["/v1/jobs", "GET"]) == [401, False, "session_expired"]
    assert other.evaluate(_ASK, ["/machine/page", "POST"]) == [401, False, "session_expired"]
    other.reload()
    assert urlsplit(other.url)[2:4] == ("/login", "next=%2Fdocs")
    assert not page.context.cookies()
    console_clean(other, "status of 401")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("language", "size", "scheme"),
    [("en", "desktop", "light"), ("zh", "phone", "dark"), ("en", "phone", "dark"), ("zh", "desktop", "light")],
)
def test_the_form_is_for_everybody(visit: Visit, language: str, size: str, scheme: str) -> None:
    """In each language and size, dark and light, before and after a slip."""
    page = visit("/", login=False, language=language, size=size, scheme=scheme)
    for slip in (False, True):
        if slip:
            fill_in(page, "wrong", "somebody")
            expect(page.get_by_role("alert")).to_be_visible()
        assert_accessible(page)
        assert not foreign_texts(page, language)
        assert overflow(page) <= 0
    page.locator("h1").click()  # from the top, and not from the field that has the focus
    walk_by_keyboard(page)
    console_clean(page, "status of 4")


@pytest.mark.e2e
def test_language_and_colours_are_kept(visit: Visit) -> None:
    """By links alone, over the login, and on the next visit."""
    page = visit("/docs", login=False)
    page.get_by_role("link", name="中文").click()
    page.get_by_role("link", name="深色").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    expect(page.get_by_role("link", name="深色")).to_have_attribute("aria-current", "true")
    fill_in(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("用户名或密码错误。")
    fill_in(page, PASSWORD)
    page.wait_for_url("**/docs")
    page.evaluate(_ASK, ["/logout", "POST"])
    page.goto("/login")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    seen_by(page).forgive("status of 401")


@pytest.mark.e2e
def test_the_page_is_left_by_its_button(visit: Visit) -> None:
    """The session ends at the service as well; colours that were chosen on either page are those of both."""
    page = visit("/")
    page.get_by_role("button", name="Light / dark").click()
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    kept = page.context.cookies()
    page.evaluate("sessionStorage.typed = localStorage.typed = 'a secret'")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login?out=1")
    assert page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]
    expect(page.get_by_role("status")).to_have_text("You are logged out.")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.context.add_cookies(kept)  # type: ignore[arg-type]  # it gives what it takes
    page.goto("/")
    assert urlsplit(page.url).path == "/login"
    fill_in(page, PASSWORD)
    page.wait_for_url(lambda url: urlsplit(url).path == "/")
    assert '<body class="dark"' in page.request.get("/").text(), "and from the first moment"
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))


@contextmanager
def site(body: str) -> Iterator[int]:
    """Serve one page of somebody else's, on loopback; return its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>Elsewhere</title>{body}".encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def inside(browser: Browser, served: House) -> Iterator[Page]:
    """A tab of somebody who is logged in and goes to other sites as well."""
    context = context_of(browser, address(served))
    sign_in(context, served)
    yield context.new_page()
    context.close()


def test_a_link_on_another_site_leads_to_the_page_and_not_to_the_form(inside: Page, served: House) -> None:
    """The browser keeps the cookie back at first; whoever is logged in does not see that."""
    with site(f'<a href="{address(served)}/docs?a=b">to the service</a>') as port:
        inside.goto(f"http://localhost:{port}/")
        inside.get_by_role("link").click()
        inside.wait_for_url(f"{address(served)}/docs?a=b")
        inside.context.clear_cookies()
        inside.goto(f"http://localhost:{port}/")
        inside.get_by_role("link").click()
        inside.wait_for_url("**/login?next=%2Fdocs%3Fa%3Db&again=1")


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_pages_of_other_sites_and_ports_do_nothing_with_the_cookie(inside: Page, served: House, name: str) -> None:
    """To a browser another port of this host is the same site, and gets the cookie sent."""
    own = address(served)
    forms = "".join(
        f'<form method=post enctype="{kind}" action="{own}{path}"><input name=login value=a><button id={number}></form>'
        for number, (path, kind) in enumerate([
            ("/logout", "text/plain"), ("/machine/page", "text/plain"), ("/login", "application/x-www-form-urlencoded")
        ], 1)
    )  # fmt: skip
    with site(forms) as port:
        inside.goto(f"http://{name}:{port}/")
        for path, method in (("/machine/page", "POST"), ("/logout", "POST"), ("/v1/jobs", "GET")):
            with inside.expect_response(own + path) as asked:
                inside.evaluate(
                    "([url, method]) => fetch(url, { method, mode: 'no-cors', credentials: 'include' }).then(() => 0)",
                    [own + path, method],
                )
            assert asked.value.status == 403, path
        for number in (1, 2, 3):
            inside.goto(f"http://{name}:{port}/")
            with inside.expect_navigation() as gone:
                inside.locator(f"[id='{number}']").click()
            assert gone.value.status == 403
            assert inside.locator("meta[http-equiv=refresh]").count() == 0
    inside.goto(f"{own}/docs")
    assert urlsplit(inside.url).path == "/docs"
