"""Download-model: a model from an address into the folder of its type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from garret.service_runtime.downloads import download
from garret.service_runtime.families import family_of
from garret.service_runtime.models import FOLDERS, TYPES
from garret.service_runtime.names import BadName, check_name
from garret.service_runtime.operations.known_files import already_there, remember_hash, under_name
from garret.service_runtime.operations.run import Run, WrongParameter
from garret.service_runtime.safetensors_header import read_header
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import Fetched, Wanted

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
OTHER_FOLDER = "other"


def download_model(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch a model into the folder of its type."""
    with run.task("check"):
        kind, wanted = parse_download(parameters, run.settings)
        found = already_there(run.settings, kind, wanted)
        if found is not None:
            found = under_name(found, wanted)
    if found is not None:
        remember_hash(run.settings, found)
        return {**_facts(found, kind, wanted), "already_there": True}
    plain = run.settings.allow_private_download or bool(wanted.sha256)
    policy = replace(run.around.policy, allow_private=run.settings.allow_private_download, allow_plain_http=plain)
    with run.task("download"):
        fetched = download(wanted, replace(run.around, policy=policy, progress=run.progress))
    with run.task("register"):
        remember_hash(run.settings, fetched)
        return {**_facts(fetched, kind, wanted), "already_there": fetched.bytes_fetched == 0}


def parse_download(parameters: Mapping[str, Any], settings: ServiceSettings) -> tuple[str, Wanted]:
    """Return the model's type and what to fetch where."""
    unknown = set(parameters) - {"type", "url", "name", "sha256", "folder", "token"}
    if unknown:
        raise WrongParameter(sorted(unknown)[0], "is not a parameter of download-model")
    texts = {name: "" if value is None else value for name, value in parameters.items()}
    for name, value in texts.items():
        if not isinstance(value, str) or len(value) > 4096:
            raise WrongParameter(name, "must be text of at most 4096 characters")
    kind, url, sha256 = texts.get("type", ""), texts.get("url", ""), texts.get("sha256", "")
    if kind not in TYPES:
        raise WrongParameter("type", f"{kind[:40]!r} is not a type of model", f"Give one of {', '.join(TYPES)}")
    if not url:
        raise WrongParameter("url", "is missing", "Give the https:// address of a .safetensors file")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise WrongParameter("sha256", "is not 64 characters of hex")
    return kind, Wanted(url, _folder(kind, texts, settings), texts.get("name", ""), sha256, texts.get("token", ""))


def _folder(kind: str, texts: Mapping[str, str], settings: ServiceSettings) -> Path:
    if kind != "other":
        if texts.get("folder"):
            raise WrongParameter("folder", f"is for the type other; a {kind} goes to {FOLDERS[kind]}")
        return settings.models_dir / FOLDERS[kind]
    try:
        return settings.models_dir / check_name(texts.get("folder") or OTHER_FOLDER)
    except BadName as error:
        raise WrongParameter("folder", str(error), "Give the name of one folder below the models") from None


def _facts(fetched: Fetched, kind: str, wanted: Wanted) -> dict[str, Any]:
    return {
        "name": fetched.path.stem,
        "path": str(fetched.path),
        "type": kind,
        "family": family_of(read_header(fetched.path)),
        "size": fetched.size,
        "sha256": fetched.sha256,
        "bytes_fetched": fetched.bytes_fetched,
        "source": without_query(wanted.url),
    }


def without_query(url: str) -> str:
    """Return an address without what may hold a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
