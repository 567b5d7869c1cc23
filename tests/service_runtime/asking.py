"""Requests, batches and prepared requests for tests, with no more said than a test is about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from garret.service_runtime.batch import Batch, Picture, Used
from garret.service_runtime.models import Model
from garret.service_runtime.prepare import Prepared
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.vocabulary import ReadyWords

SMALL = ImageRequest("demo", "a", 64, 64, 4, 3.0, 1)


def ask(**changes: Any) -> ImageRequest:
    """Return a small request with these fields."""
    return ImageRequest(**{**{name: getattr(SMALL, name) for name in vars(SMALL)}, **changes})


def batch_of(checkpoint: Path | str, *pictures: Picture, **changes: Any) -> Batch:
    """Return a batch of small pictures; `used` may be given among the changes of the request."""
    used = changes.pop("used", Used(str(checkpoint)))
    memory = changes.pop("batch_memory", "auto")
    return Batch(ask(**changes), used, pictures, memory)


def prepared(request: ImageRequest = SMALL, path: str = "/demo") -> Prepared:
    """Return a request as if a node had found its checkpoint."""
    model = Model("demo", "checkpoint", Path(path), 1, 1, "sdxl")
    return Prepared(request, model, Used(path), ReadyWords(request.prompt, request.negative_prompt))


def other(batch: Batch, **changes: Any) -> Batch:
    """Return the batch with other pictures, another checkpoint's path, or other fields of its request."""
    pictures = changes.pop("pictures", batch.pictures)
    used = replace(batch.used, checkpoint=str(changes.pop("checkpoint", batch.used.checkpoint)))
    return replace(batch, pictures=pictures, used=used, request=replace(batch.request, **changes))
