"""Numbers that come as text: A1111 reads them, and so its clients write them (Auto-Photoshop its seeds)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api.a1111.schema import IMG2IMG

_KINDS = {
    name: said["type"][0] for name, said in IMG2IMG["properties"].items() if said["type"][0] in ("integer", "number")
}
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_BROKEN = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?")


def with_numbers(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body whose fields for numbers hold them; a text that is no plain number stays what it is."""
    return {name: _number(_KINDS.get(name, ""), value) for name, value in body.items()}


def _number(kind: str, value: Any) -> Any:
    if not kind or not isinstance(value, str):
        return value
    text = value.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if kind == "number" and _BROKEN.fullmatch(text) else value
