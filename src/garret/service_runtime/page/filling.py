"""A form filled from elsewhere: as it was before the page was loaded again, or from a picture or a job."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.requests import Request

from garret.service_runtime.api.image_view import own_image
from garret.service_runtime.api.job_view import own_job
from garret.service_runtime.errors import BadRequest, ServiceError
from garret.service_runtime.infotext_reader import request_fields
from garret.service_runtime.limits import check_text
from garret.service_runtime.page.choices import Choices, choices_of, labelled
from garret.service_runtime.page.faults import fault_of
from garret.service_runtime.page.fields import Field, named
from garret.service_runtime.page.form_parts import message_told, model_told
from garret.service_runtime.page.reuse import request_of, values_of
from garret.service_runtime.page.words import language_of, say

if TYPE_CHECKING:
    from garret.service_runtime.page.form import Form

_LONGEST_TEXT = 100_000


async def filled(form: Form, request: Request, facts: Mapping[str, Any], checkpoint: str) -> list[Any]:
    """Return updates of all fields, the native side, what is said of the model and below the button, and the button.

    `checkpoint` is the one that the form has until now.
    """
    choices = await asyncio.to_thread(choices_of, form.service)
    fault = None
    updates = [gr.skip() for _ in form.fields]
    try:
        updates = await _updates(form, request, facts)
    except ServiceError as error:
        fault = fault_of(language_of(request), error)
    named = {
        field.path: one | _offered(field, choices, language_of(request))
        for field, one in zip(form.fields, updates, strict=True)
    }
    named["memory"] |= _memory(form, language_of(request))
    chosen = named["checkpoint"].get("value", checkpoint)
    if "again" in facts or "kept" in facts:
        kept = chosen if facts.get("kept") or "again" in facts else choices.checkpoint
        chosen = kept if kept in choices.names["checkpoint"] else choices.checkpoint
        named["checkpoint"] |= {"value": chosen} if chosen != checkpoint else {}
    message = message_told(form.kind, filled=facts.get("count", 0), fault=fault)
    return [*named.values(), *shown_model(form, choices, chosen), message, gr.update(interactive=True)]


def shown_model(form: Form, choices: Choices, checkpoint: str) -> list[Any]:
    """Return updates of the native side, and of what is said of a checkpoint."""
    name = checkpoint or choices.checkpoint
    native = choices.defaults(name).size
    return [str(native), model_told(form, choices.about(name), native)]


async def changed_model(form: Form, checkpoint: str, before: str, values: Mapping[str, Any]) -> list[Any]:
    """Return updates of size, steps and guidance where they are what another checkpoint has by itself."""
    choices = await asyncio.to_thread(choices_of, form.service)
    now, usual = choices.defaults(checkpoint), {choices.defaults(one.name) for one in choices.checkpoints}
    old = int(before) if before.isdecimal() and int(before) else now.size
    size = [gr.skip(), gr.skip()]
    if old != now.size:
        size = [_scaled(values.get(name), now.size / old) for name in ("width", "height")]
    steps = now.steps if values.get("steps") in {one.steps for one in usual} else gr.skip()
    guidance = now.cfg_scale if values.get("cfg_scale") in {one.cfg_scale for one in usual} else gr.skip()
    return [*size, steps, guidance, *shown_model(form, choices, checkpoint)]


def _scaled(side: Any, scale: float) -> Any:
    return max(64, round(side * scale / 8) * 8) if isinstance(side, (int, float)) and 0 < side < 1e5 else gr.skip()


async def _updates(form: Form, request: Request, facts: Mapping[str, Any]) -> list[Any]:
    kept = facts.get("kept")
    if isinstance(kept, Mapping):
        plain = {
            path: named(value) for path, value in kept.items() if value is None or isinstance(value, str | int | float)
        }
        return [gr.update(value=plain[one.path]) if one.path in plain else gr.skip() for one in form.fields]
    if facts.get("last_seed"):
        jobs = await form.service.records.recent(request.state.caller, 1, "", "")
        seed = str(jobs[0].request.seed) if jobs else None
        return [gr.update(value=seed) if seed and one.path == "seed" else gr.skip() for one in form.fields]
    body = await _body(form, request, facts)
    if body is None:
        return [gr.skip() for _ in form.fields]
    known = {one.path for one in form.fields}
    begins = known if "start.image" in known else ()
    try:
        return form.shown(values_of(body, known, begins=begins))
    except (TypeError, ValueError, AttributeError, RecursionError):
        raise BadRequest("fields", "are not those of a job") from None


async def _body(form: Form, request: Request, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is to be asked for again, None when nothing is."""
    service = form.service
    if isinstance(facts.get("image"), str):
        return request_of(await own_image(service, facts["image"], request)).to_dict()
    if isinstance(facts.get("job"), str):
        return (await own_job(service, facts["job"], request)).request.to_dict()
    if isinstance(facts.get("infotext"), str):
        check_text("infotext", facts["infotext"], _LONGEST_TEXT)
        return (await asyncio.to_thread(request_fields, facts["infotext"]))[0]
    fields = facts.get("fields")
    if fields is not None and not isinstance(fields, dict):
        raise BadRequest("fields", "must be an object")
    return fields


def _offered(field: Field, choices: Choices, language: str) -> dict[str, Any]:
    """Return what a picker offers now."""
    if field.path not in choices.names:
        return {}
    return {"choices": labelled(choices.names[field.path], partial(say, language))}


def _memory(form: Form, language: str) -> dict[str, Any]:
    """Return how the box of the low-VRAM mode stands: on by itself where the device's memory is short."""
    short = [worker.facts for worker in form.service.pool.workers if worker.facts.get("mode") == "low-vram"]
    if not short:
        return {"interactive": True, "info": say(language, "form.memory_info")}
    total = max(int(facts.get("memory_total") or 0) for facts in short)
    key = "form.memory_on" if total else "form.memory_on_unknown"
    return {"value": True, "interactive": False, "info": say(language, key, size=f"{total / 1e9:.0f}")}
