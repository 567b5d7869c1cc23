"""Restore-model: a removed model back to where it lay, or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.operations.bin import Bin, Removed
from garret.service_runtime.operations.choosing import texts
from garret.service_runtime.operations.known_files import remember_hash
from garret.service_runtime.operations.run import PartlyFailed, Run, WrongParameter
from garret.service_runtime.transfer import DownloadError, Fetched


def restore_model(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Restore the model of a name or of a removal's id, the one removed last where there are several; or `all`."""
    asked = texts(parameters, "name", "type", flags=("all",))
    if bool(asked["name"]) == asked["all"]:
        raise WrongParameter("name", "say a name, or all", "garret ops restore-model NAME, or --all")
    trash = Bin(run.settings.models_dir)
    there = [one for one in trash.all() if asked["type"] in ("", one.type)]
    if asked["all"]:
        return _all(run, trash, there)
    named = [one for one in there if asked["name"] in (one.name, one.id, one.files[0])]
    if not named:
        known = ", ".join(dict.fromkeys(one.name for one in there)) or "nothing"
        raise WrongParameter("name", f"no {asked['name'][:80]!r} was removed lately", f"In the bin: {known}")
    with run.task("restore"):
        return {"models": [_restore(run, trash, named[0])]}


def _all(run: Run, trash: Bin, there: list[Removed]) -> dict[str, Any]:
    restored, failed = [], []
    for one in there:
        try:
            with run.task(f"restore {one.name}"):
                restored.append(_restore(run, trash, one))
        except DownloadError as error:
            failed.append(error.message)
    if failed:
        hint = "Remove the newer ones first, or restore one by its name"
        raise PartlyFailed(f"{len(failed)} stayed in the bin: {'; '.join(failed)}"[:4000], hint, {"models": restored})
    return {"models": restored}


def _restore(run: Run, trash: Bin, one: Removed) -> dict[str, Any]:
    try:
        path = trash.restore(one)
    except FileExistsError:
        raise DownloadError(
            f"another file is called {one.folder}/{one.files[0]} by now", "Remove or rename that one first"
        ) from None
    if one.sha256 and path.is_file():
        remember_hash(run.settings, Fetched(path, one.sha256, one.size, 0))
    return {"name": one.name, "type": one.type, "path": str(path), "family": one.family, "size": one.size,
            "sha256": one.sha256}  # fmt: skip
