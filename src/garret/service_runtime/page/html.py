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
from garret.service_runtime.page.assets import OURS, PREFIX, PRELOADS, Assets
from garret.service_runtime.page.parts import Parts
from garret.service_runtime.page.words import LANGUAGES

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

    def __init__(self, assets: Assets, text: str) -> None:
        """Take Gradio's own HTML.

        Raises:
            ValueError: it is not as it was when this was written.
        """
        for pattern in _DROPPED:
            text, count = re.subn(pattern, "", text, flags=re.DOTALL)
            if not count:
                raise ValueError(f"Gradio's page has changed: there is nothing like {pattern}")
        found = _CONFIG.search(text)
        self._config, end = json.JSONDecoder().raw_decode(found.group(1) if found else "null")
        if not found or found.group(1)[end:].strip() != ";":
            raise ValueError("Gradio's page has changed: its config is not a script by itself")
        self._assets, self._before, self._after = assets, text[: found.start()], text[found.end() :]
        self.parts = Parts(self._config)
        self.theme_hash: str = self._config["theme_hash"]

    def ours(self, language: str, theme: str) -> str:
        """Return the page's HTML for all who have a language and colours, with `NONCE` where each one's own belongs."""
        config = self._configured(language)
        text = f'{self._before}<script src="{config}"></script>{self._after}'
        text = text.replace('<base href="./" />', '<base href="/ui/" />', 1)
        text = text.replace('lang="en"', f'lang="{LANGUAGES[language]}"', 1)
        if theme == "dark":
            text = text.replace("<body", '<body class="dark"', 1)
        text = text.replace("<head>", "<head>\n" + self._head(language, theme, config), 1)
        text = text.replace("</head>", self._tail() + "\n</head>", 1)
        return re.sub(r"<script(?=[\s>])", f'<script nonce="{NONCE}"', text)

    def _configured(self, language: str) -> str:
        """Return the address of what Gradio's page consists of: most of its bytes, which seldom change."""
        name = LANGUAGES[language]
        facts = {
            **self._config,
            **self.parts.first,
            "i18n_translations": {name: self._config["i18n_translations"][name]},
            "garret_shape": self.parts.shape,
            # As Gradio has it, it is whatever address was asked first.
            "root": "",
        }
        written = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        return self._assets.keep(
            f"window.gradio_config={written};window.gradio_config.root=location.origin+'{PREFIX}';", ".js"
        )

    def _head(self, language: str, theme: str, config: str) -> str:
        own = self._assets.own
        return "\n".join(
            (
                _LANGUAGE % {"name": json.dumps(LANGUAGES[language])},
                # What is seen before any style has come.
                f'<meta name="color-scheme" content="{theme or "light dark"}">',
                f'<link rel="icon" href="{own("icon.svg")}">',
                # What is waited for before all else, and then what is in a browser's way to the first words.
                f'<link rel="preload" as="script" href="{config}">',
                f'<link rel="stylesheet" href="{self._assets.styles}">',
                f'<link rel="preload" as="style" href="{PREFIX}/theme.css?v={self.theme_hash}">',
                *_preloads(),
            )
        )

    def _tail(self) -> str:
        """Return what comes after Gradio's own script, which draws what there is to write in: our elements."""
        own = self._assets.own
        return "\n".join(
            (
                *(f'<link rel="modulepreload" fetchpriority="low" href="{own(name)}">' for name in first_modules()),
                f'<script type="module" fetchpriority="low" src="{own("start.js")}"></script>',
            )
        )


@cache
def _preloads() -> list[str]:
    """Return Gradio's files that are needed first, which it would ask for one after the other."""
    names: list[str] = json.loads(PRELOADS.read_text(encoding="utf-8"))
    kinds = {".js": 'rel="modulepreload"', ".css": 'rel="preload" as="style"'}
    return [
        f'<link {kinds[name[name.rindex(".") :]]} crossorigin href="{PREFIX}/assets/{name}">'
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
