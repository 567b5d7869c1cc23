"""Parts of the page that a browser draws a moment after the rest: the words are there to be written in twice as soon.

Gradio's side in the browser walks over all components before it shows any, though most are settings, or in tabs that
nobody has opened. So it is told of such a part only when that is asked for, in the way in which Gradio draws what
`gr.render` makes: with the components and handlers that are there anyway, so that no visit leaves anything behind here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from garret.service_runtime.page.hosting import PLAIN, bridge
from garret.service_runtime.page.parts import DRAW, PLACE


@contextmanager
def drawn_later(name: str) -> Iterator[None]:
    """Have what is put in here drawn when `tell("draw-NAME")` of bridge.js asks for it."""
    asked = bridge(f"{DRAW}{name}")
    with gr.Column(elem_id=f"{PLACE}{name}", elem_classes=["garret-later"]):
        yield
    asked.change(_nothing, asked, None, trigger_mode="once", **PLAIN)


def _nothing(_: str) -> None:
    """Stand for the answer, which is the same for everybody: `parts.Parts` has it."""
