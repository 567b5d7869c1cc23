"""The bundle is reproducible, complete, and free of what a node does not need."""

from __future__ import annotations

import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from garret.image_bootstrap.bundle import CHUNK_BYTES, build_bundle, chunks
from tests.image_bootstrap.machine import PACKAGE


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    """Name to entry."""
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(data))) as tar:
        return {entry.name: entry for entry in tar}


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    """Whenever, wherever and by whomever they were checked out."""
    copy = tmp_path / "elsewhere" / "garret"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "demo_model"))
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert build_bundle(copy) == build_bundle()


def test_another_process_with_another_umask_language_and_order_makes_the_same_bytes(tmp_path: Path) -> None:
    """Files copied in reverse, so that the folder lists them otherwise."""
    copy = tmp_path / "garret"
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "demo_model" not in path.parts]
    before = os.umask(0o077)
    try:
        for path in sorted(files, reverse=True):
            target = copy / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    finally:
        os.umask(before)
    code = f"from garret.image_bootstrap.bundle import *; print(build_bundle(Path({str(copy)!r})).sha256)"
    environment = {**os.environ, "LC_ALL": "C", "TZ": "Asia/Shanghai", "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == build_bundle().sha256


def test_one_changed_byte_gives_another_hash(tmp_path: Path) -> None:
    """The hash names exactly this runtime."""
    copy = tmp_path / "garret"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "demo_model"))
    with (copy / "service_runtime/__init__.py").open("a") as file:
        file.write("#")
    assert build_bundle(copy).sha256 != build_bundle().sha256


def test_it_holds_both_rooms_the_units_and_the_locks_and_nothing_else() -> None:
    """No caches, no model, no command line."""
    names = set(members(build_bundle().data))
    assert {
        "garret/__init__.py",
        *(f"garret/image_bootstrap/requirements/{name}.lock" for name in ("runtime", "cuda", "cpu", "python-3.13")),
        "garret/service_runtime/settings.py",
        "garret/image_bootstrap/runner.py",
        "garret/image_bootstrap/steps/service.py",
        "garret/image_bootstrap/units/garret.service",
    } <= names
    inside = ("garret/service_runtime/", "garret/image_bootstrap/")
    assert {name for name in names if not name.startswith(inside)} == {"garret/__init__.py"}
    assert not any("__pycache__" in name or name.endswith((".pyc", ".safetensors")) for name in names)


def test_the_demo_model_travels_along_when_asked_to() -> None:
    """For nodes whose image does not bring it; the chunks' three digits still count them all."""
    bundle = build_bundle(with_model=True)
    names = set(members(bundle.data))
    assert {"garret/demo_model/demo.safetensors", "garret/demo_model/config/model_index.json"} <= names
    assert set(members(build_bundle().data)) < names
    assert len(list(chunks(bundle))) < 1000


def test_everything_the_runtime_shows_is_shipped() -> None:
    """Pages and styles are files beside the code; whatever lies in the room goes along."""
    room = PACKAGE / "service_runtime"
    files = {f"garret/{path.relative_to(PACKAGE).as_posix()}" for path in room.rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} <= set(members(build_bundle().data))


def test_entries_say_nothing_about_who_packed_them() -> None:
    """No user, no time, one mode."""
    for entry in members(build_bundle().data).values():
        assert (entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime, entry.mode) == (0, 0, "", "", 0, 0o644)


def test_chunks_fit_into_sendfile_and_make_the_whole_again() -> None:
    """32 KB after Base64; names sort in order."""
    bundle = build_bundle()
    pieces = list(chunks(bundle))
    assert b"".join(content for _, content in sorted(pieces)) == bundle.data
    assert all(0 < len(content) <= CHUNK_BYTES for _, content in pieces)
    assert -(-CHUNK_BYTES // 3) * 4 <= 32_768
    assert [name for name, _ in pieces] == [f"{bundle.sha256}.{number:03d}" for number in range(len(pieces))]


def test_it_is_a_matter_of_seconds_to_send() -> None:
    """Three dozen chunks at most, four at once; more, and the bundle wants another rung of the ladder."""
    assert build_bundle().size <= 36 * CHUNK_BYTES
