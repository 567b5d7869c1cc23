"""A file that is on this node's disk already, put among the models: checked, named, and known to the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from garret.service_runtime.files import write_atomically
from garret.service_runtime.model_files import PREVIEW_SUFFIXES, UPSCALER, suffixes_of
from garret.service_runtime.models import sha256_of
from garret.service_runtime.names import BadName, model_file_name
from garret.service_runtime.operations.entry import folder_of, model_of_preview
from garret.service_runtime.operations.known_files import already_there, give_name, note_text, remember_hash
from garret.service_runtime.picture_header import NotAPicture, read_picture
from garret.service_runtime.safetensors_header import Header, NotSafetensors, read_header
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.tensor_families import family_of, why_useless
from garret.service_runtime.torch_pickle import read_either_header
from garret.service_runtime.transfer import DownloadError, Fetched, Wanted, note_path


def place(
    settings: ServiceSettings,
    staged: Path,
    *,
    type: str,
    name: str,
    directory: str = "",
    kind: str = "model",
    sha256: str = "",
    digest: str = "",
    force: bool = False,
) -> dict[str, Any]:
    """Give a whole file its place and name, and return its facts; the staged file is gone then.

    `sha256` is what it must hash to, `digest` what it does hash to where the caller knows; both in hex. `staged` should
    lie on the models' file system. Other files are never written over, but for a preview with `force`.

    Raises:
        WrongParameter: names the parameter.
        DownloadError: the file is not what it should be, or its name is taken.
    """
    folder = folder_of(settings, type, directory)
    digest = digest or sha256_of(staged)
    if sha256 and digest != sha256.lower():
        raise DownloadError(f"the file has the SHA-256 {digest} and {sha256.lower()} was wanted", "Check the file")
    if kind == "preview":
        return preview_facts(place_preview(settings, staged, folder, name, force=force), type, digest)
    check_staged(staged, type, force=force)
    try:
        target = folder / model_file_name(name, suffixes_of(type))
    except BadName as error:
        raise DownloadError(f"the file name {name[:80]!r} {error}", "Give another with --name") from None
    folder.mkdir(parents=True, exist_ok=True)
    known = already_there(settings, Wanted("", folder, target.name, digest))
    if target.exists() and sha256_of(target) == digest:
        staged.unlink()
    elif known is not None:
        # Stored once, under both names.
        give_name(known.path, target, keep=True)
        staged.unlink()
    else:
        staged.chmod(0o644)
        write_atomically(note_path(target), note_text(digest, staged.stat().st_size), 0o600)
        give_name(staged, target, keep=False)
    placed = Fetched(target, digest, target.stat().st_size, 0)
    remember_hash(settings, placed)
    return {**facts(settings, placed, type), "already_there": known is not None}


def place_preview(settings: ServiceSettings, staged: Path, folder: Path, name: str, *, force: bool) -> Path:
    """Put a picture beside the model whose name it has."""
    model = model_of_preview(settings, folder, name)
    try:
        suffix = read_picture(staged).suffix
    except NotAPicture as error:
        raise DownloadError(f"the file {error}", "Give a PNG, JPEG or WebP picture of at most 20 MB") from None
    stem = model.path.stem if model.path.is_file() else model.path.name
    target = model.path.with_name(stem + suffix)
    if model.preview is not None and not force:
        if sha256_of(model.preview) == sha256_of(staged):
            staged.unlink()
            return model.preview
        raise DownloadError(f"{stem} has a preview already: {model.preview.name}", "Say --force to replace it")
    staged.chmod(0o644)
    give_name(staged, target, keep=False, replacing=True)
    drop_other_previews(target)
    return target


def drop_other_previews(target: Path) -> None:
    """Delete the pictures that a new preview replaces: a model has one."""
    for middle in ("", ".preview"):
        for suffix in PREVIEW_SUFFIXES:
            other = target.with_name(target.stem + middle + suffix)
            if other != target:
                other.unlink(missing_ok=True)


def check_staged(path: Path, model_type: str, *, force: bool) -> None:
    """Refuse a file that is no model of its type's, or that this service has no use for."""
    try:
        header = read_either_header(path) if model_type == UPSCALER else read_header(path)
    except NotSafetensors as error:
        kinds = " or ".join(suffixes_of(model_type))
        raise DownloadError(f"the file {error}", f"Give a {kinds} file") from None
    approval(model_type, force=force)(header)


def approval(model_type: str, *, force: bool) -> Callable[[Header], None]:
    """Return what refuses a header whose family this service has no use for under a type."""

    def approve(header: Header) -> None:
        reason, hint = why_useless(model_type, family_of(header))
        if reason and not force:
            raise DownloadError(reason, hint)

    return approve


def facts(settings: ServiceSettings, fetched: Fetched, model_type: str) -> dict[str, Any]:
    """Return what the record says of a model that is in its place."""
    folder = fetched.path.parent.relative_to(settings.models_dir).as_posix()
    return {
        "name": fetched.path.stem,
        "path": str(fetched.path),
        "type": model_type,
        "kind": "model",
        "directory": folder,
        "family": family_of(read_either_header(fetched.path)),
        "size": fetched.size,
        "sha256": fetched.sha256,
    }


def preview_facts(path: Path, model_type: str, digest: str) -> dict[str, Any]:
    """Return what the record says of a preview that is in its place."""
    return {
        "name": path.stem.removesuffix(".preview"),
        "path": str(path),
        "type": model_type,
        "kind": "preview",
        "size": path.stat().st_size,
        "sha256": digest,
    }
