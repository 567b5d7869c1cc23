"""What a picture is begun from, and how much of it stays: the controls of Image to image and of Inpaint."""

from __future__ import annotations

from typing import Any

import gradio as gr

from garret.service_runtime.asked import RESIZES, Mask, Start
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.page.fields import whole
from garret.service_runtime.page.form import Form
from garret.service_runtime.page.hosting import element

_WIDEST_BLUR, _WIDEST_PADDING, _MOST_NOISE = 64, 256, 1.5
_FILLS = ("original", "fill", "noise", "nothing")
# What is added around a picture is painted without a mask of one's own.
_OF_MASKED = tuple(one for one in RESIZES if one != "outpaint")


def from_picture(form: Form) -> None:
    """Put in the picture that is begun from, and what is said of it."""
    _picture(form)
    _denoise(form)
    with _folded(form, "picture"):
        _resize(form, RESIZES)


def from_masked_picture(form: Form) -> None:
    """Put in the picture, the mask that is painted on it, and what is said of both."""
    _picture(form)
    form.add("start.mask.image", _unseen(), read=_painted)
    _denoise(form)
    _area(form)
    with _folded(form, "mask"):
        _mask(form)
        _resize(form, _OF_MASKED)


def _label(form: Form, path: str) -> Any:
    return form.words(f"begin.{path}")


def _folded(form: Form, name: str) -> gr.Accordion:
    return gr.Accordion(form.words(f"begin.part.{name}"), open=False, elem_id=f"{form.kind}-part-{name}")


def _unseen() -> gr.Textbox:
    """Return a box that the elements write digests into."""
    return gr.Textbox("", visible="hidden", interactive=True)


def _picture(form: Form) -> None:
    settings = form.service.settings
    element("begin", kind=form.kind, most_bytes=settings.picture_body_bytes, most_pixels=settings.picture_pixels)
    form.add("start.image", _unseen(), read=_chosen)


def _denoise(form: Form) -> None:
    label, info = _label(form, "start.denoise"), form.words("begin.denoise_info")
    form.add("start.denoise", gr.Slider(0, 1, value=Start.denoise, step=0.01, label=label, info=info, buttons=[]))


def _resize(form: Form, names: tuple[str, ...]) -> None:
    ways = [(form.words(f"begin.resize.{name}"), name) for name in names]
    form.add("start.resize", gr.Radio(ways, value=Start.resize, label=_label(form, "start.resize")))
    noise = gr.Slider(0, _MOST_NOISE, value=Start.noise, step=0.01, label=_label(form, "start.noise"), buttons=[])
    form.add("start.noise", noise)


def _area(form: Form) -> None:
    path = "start.mask.only_masked"
    areas = [(form.words(f"begin.area.{name}"), name) for name in ("whole", "masked")]
    box = gr.Radio(areas, value="whole", label=_label(form, path), info=form.words("begin.area.info"))
    form.add(path, box, read=lambda name: name == "masked", show=lambda only: "masked" if only else "whole")


def _mask(form: Form) -> None:
    for name, most in (("blur", _WIDEST_BLUR), ("padding", _WIDEST_PADDING)):
        path, usual = f"start.mask.{name}", getattr(Mask, name)
        form.add(path, gr.Slider(0, most, value=usual, step=1, label=_label(form, path), buttons=[]), read=whole)
    fills = [(form.words(f"begin.fill.{name}"), name) for name in _FILLS]
    form.add("start.mask.fill", gr.Radio(fills, value=Mask.fill, label=_label(form, "start.mask.fill")))
    form.add("start.mask.soft", gr.Checkbox(Mask.soft, label=_label(form, "start.mask.soft")))


def _chosen(digest: Any) -> Any:
    """Refuse to begin from nothing."""
    if not digest:
        raise BadRequest("start.image", "is missing", "Choose a picture to begin from")
    return digest


def _painted(digest: Any) -> Any:
    """Refuse to paint the whole picture anew where a part was meant."""
    if not digest:
        raise BadRequest("start.mask.image", "nothing is painted", "Paint over what is to be made anew")
    return digest
