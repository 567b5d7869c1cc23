"""The page as it leaves the service: what is in it, what may run there, and what is kept away."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from garret.service_runtime.page.assets import GRADIO, OURS, PRELOADS
from garret.service_runtime.page.html import first_modules
from garret.service_runtime.page.words import FOLDER, LANGUAGES, read
from tests.service_runtime.living import Service, fake_settings, serving, wait


def test_each_script_of_the_page_has_its_nonce_and_none_runs_that_is_not_ours(service: Service) -> None:
    """Nothing is evaluated, and another page load has another nonce."""
    page, again = (service.call("GET", "/") for _ in range(2))
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    (nonce,) = re.findall(r"'nonce-([\w-]{20,})'", policy)
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert "connect-src 'self';" in policy
    scripts = re.findall(r"<script[^>]*>", page.body.decode())
    assert len(scripts) >= 4
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert nonce not in again.headers["content-security-policy"]


def test_the_page_names_no_other_site(service: Service) -> None:
    """Neither in what it loads nor in what it says of itself."""
    page = service.call("GET", "/").body.decode()
    found = set(re.findall(r"https?://[\w.-]+", page))
    assert {name for name in found if "127.0.0.1" not in name} == set()


@pytest.mark.parametrize(
    "path",
    [
        "/ui/config",
        "/ui/gradio_api/file=/etc/passwd",
        "/ui/gradio_api/info",
        "/ui/monitoring",
        "/ui/gradio_api/proxy=http://127.0.0.1/",
        "/ui/gradio_api/queue/data",
        "/ui/../app.py",
        "/ui/own/../page.css",
        "/ui/own/0000000000000000/main.js",
        "/ui/assets/..%2f..%2findex.html",
    ],
)
def test_other_routes_of_gradio_are_not_there(service: Service, path: str) -> None:
    """Files, proxies and descriptions of its own are nothing that the page needs."""
    assert service.call("GET", path).status == 404


def test_uploads_to_gradio_are_not_there(service: Service) -> None:
    """Pictures go to the service's own inputs."""
    assert service.call("POST", "/ui/gradio_api/upload", b"x").status == 404


def test_a_form_of_megabytes_is_refused(service: Service) -> None:
    """Before Gradio reads it."""
    assert service.call("POST", "/ui/gradio_api/run/predict", b"x" * 1_100_000).status == 413


def test_files_are_asked_for_once(service: Service) -> None:
    """Each has its version in its address, and may be kept for ever; packed for those who can unpack it."""
    page = service.call("GET", "/").body.decode()
    for address in (
        re.findall(r"/ui/own/\w+/main\.js", page)[0],
        "/ui/" + re.findall(r"assets/index-[\w-]+\.js", page)[0],
    ):
        plain, packed = service.call("GET", address), service.call("GET", address, Accept_Encoding="br")
        assert plain.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert packed.headers["content-encoding"] == "br"
        assert len(packed.body) < len(plain.body)
        assert plain.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ({}, "en"),
        ({"Accept_Language": "zh-TW,zh;q=0.9"}, "zh-CN"),
        ({"Accept_Language": "fr, en;q=0.5"}, "en"),
        ({"Accept_Language": "zh", "Cookie": "garret_language=en"}, "en"),
        ({"Cookie": "garret_language=zh"}, "zh-CN"),
        ({"Cookie": "garret_language=../x"}, "en"),
    ],
)
def test_the_page_speaks_the_browsers_language_or_the_chosen_one(
    service: Service, said: dict[str, str], language: str
) -> None:
    """In its words and in what it says of itself."""
    page = service.call("GET", "/", **said).body.decode()
    assert f'lang="{language}"' in page
    [kept] = set(re.findall(r"/ui/kept/[0-9a-f]{16}\.js", page))
    assert ("图库" in service.call("GET", kept).body.decode()) == (language == "zh-CN")


def test_each_word_is_there_in_each_language_once() -> None:
    """With the same places for values."""
    seen: set[str] = set()
    for file in FOLDER.glob("*.json"):
        for key, both in read(file).items():
            assert key not in seen, key
            seen.add(key)
            assert set(both) == set(LANGUAGES), key
            assert all(text.strip() for text in both.values()), key
            places = {language: sorted(re.findall(r"\{\w+\}", text)) for language, text in both.items()}
            assert places["en"] == places["zh"], key


