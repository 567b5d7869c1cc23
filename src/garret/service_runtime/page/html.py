"""Gradio's HTML made ours: the language, our files, and nothing in it that a stranger could have run there.

Gradio writes scripts into its page; each gets the page's nonce, and the policy lets no other run. What the page would
tell about Gradio's own site, and what it would load for pages that embed it, is left out.
"""

from __future__ import annotations

import json
import re
from functools import cache

from starlette.requests import Request

from garret.service_runtime.login_page import THEME_COOKIE, THEMES
from garret.service_runtime.page.assets import OURS, PRELOADS, Assets
from garret.service_runtime.page.words import LANGUAGES, words_of

_DROPPED = (
    r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*?/>\s*',
    r'<link rel="manifest"[^>]*/>\s*',
    r"<script data-gradio-mode>.*?</script>\s*",
    r"<script>\s*\(\(\) => \{\s*const root = .*?</script>\s*",
)
_IMPORT = re.compile(r'^(?:import|export)[^"();]*"\./([\w.]+)";', re.MULTILINE)
_CONFIG = re.compile(r"<script>\s*window\.gradio_config = (\{.*?)</script>", re.DOTALL)
NONCE = "{nonce}"
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

    def ours(self, text: str, language: str, theme: str) -> str:
        """Return the page's HTML for all who have a language and colours, with `NONCE` where each one's own belongs."""
        for pattern in _DROPPED:
            text, count = re.subn(pattern, "", text, flags=re.DOTALL)
            if not count:
                raise ValueError(f"Gradio's page has changed: there is nothing like {pattern}")
        text = text.replace('<base href="./" />', '<base href="/ui/" />', 1)
        text = text.replace('lang="en"', f'lang="{LANGUAGES[language]}"', 1)
        if theme == "dark":
            text = text.replace("<body", '<body class="dark"', 1)
        text = text.replace("<head>", "<head>\n" + self._head(language, theme), 1)
        text = _CONFIG.sub(lambda found: self._config(found.group(1), language), text, count=1)
        return re.sub(r"<script(?=[\s>])", f'<script nonce="{NONCE}"', text)

    def _config(self, text: str, language: str) -> str:
        """Return where the browser finds what Gradio's page consists of: most of its bytes, which seldom change."""
        facts, end = json.JSONDecoder().raw_decode(text)
        if text[end:].strip() != ";":
            raise ValueError("Gradio's page has changed: something follows its config")
        name = LANGUAGES[language]
        facts["i18n_translations"] = {name: facts["i18n_translations"][name]}
        # As Gradio has it, it is whatever address was asked first.
        facts["root"] = ""
        written = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        address = self._assets.keep(f"window.gradio_config={written};window.gradio_config.root=location.origin+'/ui';")
        return f'<script src="{address}"></script>'

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
