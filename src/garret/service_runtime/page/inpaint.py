"""The tab: inpaint."""

from __future__ import annotations

import gradio as gr

from garret.service_runtime.page.begin import from_masked_picture
from garret.service_runtime.page.form import Form
from garret.service_runtime.service import Service


def build(service: Service, words: gr.I18n) -> None:
    """Put the tab's controls into the Blocks that are being built."""
    Form("inpaint", service, words).build(from_masked_picture)
