"""A file that came by SFTP into root's folder, taken by the node as one of its operations."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from garret.service_runtime.executions import Execution, ExecutionStore
from garret.service_runtime.operations.run import Run, run_operation
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import Surroundings
from tests.service_runtime.living import SDXL_TENSORS, safetensors_bytes

DATA = safetensors_bytes(SDXL_TENSORS, b"\x02")
SHA256 = hashlib.sha256(DATA).hexdigest()


def placed(folder: Path, content: bytes | None, **changes: Any) -> Execution:
    """Carry the verb out on a node whose staged file has this content."""
    settings = replace(ServiceSettings(), state_dir=folder / "service", models_dir=folder / "models")
    if content is not None:
        (folder / "uploads").mkdir()
        (folder / "uploads" / SHA256).write_bytes(content)
    store = ExecutionStore(settings.state_dir / "executions")
    execution = store.save(Execution("1" * 32, "place-model"))
    wish = {"type": "checkpoint", "name": "mine", "kind": "model", "directory": "", "force": False, "sha256": SHA256}
    return run_operation(Run(store, execution, settings, Surroundings()), {**wish, **changes})


def test_it_is_copied_and_named(tmp_path: Path) -> None:
    """Root's file stays root's; the model is another file."""
    ended = placed(tmp_path, DATA)
    assert (ended.status, ended.output["family"]) == ("Success", "sdxl")
    model = tmp_path / "models/Stable-diffusion/mine.safetensors"
    assert model.read_bytes() == DATA
    assert (tmp_path / "uploads" / SHA256).stat().st_ino != model.stat().st_ino


def test_other_bytes_are_not_taken(tmp_path: Path) -> None:
    """A write that SFTP lost is found by the hash, and nothing has a name."""
    ended = placed(tmp_path, DATA[:-5] + b"wrong")
    assert ended.status == "Failed"
    assert ended.error is not None
    assert "changed" in ended.error["message"]
    assert [path for path in (tmp_path / "models").rglob("*") if path.is_file()] == []


def test_a_hash_is_no_path(tmp_path: Path) -> None:
    """And a file that nobody sent is told."""
    for sha256, word in (("../../etc/shadow", "sha256"), ("0" * 64, "no file")):
        ended = placed(tmp_path / sha256[:1], None, sha256=sha256)
        assert ended.error is not None
        assert word in ended.error["message"]
