"""What happens when somebody uses a form; nothing here raises for what they say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import gradio as gr

from garret.service_runtime.api.job_body import parse_job
from garret.service_runtime.errors import ServiceError
from garret.service_runtime.page.faults import fault_of
from garret.service_runtime.page.filling import changed_model, filled
from garret.service_runtime.page.form_parts import message_told
from garret.service_runtime.page.hosting import PLAIN, heard
from garret.service_runtime.page.words import language_of

if TYPE_CHECKING:
    from garret.service_runtime.page.form import Form

_OF_MODEL = ("width", "height", "steps", "cfg_scale")


def connect(form: Form) -> None:
    """Give a form its handlers."""

    async def sample(request: gr.Request, *values: Any) -> str:
        return message_told(form.kind, **await _made(form, request, values))

    async def tell(request: gr.Request, text: str, checkpoint: str) -> list[Any]:
        return await filled(form, request.request, heard(text), str(checkpoint or ""))

    async def change(checkpoint: str, native: str, *values: Any) -> list[Any]:
        return await changed_model(form, str(checkpoint or ""), str(native), dict(zip(_OF_MODEL, values, strict=True)))

    form.button.click(sample, form.components, form.message, trigger_mode="multiple", **PLAIN)
    outputs = [*form.components, form.native, form.about, form.message, form.button]
    form.bridge.change(tell, [form.bridge, form.named("checkpoint")], outputs, trigger_mode="multiple", **PLAIN)
    of_model = [form.named(path) for path in _OF_MODEL]
    checkpoint = form.named("checkpoint")
    checkpoint.change(change, [checkpoint, form.native, *of_model], [*of_model, form.native, form.about], **PLAIN)


async def _made(form: Form, request: gr.Request, values: tuple[Any, ...]) -> dict[str, Any]:
    """Ask for pictures as `POST /v1/jobs` does; returns the job, or what is wrong."""
    service, asking = form.service, request.request
    try:
        owner = asking.state.caller
        service.check_room(owner)
        body = form.body(values)
        # Beside the event loop: models' files are looked up.
        wanted = await asyncio.to_thread(parse_job, body, service.models.usable_checkpoint, service.inputs)
        return {"job": await service.submit(wanted, owner)}
    except ServiceError as error:
        return {"fault": fault_of(language_of(asking), error)}
