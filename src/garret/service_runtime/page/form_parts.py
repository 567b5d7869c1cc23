"""What a form consists of, from what everybody needs to what few do; what few need is folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from garret.service_runtime.asked import FORMATS
from garret.service_runtime.page.choices import AUTOMATIC, labelled
from garret.service_runtime.page.fields import or_automatic, schedule_label, unless_automatic, vae_shown, whole
from garret.service_runtime.page.form_values import OFF
from garret.service_runtime.page.hosting import element, element_place, told
from garret.service_runtime.samplers import SAMPLERS, SCHEDULES

if TYPE_CHECKING:
    from garret.service_runtime.page.form import Form

_GUIDANCE_SHOWN = 20
_OUTPUT = "output.format"


def words_part(form: Form) -> None:
    """Put in the prompts and the button."""
    words = form.words
    form.add(
        "prompt", gr.Textbox(label=words("form.prompt"), placeholder=words("form.prompt_hint"), lines=3, max_lines=8)
    )
    element("tokens", kind=form.kind, field="prompt")
    form.add("negative_prompt", gr.Textbox(label=words("form.negative_prompt"), lines=1, max_lines=6))
    element("tokens", kind=form.kind, field="negative_prompt")
    form.button = gr.Button(
        words("form.sample"),
        variant="primary",
        elem_id=f"{form.kind}-sample",
        elem_classes=["garret-sample"],
        size="lg",
        # Until the settings are there, and filled.
        interactive=False,
    )


def message_told(kind: str, **facts: Any) -> str:
    """Return what is below the button: what came of it, and what was taken over without a control here."""
    return told("made", kind=kind, **facts) + told("rest", kind=kind)


def model_told(form: Form, about: dict[str, Any], native: int) -> str:
    """Return what is below the model: what it is, and the shapes of its sizes."""
    largest = form.service.settings.longest_side
    return told("model", kind=form.kind, **about) + told("sizes", kind=form.kind, native=native, largest=largest)


def settings_part(form: Form) -> None:
    """Put in everything else."""
    _model(form)
    _size(form)
    _sampling(form)
    _seed(form)
    with _folded(form, "extras"):
        _extras(form)
    with _folded(form, "refiner"):
        _refiner(form)
    if form.kind == "create":
        with _folded(form, "hires"):
            _second_pass(form)
    with _folded(form, "upscale"):
        _larger(form)
    with _folded(form, "more"):
        _more(form)


def _folded(form: Form, name: str) -> gr.Accordion:
    return gr.Accordion(form.words(f"form.part.{name}"), open=False, elem_id=f"{form.kind}-part-{name}")


def _picker(form: Form, path: str, value: str, **options: Any) -> Any:
    """Put in a list of names that may be others by the time that one is chosen."""
    shown = {"label": form.words(f"form.{path}"), "allow_custom_value": True, "filterable": True}
    return gr.Dropdown(labelled(form.choices.names[path], form.words), value=value, **{**shown, **options})


def _slider(form: Form, path: str, span: tuple[float, float, float], value: float) -> Any:
    low, high, step = span
    box = gr.Slider(low, high, value=value, step=step, label=form.words(f"form.{path}"), buttons=[])
    return form.add(path, box, read=whole if step == 1 else lambda number: number)


def _number(form: Form, path: str, value: float | None = None, **options: Any) -> Any:
    return form.add(path, gr.Number(value, label=form.words(f"form.{path}"), **options), read=whole)


def _model(form: Form) -> None:
    form.add("checkpoint", _picker(form, "checkpoint", form.choices.checkpoint))


def _size(form: Form) -> None:
    native = form.choices.native
    form.about = element_place(model_told(form, form.choices.about(form.choices.checkpoint), native))
    _number(form, "width", native, min_width=90)
    _number(form, "height", native, min_width=90)


def _sampling(form: Form) -> None:
    defaults = form.choices.defaults(form.choices.checkpoint)
    _slider(form, "steps", (1, form.service.settings.most_steps, 1), defaults.steps)
    _slider(form, "cfg_scale", (0, _GUIDANCE_SHOWN, 0.1), defaults.cfg_scale)
    names = [one.name for one in SAMPLERS]
    sampler = gr.Dropdown(names, value=defaults.sampler, label=form.words("form.sampler"), min_width=120)
    form.add("sampler", sampler)
    labels = [one.label for one in SCHEDULES]
    schedule = gr.Dropdown(
        labelled(labels, form.words), value=AUTOMATIC, label=form.words("form.schedule"), min_width=120
    )
    form.add("schedule", schedule, show=schedule_label)


def _seed(form: Form) -> None:
    form.add("seed", gr.Textbox("-1", label=form.words("form.seed"), max_lines=1, min_width=140))
    element("seed", kind=form.kind)
    _number(form, "n_iter", 1, min_width=90)
    _number(form, "batch_size", 1, min_width=90)


def _extras(form: Form) -> None:
    for name in ("loras", "embeddings", "styles"):
        element(name, kind=form.kind)
    form.add(
        "styles",
        gr.Textbox("", visible="hidden", interactive=True),
        read=lambda text: str(text).split("\n") if text else None,
        show="\n".join,
    )


def _refiner(form: Form) -> None:
    words = form.words
    modes = [(words(f"form.refiner.{mode}"), mode) for mode in (OFF, "finish", "again")]
    form.add("refiner.mode", gr.Radio(modes, value=OFF, label=words("form.refiner.mode")))
    picker = _picker(form, "refiner.checkpoint", AUTOMATIC)
    form.add("refiner.checkpoint", picker, read=unless_automatic, show=or_automatic)
    _slider(form, "refiner.switch_at", (0, 1, 0.05), 0.8)
    _slider(form, "refiner.strength", (0, 1, 0.05), 0.15)
    _number(form, "refiner.steps", 0)


def _second_pass(form: Form) -> None:
    form.add("hires.on", gr.Checkbox(False, label=form.words("form.hires.on")))
    form.add("hires.upscaler", _picker(form, "hires.upscaler", "Latent"))
    _slider(form, "hires.scale", (1, 4, 0.05), 2)
    _slider(form, "hires.denoise", (0, 1, 0.05), 0.7)
    _number(form, "hires.steps", 0)


def _larger(form: Form) -> None:
    form.add("upscale.on", gr.Checkbox(False, label=form.words("form.upscale.on")))
    picker = _picker(form, "upscale.upscaler", AUTOMATIC)
    form.add("upscale.upscaler", picker, read=unless_automatic, show=or_automatic)
    _slider(form, "upscale.scale", (1, 8, 0.1), 2)


def _more(form: Form) -> None:
    words = form.words
    form.add(
        "memory",
        gr.Checkbox(False, label=words("form.memory"), info=words("form.memory_info")),
        read=lambda low: "low" if low else None,
        show=lambda mode: mode == "low",
    )
    form.add("vae", _picker(form, "vae", AUTOMATIC), read=unless_automatic, show=vae_shown)
    _slider(form, "clip_skip", (1, 12, 1), 1)
    _slider(form, "variation.strength", (0, 1, 0.01), 0)
    form.add("variation.seed", gr.Textbox("0", label=words("form.variation.seed"), max_lines=1))
    _slider(form, "shortcuts.guidance_from", (0, 1, 0.05), 0)
    _slider(form, "shortcuts.guidance_until", (0, 1, 0.05), 1)
    form.add("shortcuts.fp8", gr.Checkbox(False, label=words("form.shortcuts.fp8")))
    form.add(_OUTPUT, gr.Radio([(one.upper(), one) for one in FORMATS], value="png", label=words(f"form.{_OUTPUT}")))
    _slider(form, "output.quality", (1, 100, 1), 90)
