"""Small pictures to send, and what the service was asked for by whatever dialect."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from tests.service_runtime.living import Service

Colour = str | tuple[int, ...]


def picture(width: int = 64, height: int = 64, colour: Colour = "red", mode: str = "RGB", kind: str = "PNG") -> bytes:
    """Return the file of a picture of one colour."""
    file = io.BytesIO()
    Image.new(mode, (width, height), colour).save(file, kind)
    return file.getvalue()


def text_of(file: bytes) -> str:
    """Return a file as base64."""
    return base64.b64encode(file).decode()


def size_of(file: bytes) -> tuple[int, int]:
    """Return the width and height of a picture's file."""
    with Image.open(io.BytesIO(file)) as opened:
        opened.load()
        return opened.size


def last_asked(service: Service) -> dict[str, Any]:
    """Return the request of the newest job, as garret itself writes it."""
    jobs = service.call("GET", "/v1/jobs?limit=1").json
    newest: dict[str, Any] = (jobs["data"] if isinstance(jobs, dict) else jobs)[0]["request"]
    return newest


def chosen(record: dict[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """Return some of a record's values."""
    return tuple(record[name] for name in names)
