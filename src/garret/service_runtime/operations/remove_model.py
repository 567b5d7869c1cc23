"""Remove-model: a model and what belongs to it into the bin, from where it can be had back; or for good."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from garret.service_runtime.model_files import stem_of
from garret.service_runtime.models import Model
from garret.service_runtime.operations.bin import Bin
from garret.service_runtime.operations.choosing import choose, models_of, texts
from garret.service_runtime.operations.run import Run, WrongParameter
from garret.service_runtime.transfer import note_path

_SIDE_FILES = (".json", ".civitai.info", ".txt", ".yaml")


def remove_model(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Remove one model; the last one that pictures can be made with only with `force`."""
    asked = texts(parameters, "name", "type", flags=("force", "for_good"))
    settings = run.settings
    trash = Bin(settings.models_dir)
    with run.task("remove"), models_of(settings) as (models, _):
        model = choose(models.all(asked["type"] or None), asked["name"], settings.models_dir)
        if not asked["force"]:
            _refuse_last(model, models.all("checkpoint"))
        facts = {
            "name": model.name,
            "type": model.type,
            "size": _size(model.path),
            "sha256": model.sha256,
            "family": model.family,
            "removed_by": run.execution.requested_by,
        }
        one = trash.put([model.path, *_belongings(model)], facts)
        if asked["for_good"]:
            trash.forget(one)
    with run.task("purge"):
        purged = trash.purge()
    kept = one.to_dict() | {"purged": [old.name for old in purged], "for_good": asked["for_good"]}
    if asked["for_good"]:
        del kept["kept_until"]
    return kept


def _refuse_last(model: Model, checkpoints: list[Model]) -> None:
    usable = [one for one in checkpoints if not one.why_useless and one.family == "sdxl"]
    if [one.path for one in usable] == [model.path]:
        raise WrongParameter(
            "name",
            f"{model.name} is the only checkpoint that pictures can be made with",
            "Bring another one first (garret ops download-model), or say --force",
        )


def _belongings(model: Model) -> list[Path]:
    """The preview, the note of where it came from, and what other tools keep beside a model."""
    stem = stem_of(model.path)
    beside = [model.path.with_name(stem + suffix) for suffix in _SIDE_FILES]
    preview = [model.preview] if model.preview else []
    return [path for path in (*preview, *beside, note_path(model.path)) if path.is_file()]


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def free_bytes(folder: Path) -> int:
    """Return how much room the models' disk has."""
    return shutil.disk_usage(folder).free
