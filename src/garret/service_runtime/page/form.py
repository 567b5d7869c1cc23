"""The form of the tabs that make pictures: what is asked for, in the same words that `POST /v1/jobs` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from garret.service_runtime.page import form_parts
from garret.service_runtime.page.choices import Choices, choices_of
from garret.service_runtime.page.fields import Field, Turn, identifier, same
from garret.service_runtime.page.form_events import connect
from garret.service_runtime.page.form_values import REST, body_of
from garret.service_runtime.page.hosting import bridge, element, element_place
from garret.service_runtime.page.later import drawn_later
from garret.service_runtime.service import Service

KINDS = ("create", "image", "inpaint")


class Form:
    """One form: `build` puts it into the Blocks that are being built.

    The words of the first tab are drawn with the page, all else later.
    """

    def __init__(self, kind: str, service: Service, words: gr.I18n) -> None:
        self.kind = kind
        self.service = service
        self.words = words
        self.choices: Choices = choices_of(service)
        self.fields: list[Field] = []
        self.message: Any = None
        self.about: Any = None
        self.button: Any = None
        self.native: Any = None
        self.bridge: Any = None

    def add(self, path: str, component: Any, *, read: Turn = same, show: Turn = same) -> Any:
        """Make a component a field of the request, by its path there, as `start.denoise`; returns it."""
        component.elem_id = component.elem_id or identifier(self.kind, path)
        # Gradio would put each group of fields into a block of its own: a fifth of all that a browser has to build.
        component.get_expected_parent = lambda: None
        # Of what is drawn later, Gradio does not find out by itself that somebody may write in it.
        component.interactive = True
        self.fields.append(Field(path, component, read, show))
        return component

    def hidden(self, path: str, value: str = "") -> Any:
        """Add a field that only elements of ours write and read."""
        return self.add(path, gr.Textbox(value, visible="hidden", interactive=True))

    def build(self, begin: Callable[[Form], None] | None = None) -> None:
        """Put the form here; `begin` puts in what stands above the words, as a picture to begin from."""
        element("form", kind=self.kind)
        if self.kind == KINDS[0]:
            with self._row():
                self._words(begin)
                with drawn_later(self.kind):
                    self._rest()
        else:
            with drawn_later(self.kind), self._row():
                self._words(begin)
                self._rest()
        connect(self)

    def _row(self) -> gr.Row:
        return gr.Row(elem_classes=["garret-make"], elem_id=f"{self.kind}-make")

    def _words(self, begin: Callable[[Form], None] | None) -> None:
        with gr.Column(elem_classes=["garret-words"]):
            if begin:
                begin(self)
            form_parts.words_part(self)

    def _rest(self) -> None:
        with gr.Column(elem_classes=["garret-made-place"]):
            self.message = element_place(form_parts.message_told(self.kind))
            self.hidden(REST)
            self.native = gr.Textbox(
                str(self.choices.native), elem_id=f"{self.kind}-native", visible="hidden", interactive=True
            )
            self.bridge = bridge(f"form-{self.kind}")
        with gr.Column(elem_classes=["garret-jobs-place"]):
            element("jobs", kind=self.kind)
        with gr.Column(elem_classes=["garret-settings"]):
            form_parts.settings_part(self)

    @property
    def components(self) -> list[Any]:
        """Return the fields' components in their order, as handlers get and give their values."""
        return [one.component for one in self.fields]

    def named(self, path: str) -> Any:
        """Return the component of a field."""
        return next(one.component for one in self.fields if one.path == path)

    def body(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Return the body for `POST /v1/jobs` that the components' values say.

        Raises:
            BadRequest: names the field.
        """
        return body_of({one.path: one.read(value) for one, value in zip(self.fields, values, strict=True)})

    def shown(self, paths: Mapping[str, Any]) -> list[Any]:
        """Return updates of all components, of those whose paths are named."""
        return [gr.update(value=one.show(paths[one.path])) if one.path in paths else gr.skip() for one in self.fields]
