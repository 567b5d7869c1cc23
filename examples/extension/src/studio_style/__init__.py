"""A studio's styles by one word, its mark on every picture, and buttons for the styles on the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garret.service_runtime.extensions.v1 import Page, Words, hookimpl

if TYPE_CHECKING:
    # Each process loads what its hooks need, when they are called: no web framework in a worker.
    from fastapi import APIRouter
    from PIL.Image import Image

STYLES = {
    "ink": ("black ink drawing, bold lines, white paper", "colour, photograph"),
    "clay": ("figure of clay, soft studio light", "text"),
    "night": ("at night, lit by a single lamp", "daylight"),
}
MARK_SIDE = 8


@hookimpl
def prompt(words: Words) -> Words:
    """Turn @ink in a prompt into the studio's words for it."""
    text, without = words.prompt, [words.negative_prompt]
    for name, (more, less) in STYLES.items():
        if f"@{name}" in text:
            text = text.replace(f"@{name}", more)
            without.append(less)
    return Words(text, ", ".join(part for part in without if part))


@hookimpl
def image(picture: Image, about: Mapping[str, Any]) -> Image:
    """Put the studio's mark into the lower right corner: a small square, dark for even seeds, light for odd ones."""
    side = min(MARK_SIDE, *picture.size)
    mark = (16, 16, 16) if about["seed"] % 2 == 0 else (239, 239, 239)
    picture.paste(mark, (picture.width - side, picture.height - side, picture.width, picture.height))
    return picture


@hookimpl
def routes() -> APIRouter:
    """Answer GET /extensions/studio-style/styles."""
    from fastapi import APIRouter

    router = APIRouter()

    @router.get("/styles")
    def styles() -> dict[str, str]:
        """List the styles with their words."""
        return {name: more for name, (more, _) in STYLES.items()}

    return router


@hookimpl
def page() -> Page:
    """Add a row of buttons to the page."""
    return Page(Path(__file__).parent / "page", scripts=("styles.js",), styles=("styles.css",))
