"""What Gradio's Blocks and our own elements in them say to each other.

An element (`ui/own/*.js`) stands in a Markdown, which puts HTML into the page as it is: Gradio's own component for HTML
evaluates text as code, which the page's policy forbids. What an element is told goes through its attribute `facts`;
what it tells Python goes through a text box that nobody sees.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import gradio as gr


def element(name: str, /, **facts: Any) -> gr.Markdown:
    """Return a place for the element `garret-NAME`, told these facts (JSON values)."""
    return element_place(told(name, **facts))


def element_place(text: str) -> gr.Markdown:
    """Return a place for what `told` returns, of one element or of several."""
    return gr.Markdown(text, sanitize_html=False, latex_delimiters=[], elem_classes=["garret-host"], container=False)


def told(name: str, /, **facts: Any) -> str:
    """Return what such a place shows: the element, told other facts than before."""
    # Quoted, so that nothing of it is read as Markdown, as HTML or as a formula, whoever wrote it.
    return (
        f'<garret-{name} facts="{quote(json.dumps(facts, ensure_ascii=False, separators=(",", ":")))}"></garret-{name}>'
    )


def bridge(name: str) -> gr.Textbox:
    """Return the box through which `tell(NAME, facts)` of bridge.js reaches a handler of its `change`."""
    return gr.Textbox(elem_id=f"bridge-{name}", visible="hidden", interactive=True)


def heard(text: str) -> dict[str, Any]:
    """Return what came through a bridge; nothing for what is no JSON object."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
