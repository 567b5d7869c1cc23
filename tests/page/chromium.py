"""Debian's Chromium, driven by Playwright, with nothing outside this machine in reach."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer

from playwright.sync_api import Browser, BrowserContext, sync_playwright

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
LOCALES = {"en": "en-US", "zh": "zh-CN"}
# What a test awaits comes in well under a second where nothing else runs; CI's machines are shared.
PATIENCE_MS = 30_000
# Chromium itself asks these whatever it shows; a page that did would be seen by its own events.
_BROWSERS_OWN = "accounts|clients|clients2|redirector|update|optimizationguide-pa|content-autofill|safebrowsing"
_OF_ITS_MAKER = re.compile(rf"[ .]({_BROWSERS_OWN})\.(google|googleapis|gvt1)\.com")


class _Refuse(BaseRequestHandler):
    def handle(self) -> None:
        first = self.request.recv(2048).decode("latin-1").partition("\r\n")[0]
        if not _OF_ITS_MAKER.search(first):
            self.server.outside.asked.append(first.rsplit(" ", 1)[0])  # type: ignore[attr-defined]
        self.request.sendall(b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")


class _Proxy(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, outside: Outside) -> None:
        super().__init__(("127.0.0.1", 0), _Refuse)
        self.outside = outside


@dataclass
class Outside:
    """A proxy that lets nothing through and keeps what was asked for: also what no page event tells of.

    That is a service worker's requests, prefetched pages, the icon, and the browser's own.
    """

    asked: list[str] = field(default_factory=list)
    port: int = 0


def missing() -> str:
    """Say what this machine lacks for a browser that shows Chinese too, and what to install; else nothing."""
    if shutil.which("chromium") is None:
        return "There is no chromium: apt-get install chromium fonts-wqy-microhei"
    fonts = subprocess.run(["fc-list", ":lang=zh-cn", "family"], capture_output=True, text=True, check=False).stdout
    return "" if fonts.strip() else "There is no font with Chinese characters: apt-get install fonts-wqy-microhei"


@contextmanager
def chromium() -> Iterator[tuple[Browser, Outside]]:
    """Run a headless Chromium until the end of the block, and what keeps it from the world."""
    outside = Outside()
    with _Proxy(outside) as proxy, sync_playwright() as playwright:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        outside.port = proxy.server_address[1]
        # Loopback is never asked of a proxy unless an option says so, and Playwright's own option would say so.
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[f"--proxy-server=http://127.0.0.1:{outside.port}", "--font-render-hinting=none"],
        )
        try:
            yield browser, outside
        finally:
            browser.close()
            proxy.shutdown()


def context_of(
    browser: Browser, address: str, *, language: str = "en", size: str = "desktop", scheme: str = "light"
) -> BrowserContext:
    """Return an empty profile: one person at one machine, with nothing stored yet."""
    width, height = SIZES[size]
    context = browser.new_context(
        base_url=address,
        locale=LOCALES[language],
        viewport={"width": width, "height": height},
        has_touch=size == "phone",
        is_mobile=size == "phone",
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    context.set_default_timeout(PATIENCE_MS)
    return context
