"""The tab with finished pictures: an element of its own, told how long they are kept."""

from __future__ import annotations

import gradio as gr

from garret.service_runtime.page.hosting import element
from garret.service_runtime.service import Service


def build(service: Service, words: gr.I18n) -> None:
    """Put the tab's controls into the Blocks that are being built."""
    del words
    settings = service.settings
    element(
        "gallery",
        keep_s=settings.keep_finished_s,
        keep_bytes=settings.keep_bytes,
        most_bytes=settings.picture_body_bytes,
    )
