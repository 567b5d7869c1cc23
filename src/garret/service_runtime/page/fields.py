"""The fields of a form: Gradio's components, each with the path that a request has for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from garret.service_runtime.page.choices import AUTOMATIC, NO_NAMES, NONE
from garret.service_runtime.page.words import LANGUAGES, words_of
from garret.service_runtime.samplers import SCHEDULES

Turn = Callable[[Any], Any]
_LABELS = {one.name: one.label for one in SCHEDULES}


def same(value: Any) -> Any:
    """Take a value as it is."""
    return value


@dataclass(frozen=True)
class Field:
    """A component with its path; `read` makes a request's value of what it holds, `show` the other way round."""

    path: str
    component: gr.components.Component
    read: Turn = same
    show: Turn = same


def identifier(kind: str, path: str) -> str:
    """Return the elem_id of a field: `create-refiner-mode`."""
    return f"{kind}-{path.replace('.', '-')}"


def whole(value: Any) -> Any:
    """Make a whole number of what a browser sends for one, 8.0; anything else is for the request to refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def named(value: Any) -> Any:
    """Return the choice that somebody means who sees it in their language."""
    return next((one for one, key in NO_NAMES.items() if value in {words_of(name)[key] for name in LANGUAGES}), value)


def unless_automatic(value: Any) -> Any:
    """Leave the choice to the service."""
    return None if (chosen := named(value)) == AUTOMATIC else chosen


def or_automatic(value: Any) -> Any:
    """Show the service's own choice."""
    return value or AUTOMATIC


def vae_shown(value: Any) -> Any:
    """Show which VAE a request has."""
    return NONE if value == NONE else or_automatic(value)


def schedule_label(value: Any) -> Any:
    """Show a schedule by its label."""
    return _LABELS.get(str(value), value)
