"""Whether a page speaks the language that it was asked in, in all that is shown and read out."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page

_TEXTS = (Path(__file__).parent / "texts.js").read_text(encoding="utf-8")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_WORD = re.compile(r"[A-Za-z]{3,}")
# What people call so in every language, and what is somebody's name.
_NAMED = """
garret sdxl lora loras vae cfg gpu cpu cuda vram png jpeg jpg webp api url sha https http oss infotext civitai hugging
face modelscope english openapi python torch diffusers gradio nvidia
"""
_NAMES = frozenset(_NAMED.split())


def foreign_texts(page: Page, language: str, *also: str) -> list[str]:
    """Return what is shown or read out in another language than `zh` or `en`; `also` are patterns of names."""
    texts = dict.fromkeys(text.strip() for text in page.evaluate(_TEXTS))
    if language == "en":
        return [text for text in texts if _CHINESE.search(text) and text != "\u4e2d\u6587"]
    return [text for text in texts if not _CHINESE.search(text) and _has_words(text, also)]


def _has_words(text: str, names: tuple[str, ...]) -> bool:
    if any(re.fullmatch(name, text) for name in names):
        return False
    return any(word.lower() not in _NAMES for word in _WORD.findall(text))
