"""Gradio, loaded and set up to keep to itself: it reports to nobody, keeps no files and shows no links of its own."""

from __future__ import annotations

import os
from typing import Any

from garret.service_runtime.service import Service

SESSIONS = 32
"""So many visits of the page Gradio remembers, half a megabyte each; a page that it forgot is one that begins."""


def mounted(service: Service, prefix: str) -> tuple[Any, Any]:
    """Return an application that Gradio's lifespan belongs to, and Gradio's own; takes seconds the first time."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr
    from fastapi import FastAPI

    from garret.service_runtime.page.blocks import build, translations
    from garret.service_runtime.page.theme import theme

    words = translations()
    outer = FastAPI(openapi_url=None)
    blocks = build(service, words)
    blocks.state_session_capacity = SESSIONS
    gr.mount_gradio_app(
        outer,
        blocks,
        prefix,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        i18n=words,
        theme=theme(),
    )
    inner: Any = next(route for route in outer.routes if getattr(route, "path", "") == prefix)
    return outer, inner.app
