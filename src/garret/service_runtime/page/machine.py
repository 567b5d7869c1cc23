"""The tab: machine."""

from __future__ import annotations

import gradio as gr

from garret.service_runtime.page.hosting import element
from garret.service_runtime.service import Service


def build(service: Service, words: gr.I18n) -> None:
    """Put the node's element into the Blocks that are being built; it asks for its facts itself, while it is seen."""
    del service, words
    element("machine")
