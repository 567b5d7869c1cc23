"""A model as the native API shows it, which OpenAI's clients read as one of theirs; and which one a path means."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.errors import BadRequest, NotFound
from garret.service_runtime.model_files import EMBEDDING, FOLDERS, TYPES
from garret.service_runtime.models import Model
from garret.service_runtime.service import Service

CHECKPOINT = "checkpoint"
LISTED = (*TYPES, EMBEDDING)
OWNER = "garret"
_TEXT = {"type": "string"}
_WHOLE = {"type": "integer", "minimum": 0}
_PERHAPS = {"type": ["string", "null"]}

SCHEMA: Schema = record(
    {
        "id": {
            **_TEXT,
            "description": "what a request names it by; of other types than checkpoint with the type before",
        },
        "object": {"const": "model"},
        "created": {**_WHOLE, "description": "when its file was written, in seconds since 1970"},
        "owned_by": _TEXT,
        "name": _TEXT,
        "type": {"enum": list(LISTED)},
        "title": {**_TEXT, "description": "the name that clients of A1111 show"},
        "path": {**_TEXT, "description": "where it lies below the folder of all models"},
        "family": {**_TEXT, "description": "read from its tensors: sdxl, sdxl-refiner, lora-sdxl, sd1, unknown, …"},
        "size": {**_WHOLE, "description": "in bytes"},
        "sha256": {**_PERHAPS, "description": "null as long as it is not known"},
        "native_size": {**_WHOLE, "description": "the side of the square it was trained for, in pixels"},
        "preview": {**_PERHAPS, "description": "where its picture is, null without one"},
        "thumbnail": {**_PERHAPS, "description": "the same small, which never changes at its address"},
        "problem": {**_PERHAPS, "description": "why this service cannot use it, null when it can"},
        "usable": {"type": "boolean"},
        "is_default": {"type": "boolean", "description": "whether a request that names no checkpoint gets it"},
    },
    required=("id", "object", "created", "owned_by", "name", "type", "size", "sha256", "preview", "problem"),
)


def facts_of(service: Service, model: Model, default: Path | None) -> dict[str, Any]:
    """Return a model's record; `default` is the file of the checkpoint that requests without a name get."""
    address = f"/v1/models/{model.type}/{quote(model.name, safe='')}"
    version = version_of(model.preview) if model.preview else ""
    return {
        "id": model.name if model.type == CHECKPOINT else f"{model.type}/{model.name}",
        "object": "model",
        "created": model.modified_ns // 10**9,
        "owned_by": OWNER,
        "name": model.name,
        "type": model.type,
        "title": model.title,
        "path": place_of(service, model.path),
        "family": model.family,
        "size": model.size,
        "sha256": model.sha256 or None,
        "native_size": model.native_size,
        "preview": f"{address}/preview" if model.preview else None,
        "thumbnail": f"{address}/thumbnail?v={version}" if version else None,
        "problem": model.why_useless or None,
        "usable": not model.why_useless,
        "is_default": model.path == default,
    }


def version_of(preview: Path) -> str:
    """Return what is another for each content of a preview's file; empty when it is gone."""
    try:
        status = preview.stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns:x}{status.st_size:x}"


def place_of(service: Service, path: Path) -> str:
    """Return a model's path from the folder of all models on; embeddings have a folder of their own beside it."""
    settings = service.settings
    if path.is_relative_to(settings.models_dir):
        return path.relative_to(settings.models_dir).as_posix()
    return f"embeddings/{path.relative_to(settings.embeddings_dir).as_posix()}"


def find_model(service: Service, model_type: str, text: str) -> Model:
    """Return the model of a type that a name, a file's name or a path below the folder of its type or of all means.

    Raises:
        NotFound: there is none.
        BadRequest: there are several; says how to tell them apart.
    """
    if model_type not in LISTED:
        raise NotFound(f"{model_type[:40]!r} is not a type of model", f"There are: {', '.join(LISTED)}")
    models = service.models.all(model_type)
    found = [one for one in models if text in _names(service, one)]
    if not found:
        known = ", ".join(one.name for one in models[:30]) or "none"
        raise NotFound(f"there is no {model_type} {text[:120]!r}", f"There are: {known[:1000]}")
    if len(found) > 1:
        places = ", ".join(place_of(service, one.path) for one in found)
        raise BadRequest("name", f"{len(found)} models are called {text[:80]!r}", f"Say one of: {places[:1000]}")
    return found[0]


def default_path(service: Service) -> Path | None:
    """Return the file of the checkpoint that requests without a name get, None when there is no checkpoint."""
    try:
        return service.models.find_checkpoint().path
    except NotFound:
        return None


def _names(service: Service, model: Model) -> Iterable[str]:
    place = place_of(service, model.path)
    return model.name, model.path.name, place, place.removeprefix(f"{FOLDERS.get(model.type, '')}/")
