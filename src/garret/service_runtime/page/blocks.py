"""The page's tabs, put together: each one's controls are in a file of its own."""

from __future__ import annotations

import gradio as gr

from garret.service_runtime.page import create, gallery, image_to_image, inpaint, machine, models
from garret.service_runtime.page.hosting import element
from garret.service_runtime.page.words import LANGUAGES, words_of
from garret.service_runtime.service import Service

TABS = ("create", "image", "inpaint", "gallery", "models", "machine")
"""The names by which a tab is chosen, in their order."""


def translations() -> gr.I18n:
    """Return all words as Gradio wants them: a component's text is `words("key")`, and the browser shows its own."""
    return gr.I18n(**{name: words_of(language) for language, name in LANGUAGES.items()})


def build(service: Service, words: gr.I18n) -> gr.Blocks:
    """Return the page for one service."""
    with gr.Blocks(analytics_enabled=False, title="garret") as blocks:
        element("bar", deployment=service.settings.deployment, login=service.settings.has_login)
        with gr.Tabs(elem_id="tabs"):
            for name, room in zip(TABS, (create, image_to_image, inpaint, gallery, models, machine), strict=True):
                with gr.Tab(words(f"tab.{name}"), id=name, elem_id=f"tab-{name}"):
                    room.build(service, words)
    return blocks
