"""List-models: what is on this node, whether the service can use it, and what lies in the bin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.models import Model
from garret.service_runtime.operations.bin import Bin
from garret.service_runtime.operations.choosing import below, models_of, texts
from garret.service_runtime.operations.run import Run


def list_models(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models of a type, or all, and those that were removed and can be restored."""
    asked = texts(parameters, "type")
    root = run.settings.models_dir
    with run.task("list"), models_of(run.settings) as (models, _):
        found = [_facts(model, below(root, model.path)) for model in models.all(asked["type"] or None)]
    removed = [one.to_dict() for one in Bin(root).all() if asked["type"] in ("", one.type)]
    return {"models": found, "removed": removed, "folder": str(root), "bytes": sum(one["size"] for one in found)}


def _facts(model: Model, path: str) -> dict[str, Any]:
    return {
        "name": model.name,
        "type": model.type,
        "path": path,
        "family": model.family,
        "size": model.size,
        "sha256": model.sha256,
        "preview": model.preview.name if model.preview else None,
        "problem": model.why_useless,
    }
