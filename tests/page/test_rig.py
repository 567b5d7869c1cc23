"""What watches the pages sees what it is there for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page

from tests.page.accessible import assert_accessible, findings
from tests.page.chromium import Outside, context_of
from tests.page.controls import walk_by_keyboard
from tests.page.language import foreign_texts
from tests.page.touching import Walk
from tests.page.waiting import until
from tests.page.watching import console_clean, only_own_origin, seen_by, watch

# A core of the page is walked in `make test`: test_walk, test_every_tab, test_form and test_jobs.
pytestmark = pytest.mark.e2e

_HEAD = "<!doctype html><html lang=en><title>A page</title><link rel=icon href=data:,><main><h1>A page</h1>"


@contextmanager
def _answering(body: str, policy: str = "", worker: str = "") -> Iterator[str]:
    """Serve one page, whatever is asked, and a worker's script."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = self.path == "/worker.js"
            self.send_response(200)
            self.send_header("content-type", "text/javascript" if script else "text/html; charset=utf-8")
            if policy:
                self.send_header("content-security-policy", policy)
            self.end_headers()
            self.wfile.write((worker if script else _HEAD + body).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def tab(chromium_and_outside: tuple[Browser, Outside]) -> Iterator[Page]:
    """A watched tab that nothing is asserted of afterwards."""
    browser, outside = chromium_and_outside
    context = context_of(browser, "http://127.0.0.1")
    watch(context, outside)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    "asking",
    [
        "fetch('http://outside.example/x').catch(() => 0)",
        "fetch('http://127.0.0.1:9/x').catch(() => 0)",
        "new Promise((done) => { new WebSocket('ws://outside.example/x').onerror = done; })",
        "new Promise((done) => { const picture = new Image(); picture.onerror = done;"
        " picture.src = 'https://outside.example/x.png'; })",
    ],
)
def test_other_origins_are_seen(tab: Page, asking: str) -> None:
    """Outside, another port of the same machine, a web socket, a picture."""
    with _answering("") as own:
        tab.goto(own)
        only_own_origin(tab)
        tab.evaluate(asking)
    with pytest.raises(AssertionError, match="asked of others"):
        only_own_origin(tab)


def test_a_service_worker_is_seen(tab: Page) -> None:
    """What it asks for, no page does: the proxy hears of it."""
    script = "self.onactivate = (event) => event.waitUntil(fetch('https://worker.example/x').catch(() => 0));"
    with _answering("", worker=script) as own:
        tab.goto(own)
        tab.evaluate(
            "navigator.serviceWorker.register('/worker.js').then((one) => new Promise((done) => {"
            " const worker = one.installing || one.active;"
            " const look = () => worker.state === 'activated' && done(); worker.onstatechange = look; look(); }))"
        )
    with pytest.raises(AssertionError, match=r"worker\.example"):
        only_own_origin(tab)


def test_complaints_are_seen(tab: Page) -> None:
    """A breach of the policy, what a script throws and nobody catches, and what it writes as an error."""
    with _answering("<p style='color: red'>text</p><script>1</script>", policy="default-src 'self'") as own:
        tab.goto(own)
    assert seen_by(tab).grave
    tab.evaluate("setTimeout(() => { throw new Error('dropped'); }); console.error('wrong');")
    until(tab, "() => new Promise((done) => setTimeout(() => done(true)))")
    told = "\n".join(seen_by(tab).complaints)
    assert all(words in told for words in ("uncaught: ", "dropped", "wrong"))
    with pytest.raises(AssertionError, match="complained"):
        console_clean(tab, "Security Policy")
    console_clean(tab, "Security Policy", "dropped", "wrong")


def test_what_axe_finds_is_told(tab: Page) -> None:
    """By rule, element and what mends it; a page that is well is let pass, under a strict policy too."""
    with _answering("<input id=bare></main>", policy="default-src 'self'") as own:
        tab.goto(own)
        with pytest.raises(AssertionError, match=r"(?s)label .critical.*#bare.*Fix any"):
            assert_accessible(tab)
        tab.set_content(_HEAD + "<label>Name <input></label></main>")
        assert_accessible(tab)
        assert findings(tab, "main") == []


def test_the_keyboard_reaches_what_is_shown(tab: Page) -> None:
    """Each control once; one that Tab passes over, or where the focus is not to be seen, is told by its name."""
    radios = "<label><input type=radio name=size> Small</label><label><input type=radio name=size> Large</label>"
    tab.set_content(_HEAD + f"<button>One</button>{radios}<a href=#x>Two</a><button hidden>No</button></main>")
    assert [one.name for one in walk_by_keyboard(tab)] == ["One", "Small", "Two"]
    tab.set_content(_HEAD + "<style>:focus { outline: none }</style><button>Dull</button></main>")
    with pytest.raises(AssertionError, match=r"not to be seen on:\nbutton 'Dull'"):
        walk_by_keyboard(tab)
    trap = "onkeydown='event.preventDefault()'"
    tab.set_content(_HEAD + f"<button {trap}>Trap</button><button>Behind</button></main>")
    with pytest.raises(AssertionError, match=r"does not reach:\nbutton 'Behind'"):
        walk_by_keyboard(tab)


def test_another_language_is_seen(tab: Page) -> None:
    """In what is shown and what is read out; names are the same in every language."""
    tab.set_content(
        _HEAD + "<button aria-label='Close'>\u00d7</button><p>\u6a21\u578b SDXL</p><i translate=no>heart</i></main>"
    )
    assert foreign_texts(tab, "zh") == ["A page", "Close"]
    assert foreign_texts(tab, "zh", "A page") == ["Close"]
    assert foreign_texts(tab, "en") == ["\u6a21\u578b SDXL"]


def test_every_control_is_touched(tab: Page) -> None:
    """Also what comes up meanwhile; the same one of many only once, and what cannot be acted on is told."""
    tab.set_content(
        _HEAD + "<script>said = []; note = (event) => said.push(event.target.id || event.target.tagName);"
        "addEventListener('input', note); addEventListener('click', note);</script><textarea id=words></textarea>"
        "<input type=number id=count aria-label=Count><select id=kind aria-label=Kind><option>a<option>b</select>"
        "<button>Card 1</button><button>Card 2</button>"
        "<button id=more onclick='box.showModal()'>More</button><dialog id=box><button id=yes>Yes</button></dialog>"
        "<button id=held style='pointer-events: none'>Held</button><a id=gone href='#gone'>Gone</a></main>"
    )
    walk = Walk(tab, "", leave=("Gone",), patience_ms=300)
    walk.over()
    assert set(tab.evaluate("said")) >= {"words", "count", "kind", "more", "yes", "BUTTON"}
    assert sum("Card" in key for key in walk.touched) == 1
    assert not any("Gone" in key for key in walk.touched)
    assert [key.split(" in ")[0] for key in walk.failed] == ["button 'Held'"]
    assert not tab.locator("dialog").is_visible()
