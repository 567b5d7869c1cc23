"""Verify-models: read every byte again, and hold it against the hash that the file had when it came."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from garret.service_runtime.known_models import SDXL, known_files
from garret.service_runtime.models import HashCache, Model
from garret.service_runtime.operations.choosing import below, choose, models_of, texts
from garret.service_runtime.operations.known_files import noted_hash
from garret.service_runtime.operations.run import PartlyFailed, Run
from garret.service_runtime.transfer import note_path

_CHUNK = 4 << 20
WHOLE, CHANGED, NEW, BROKEN = "whole", "changed", "new", "broken"


def verify_models(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Hash one model, those of a type, or all; fails when one is not what it was, and says which.

    With `accept`, what is there now is what it should be from now on.
    """
    asked = texts(parameters, "name", "type", flags=("accept",))
    root = run.settings.models_dir
    with models_of(run.settings) as (models, hashes):
        found = [model for model in models.all(asked["type"] or None) if model.path.is_file()]
        if asked["name"]:
            found = [choose(found, asked["name"], root)]
        total, before, verified = sum(model.size for model in found), 0, []
        for model in found:
            with run.task(f"verify {model.name}"):
                if asked["accept"]:
                    note_path(model.path).unlink(missing_ok=True)
                tell = partial(_tell, run, before, total)
                verified.append(_verify(model, hashes, tell, accept=asked["accept"]))
                verified[-1]["path"] = below(root, model.path)
            before += model.size
    wrong = [one for one in verified if one["state"] in (CHANGED, BROKEN)]
    output = {"models": verified, "bytes": before}
    if wrong:
        said = "; ".join(f"{one['path']}: {one['why']}" for one in wrong)
        hint = f"garret ops remove-model {wrong[0]['name']}, then garret ops download-model again"
        message = f"{len(wrong)} of {len(verified)} models are not what they were: {said}"
        raise PartlyFailed(message[:4000], hint, output)
    return output


def _tell(run: Run, before: int, total: int, done: int) -> None:
    run.progress(before + done, total)


def _verify(model: Model, hashes: HashCache, tell: Callable[[int], None], *, accept: bool) -> dict[str, Any]:
    expected = "" if accept else noted_hash(model.path) or _published(model.path.name) or model.sha256
    digest = _hash_from_disk(model.path, tell)
    facts = {"name": model.name, "type": model.type, "size": model.size, "sha256": digest, "expected": expected}
    if expected and digest != expected:
        # Kept as it was: what the service knows the file by must not become right by looking.
        return {**facts, "state": CHANGED, "why": f"its SHA-256 is {digest} and was {expected}"}
    hashes.put(model.path, model.size, model.modified_ns, digest)
    if model.problem:
        return {**facts, "state": BROKEN, "why": model.problem}
    return {**facts, "state": WHOLE if expected else NEW, "why": ""}


def _published(name: str) -> str:
    return next((file.sha256 for file in known_files(SDXL) if file.name == name), "")


def _hash_from_disk(path: Path, tell: Callable[[int], None]) -> str:
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        # What lies in memory was right once; the question is what the disk has.
        with suppress(OSError, AttributeError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            tell(done)
    return digest.hexdigest()
