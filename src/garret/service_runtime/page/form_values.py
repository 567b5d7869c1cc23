"""A form's values as a request's body and back: fields are named by their paths, as `refiner.mode`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import MAXIMUM_SEED

SWITCHES = ("hires", "upscale")
"""Parts that are asked for by a box of their own, `hires.on`, whatever else is said of them."""
OFF = "off"
REST = "rest"
"""What was taken over from a picture and has no control: JSON with fields by their paths."""
_WHOLE_ONLY = ("seed", "variation.seed")


def body_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `POST /v1/jobs` takes; what is empty is left out, so that it is the service's own choice.

    Raises:
        BadRequest: names the field.
    """
    said = {**_rest(values.get(REST)), **{path: value for path, value in values.items() if path != REST}}
    body: dict[str, Any] = {}
    for path, value in said.items():
        if value is None or value == "":
            continue
        _put(body, path, _seed(path, value) if path in _WHOLE_ONLY else value)
    for part in SWITCHES:
        if not _part(body, part).pop("on", False):
            body.pop(part, None)
    if _part(body, "refiner").get("mode", OFF) == OFF:
        body.pop("refiner", None)
    return body


def _put(body: dict[str, Any], path: str, value: object) -> None:
    *parts, name = path.split(".")
    for part in parts:
        body = _part(body, part, new=True)
    body[name] = value


def _part(body: dict[str, Any], name: str, *, new: bool = False) -> dict[str, Any]:
    """Return a part of a body; what was taken over may have a value of the same name, which is none."""
    found = body.setdefault(name, {}) if new else body.get(name, {})
    if not isinstance(found, dict):
        raise BadRequest(name, "must be an object")
    return found


def paths_of(body: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return a body's fields by their paths; the parts that are there are switched on."""
    found: dict[str, Any] = {}
    for name, value in body.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping):
            found |= {f"{path}.on": True} if path in SWITCHES else {}
            found |= paths_of(value, f"{path}.")
        elif value is not None:
            found[path] = list(value) if isinstance(value, tuple) else value
    return found


def _rest(text: object) -> dict[str, Any]:
    try:
        read = json.loads(text) if isinstance(text, str) and text else {}
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _seed(path: str, value: object) -> int:
    """Read a seed from a text box: numbers of a browser are exact only up to 2^53."""
    try:
        seed = int(str(value).strip()[:40])
    except ValueError:
        raise BadRequest(path, "must be a whole number", f"Give 0 to {MAXIMUM_SEED}, or -1 for any") from None
    return seed