def test_each_word_that_a_script_says_is_there() -> None:
    """`say("...")` with a key in quotes."""
    keys = {key for file in FOLDER.glob("*.json") for key in read(file)}
    for script in OURS.glob("*.js"):
        text = script.read_text("utf-8")
        assert set(re.findall(r'\bsay\("([^"]+)"', text)) <= keys, script.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", text), (
            script.name
        )


def test_a_node_for_programs_has_no_page(tmp_path: Path) -> None:
    """It says so, and its document is as everywhere."""
    with serving(fake_settings(tmp_path, page="off")) as running:
        answer = running.call("GET", "/")
        assert (answer.status, "no web page" in answer.json["errors"]) == (404, True)
        assert running.call("GET", "/ui/docs.css").status == 200


def test_the_page_can_be_there_before_anybody_asks(tmp_path: Path) -> None:
    """Once a worker is ready; and the service ends as it should with it."""
    with serving(fake_settings(tmp_path, page="early")) as running:
        running.wait_until("ok")
        wait(lambda: b"the page is loaded" in running.call("GET", "/v1/logs").body, 120, "the page to be loaded")
        assert running.terminate() == 0


def test_what_is_loaded_first_is_what_this_version_of_gradio_has() -> None:
    """Else `python -m tests.page.preloads` was forgotten."""
    names = json.loads(PRELOADS.read_text("utf-8"))
    assert len(names) > 20
    assert [name for name in names if not (GRADIO / name).is_file()] == []


@pytest.mark.parametrize(
    ("chosen", "scheme", "dark"), [("", "light dark", 0), ("dark", "dark", 1), ("light", "light", 0)]
)
def test_colours_that_were_chosen_are_there_from_the_first_moment(
    service: Service, chosen: str, scheme: str, dark: int
) -> None:
    """Here or on the login page; what is no choice is none."""
    for cookie in (f"garret_theme={chosen}", f"garret_theme={chosen or '<b>'}; other=dark"):
        page = service.call("GET", "/", Cookie=cookie).body.decode()
        assert f'<meta name="color-scheme" content="{scheme}">' in page
        assert page.count('<body class="dark"') == dark


def test_the_page_begins_with_what_its_first_tab_needs() -> None:
    """The rooms of the other tabs come when they are opened."""
    names = first_modules()
    assert {"main.js", "form.js", "jobs.js", "element.js", "words.js"} <= set(names)
    assert not {"gallery.js", "models.js", "machine.js", "mask.js"} & set(names)


def test_most_of_the_page_is_kept_by_browsers(service: Service) -> None:
    """What it consists of comes from an address that says which it is, and names no address of the service itself."""
    pages = [service.call("GET", "/", Accept_Language=language).body.decode() for language in ("en", "zh", "en")]
    addresses = [sorted(set(re.findall(r"/ui/kept/[0-9a-f]{16}\.js", page))) for page in pages]
    assert [len(found) for found in addresses] == [1, 1, 1]
    assert addresses[0] == addresses[2] != addresses[1]
    kept = service.call("GET", addresses[0][0], Host="elsewhere.example")
    assert "immutable" in kept.headers["cache-control"]
    assert "gradio_config" in kept.body.decode()
    assert "127.0.0.1" not in kept.body.decode()
    assert all(len(page) < 20_000 for page in pages)


def test_the_theme_is_kept_by_the_address_that_names_what_is_in_it(service: Service) -> None:
    """The page asks for it at once, since Gradio draws nothing before it has it."""
    [address] = re.findall(
        r'<link rel="preload" as="style" href="(/ui/theme\.css[^"]*)">', service.call("GET", "/").body.decode()
    )
    kept = service.call("GET", address)
    assert "immutable" in kept.headers["cache-control"]
    for other in ("/ui/theme.css", "/ui/theme.css?v=another"):
        answer = service.call("GET", other)
        assert (answer.body, answer.headers["cache-control"]) == (kept.body, "no-cache")
