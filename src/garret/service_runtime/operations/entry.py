"""One model as it was asked for: each parameter checked by its name, and the folder that its type means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from garret.service_runtime.model_files import (
    FOLDERS,
    PICKLED,
    PREVIEW_SUFFIXES,
    SUFFIX,
    TYPES,
    ModelFile,
    model_files,
    stem_of,
)
from garret.service_runtime.names import BadName, check_name
from garret.service_runtime.operations.run import WrongParameter
from garret.service_runtime.settings import ServiceSettings

KINDS = ("model", "preview")
OTHER_FOLDER = "other"
DEEPEST_DIRECTORY = 4
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_TEXTS = ("type", "kind", "url", "from", "name", "directory", "sha256", "token_env")
LONGEST = 4096
# Where models lie on a whole node; the local cloud's process nodes have that folder below one of their own.
_HABIT = "/home/models/"


@dataclass(frozen=True)
class Entry:
    """What was asked for; exactly one of `url` and `source` (civitai:…, hf:…, modelscope:…, oss://…) is there."""

    type: str
    kind: str = "model"
    url: str = ""
    source: str = ""
    name: str = ""
    directory: str = ""
    sha256: str = ""
    force: bool = False
    token_env: str = ""

    @property
    def said(self) -> str:
        """What a person is told of it before its name is known."""
        return self.name or (self.source or self.url).rpartition("/")[2].partition("?")[0] or "the model"

    @property
    def subject(self) -> dict[str, str]:
        """What a list of downloads says of it; of an address only what can be no key to anything."""
        return {"type": self.type, "kind": self.kind, "name": self.name, "source": self.source or _plain(self.url)}


def _plain(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return ""


def parse_entry(values: Mapping[str, Any], prefix: str = "") -> Entry:
    """Read one model's parameters.

    Raises:
        WrongParameter: names the one that is wrong, after `prefix`.
    """
    unknown = set(values) - {*_TEXTS, "force"}
    if unknown:
        raise WrongParameter(prefix + sorted(unknown)[0][:80], "is not a parameter of download-model")
    texts = {name: "" if values.get(name) is None else values[name] for name in _TEXTS}
    for name, value in texts.items():
        if not isinstance(value, str) or len(value) > LONGEST:
            raise WrongParameter(prefix + name, f"must be text of at most {LONGEST} characters")
    if not isinstance(values.get("force", False), bool):
        raise WrongParameter(prefix + "force", "must be true or false")
    entry = Entry(
        texts["type"], texts["kind"] or "model", texts["url"], texts["from"], texts["name"], texts["directory"],
        texts["sha256"].lower(), bool(values.get("force", False)), texts["token_env"],
    )  # fmt: skip
    _check(entry, prefix)
    return entry


def _check(entry: Entry, prefix: str) -> None:
    if entry.type not in TYPES:
        raise WrongParameter(
            prefix + "type", f"{entry.type[:40]!r} is not a type of model", f"Give one of {', '.join(TYPES)}"
        )
    if entry.kind not in KINDS:
        raise WrongParameter(prefix + "kind", f"{entry.kind[:40]!r} is neither model nor preview")
    if bool(entry.url) == bool(entry.source):
        reason = "is missing" if not entry.url else "and from: both were given"
        raise WrongParameter(prefix + "url", reason, "Give the https:// address of a file, or from: hf:owner/repo/file")
    if entry.sha256 and not _SHA256.fullmatch(entry.sha256):
        raise WrongParameter(prefix + "sha256", "is not 64 characters of hex")
    if entry.kind == "preview" and not entry.name:
        raise WrongParameter(prefix + "name", "is missing: a preview belongs to a model by its name")


def folder_of(settings: ServiceSettings, model_type: str, directory: str) -> Path:
    """Return the folder that a type means; for the type other, the one that was said, below the root and no further.

    Raises:
        WrongParameter: there can be no such folder, or it is one of a type.
    """
    if model_type != "other":
        if directory:
            raise WrongParameter("directory", f"is for the type other; a {model_type} goes to {FOLDERS[model_type]}")
        return settings.models_dir / FOLDERS[model_type]
    text = directory or OTHER_FOLDER
    parts = PurePosixPath(text.removeprefix(f"{settings.models_dir}/").removeprefix(_HABIT)).parts
    hint = f"Give the name of a folder below {settings.models_dir}, for example ControlNet"
    if not parts or len(parts) > DEEPEST_DIRECTORY:
        raise WrongParameter("directory", f"has {len(parts)} folders, and 1 to {DEEPEST_DIRECTORY} may be said", hint)
    try:
        folder = settings.models_dir.joinpath(*(check_name(part) for part in parts))
    except BadName as error:
        raise WrongParameter("directory", str(error), hint) from None
    types = {name.lower(): kind for kind, name in FOLDERS.items()}
    if parts[0].lower() in types:
        kind = types[parts[0].lower()]
        raise WrongParameter("directory", f"{parts[0]} is the folder of the type {kind}", f"Say --type {kind}")
    if not folder.resolve().is_relative_to(settings.models_dir.resolve()):
        raise WrongParameter("directory", f"{text[:80]!r} is a link that leads out of {settings.models_dir}", hint)
    return folder


def model_of_preview(settings: ServiceSettings, folder: Path, name: str) -> ModelFile:
    """Return the model that a preview belongs to by its name, which may end like a picture or a model.

    Raises:
        WrongParameter: there is none of this name in the folder.
    """
    stem = name
    for suffix in (SUFFIX, PICKLED, *PREVIEW_SUFFIXES):
        stem = stem[: -len(suffix)] if stem.lower().endswith(suffix) else stem
    there = [file for file in model_files(settings.models_dir) if file.path.parent == folder]
    names = {stem_of(file.path): file for file in there}
    if stem not in names:
        known = ", ".join(sorted(names)[:20]) or "none"
        raise WrongParameter("name", f"there is no model {stem[:80]!r} in {folder.name}", f"There are: {known}")
    return names[stem]
