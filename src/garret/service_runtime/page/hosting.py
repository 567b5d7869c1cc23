"""What Gradio's Blocks and our own elements in them say to each other.

An element (`ui/own/*.js`) that is told something once is put into an empty column by hosts.js; one that is told more
later stands in a Markdown, which takes longer to load and puts HTML into the page as it is: Gradio's own component for
HTML evaluates text as code, which the page's policy forbids. What an element is told goes through its attribute
`facts`; what it tells Python goes through a text box that nobody sees.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import gradio as gr

PLAIN = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "preprocess": False}
"""How a handler of the page is connected: values are the browser's own, for a request to judge, since Gradio's
components would refuse them in English."""


def element(name: str, /, **facts: Any) -> gr.Column:
    """Return a place for the element `garret-NAME`, told these facts (JSON values) for good."""
    return gr.Column(elem_classes=["garret-host", f"garret-is:{name}:{_quoted(facts)}"])


def element_place(text: str) -> gr.Markdown:
    """Return a place for what `told` returns, of one element or of several; a handler may put other facts there."""
    return gr.Markdown(text, sanitize_html=False, latex_delimiters=[], elem_classes=["garret-host"], container=False)


def told(name: str, /, **facts: Any) -> str:
    """Return what such a place shows: the element, told other facts than before."""
    return f'<garret-{name} facts="{_quoted(facts)}"></garret-{name}>'


def _quoted(facts: dict[str, Any]) -> str:
    # So that nothing of it is read as Markdown, as HTML, as a formula or as two classes, whoever wrote it.
    return quote(json.dumps(facts, ensure_ascii=False, separators=(",", ":")))


def bridge(name: str) -> gr.Textbox:
    """Return the box through which `tell(NAME, facts)` of bridge.js reaches a handler of its `change`."""
    box = gr.Textbox(elem_id=f"bridge-{name}", visible="hidden", interactive=True)
    box.get_expected_parent = lambda: None  # Gradio would put it into a block of its own
    return box


def heard(text: str) -> dict[str, Any]:
    """Return what came through a bridge; nothing for what is no JSON object."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
