"""Fields of one schema in a body of the other's: refused, since the rest of it may mean the opposite there."""

from __future__ import annotations

from garret.service_runtime.api.fields import Values
from garret.service_runtime.errors import BadRequest

FIELDS = {
    "open": ("use_refiner", "refiner_steps", "refiner_strength"),
    "optimised": (
        "samples",
        "style_preset",
        "clip_guidance_preset",
        "init_image_mode",
        "step_schedule_start",
        "step_schedule_end",
        "mask_source",
        "mask_image",
    ),
}
_HOW = {
    "open": "Send Accept: application/json, or ask POST /invocations/open",
    "optimised": "Send Accept: application/json;png, or ask POST /invocations/optimised",
}


def refuse_fields_of(schema: str, body: Values) -> None:
    """Refuse a body with a field that only the schema of this name has.

    Raises:
        BadRequest: names the field, and how that schema is asked.
    """
    for name in FIELDS[schema]:
        # One picture is what the open schema makes anyway.
        if body.get(name) not in ((None, 1) if name == "samples" else (None,)):
            raise BadRequest(
                name, f"is a field of the {schema} schema, where image_strength has its opposite sense", _HOW[schema]
            )
