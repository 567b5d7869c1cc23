"""How the page looks: Gradio's default theme in the system's own fonts, which are there at once and in Chinese too."""

from __future__ import annotations

import gradio as gr

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC")


def theme() -> gr.themes.Base:
    """Return the theme; its names for colours are what `ui/own/page.css` uses as well."""
    return gr.themes.Default(
        primary_hue="indigo",
        neutral_hue="slate",
        font=[*_FONTS, "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )
