"""What a browser's pages ask for and complain of, kept from their first moment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response, WebError, WebSocket

from tests.page.chromium import Outside

_INSIDE = ("data", "blob", "about", "chrome-error", "devtools")
_GRAVE = re.compile(r"Content[- ]Security[- ]Policy|^uncaught: |^answered 500: ", re.IGNORECASE)
_POLICY = re.compile(r"Content[- ]Security[- ]Policy", re.IGNORECASE)
_WEB_SOCKETS = {"ws": "http", "wss": "https"}


@dataclass
class Seen:
    """Everything that one profile's pages did."""

    outside: Outside
    before: int
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def forgive(self, *patterns: str) -> None:
        """Expect messages that match: an answer 401 that a test asked for is an error to the browser."""
        self.forgiven.extend(patterns)

    @property
    def complaints(self) -> list[str]:
        """Errors on the console, refusals by the policy, what nobody caught, answers 500; without the expected."""
        found = [*self.errors, *(f"uncaught: {text}" for text in self.exceptions), *self.mistakes]
        return [text for text in found if not any(re.search(pattern, text) for pattern in self.forgiven)]

    @property
    def grave(self) -> list[str]:
        """Those of them that no test provokes: refusals by the policy, what nobody caught, answers 500."""
        return [text for text in self.complaints if _GRAVE.search(text)]

    def strangers(self, own: str) -> list[str]:
        """Requests that went to another origin than `own`, and those that no page event told of."""
        foreign = [url for url in self.asked if _is_foreign(url, own)]
        return [*foreign, *(f"by the browser: {line}" for line in self.outside.asked[self.before :])]


_SEEN: WeakKeyDictionary[BrowserContext, Seen] = WeakKeyDictionary()


def watch(context: BrowserContext, outside: Outside) -> Seen:
    """Keep what a profile's pages do from now on."""
    seen = _SEEN[context] = Seen(outside, len(outside.asked))
    context.on("request", lambda request: seen.asked.append(request.url))
    context.on("response", lambda answer: _keep_mistake(seen, answer))
    context.on("console", lambda message: _keep_message(seen, message))
    context.on("weberror", lambda error: _keep_exception(seen, error))
    context.on("page", lambda page: page.on("websocket", lambda socket: _keep_socket(seen, socket)))
    return seen


def seen_by(page: Page) -> Seen:
    """Return what the page's profile did since it was made."""
    return _SEEN[page.context]


def only_own_origin(page: Page) -> None:
    """Fail when anything was asked of another origin than the page's: another port of this machine is one too."""
    own = urlsplit(page.url)
    strangers = seen_by(page).strangers(f"{own.scheme}://{own.netloc}")
    assert not strangers, "asked of others than the page's own origin:\n" + "\n".join(strangers)


def console_clean(page: Page, *but: str) -> None:
    """Fail when the console has an error, a breach of the policy or an uncaught exception that `but` does not match."""
    seen = seen_by(page)
    seen.forgive(*but)
    assert not seen.complaints, "the page complained:\n" + "\n".join(seen.complaints)


def _is_foreign(url: str, own: str) -> bool:
    parts = urlsplit(url)
    scheme = _WEB_SOCKETS.get(parts.scheme, parts.scheme)
    return scheme not in _INSIDE and f"{scheme}://{parts.netloc}" != own


def _keep_message(seen: Seen, message: ConsoleMessage) -> None:
    if message.type == "error" or _POLICY.search(message.text):
        where = message.location
        seen.errors.append(f"{message.text} ({where.get('url', '')}:{where.get('lineNumber', '')})")


def _keep_exception(seen: Seen, error: WebError) -> None:
    thrown = error.error
    seen.exceptions.append(str(getattr(thrown, "stack", None) or thrown))


def _keep_mistake(seen: Seen, answer: Response) -> None:
    if answer.status == 500:
        seen.mistakes.append(f"answered 500: {answer.request.method} {answer.url}")


def _keep_socket(seen: Seen, socket: WebSocket) -> None:
    seen.asked.append(socket.url)
