"""The tab: models."""

from __future__ import annotations

import gradio as gr

from garret.service_runtime.page.hosting import element
from garret.service_runtime.service import Service


def build(service: Service, words: gr.I18n) -> None:
    """Put the tab's controls into the Blocks that are being built: they are `ui/own/models.js`."""
    del service, words
    element("models")
