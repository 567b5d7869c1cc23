"""Numbers that come as text: A1111 reads them, and so its clients write them (Auto-Photoshop its seeds)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api.describe import Schema

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_BROKEN = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?")


def with_numbers(body: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return a body whose fields for numbers hold them; a text that is no plain number stays what it is."""
    return {name: _number(schema["properties"].get(name, {}), value) for name, value in body.items()}


def _number(field: Schema, value: Any) -> Any:
    kind = next((kind for kind in ("integer", "number") if kind in field.get("type", ())), "")
    if not kind or not isinstance(value, str):
        return value
    text = value.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if kind == "number" and _BROKEN.fullmatch(text) else value
