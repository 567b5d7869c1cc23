"""Gradio's HTML made ours: the language, our files, and nothing in it that a stranger could have run there.

Gradio writes scripts into its page; each gets the page's nonce, and the policy lets no other run. What the page would
tell about Gradio's own site, and what it would load for pages that embed it, is left out.
"""

from __future__ import annotations

import json
import re
import secrets
from functools import cache

from starlette.requests import Request

from garret.service_runtime.login_page import THEME_COOKIE, THEMES
from garret.service_runtime.page.assets import OURS, PRELOADS, Assets
from garret.service_runtime.page.words import LANGUAGES, language_of, words_of

_DROPPED = (
    r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*?/>\s*',
    r'<link rel="manifest"[^>]*/>\s*',
    r"<script data-gradio-mode>.*?</script>\s*",
    r"<script>\s*\(\(\) => \{\s*const root = .*?</script>\s*",
)
_IMPORT = re.compile(r'^(?:import|export)[^"();]*"\./([\w.]+)";', re.MULTILINE)
_LANGUAGE = """<script>
Object.defineProperty(navigator, "language", { get: () => %(name)s });
Object.defineProperty(navigator, "languages", { get: () => [%(name)s] });
window.__gradio_mode__ = "app";
</script>"""


def policy(nonce: str) -> str:
    """Return the page's Content-Security-Policy: its own scripts, and requests to nobody but the service."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'self'; frame-ancestors 'none'"
    )


def theme_of(request: Request) -> str:
    """Return the colours that somebody chose, here or on the login page; "" is as their system has it."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


class Html:
    """Makes the page out of Gradio's."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def ours(self, text: str, request: Request) -> tuple[str, str]:
        """Return the page's HTML for whoever asks, and its nonce."""
        nonce, language = secrets.token_urlsafe(16), language_of(request)
        for pattern in _DROPPED:
            text, count = re.subn(pattern, "", text, flags=re.DOTALL)
            if not count:
                raise ValueError(f"Gradio's page has changed: there is nothing like {pattern}")
        text = text.replace('<base href="./" />', '<base href="/ui/" />', 1)
        text = text.replace('lang="en"', f'lang="{LANGUAGES[language]}"', 1)
        theme = theme_of(request)
        if theme == "dark":
            text = text.replace("<body", '<body class="dark"', 1)
        text = text.replace("<head>", "<head>\n" + self._head(language, theme), 1)
        return re.sub(r"<script(?=[\s>])", f'<script nonce="{nonce}"', text), nonce

    def _head(self, language: str, theme: str) -> str:
        own = self._assets.own
        words = json.dumps(words_of(language), ensure_ascii=False).replace("<", "\\u003c")
        return "\n".join(
            (
                _LANGUAGE % {"name": json.dumps(LANGUAGES[language])},
                # What is seen before any style has come.
                f'<meta name="color-scheme" content="{theme or "light dark"}">',
                f'<link rel="icon" href="{own("icon.svg")}">',
                *(f'<link rel="stylesheet" href="{own(path.name)}">' for path in sorted(OURS.glob("*.css"))),
                *(f'<link rel="modulepreload" href="{own(name)}">' for name in first_modules()),
                *_preloads(),
                f'<script type="application/json" id="garret-words">{words}</script>',
                f'<script type="module" src="{own("main.js")}"></script>',
            )
        )


@cache
def _preloads() -> list[str]:
    """Return Gradio's files that are needed first, which it would ask for one after the other."""
    names: list[str] = json.loads(PRELOADS.read_text(encoding="utf-8"))
    kinds = {".js": 'rel="modulepreload"', ".css": 'rel="preload" as="style"'}
    return [
        f'<link {kinds[name[name.rindex(".") :]]} crossorigin href="/ui/assets/{name}">'
        for name in names
        if name.endswith(tuple(kinds))
    ]


@cache
def first_modules() -> list[str]:
    """Return those of our modules that the page begins with: what main.js imports, and what that imports."""
    found: list[str] = []
    left = ["main.js"]
    while left:
        name = left.pop()
        if name not in found:
            found.append(name)
            left += _IMPORT.findall((OURS / name).read_text(encoding="utf-8"))
    return sorted(found)
