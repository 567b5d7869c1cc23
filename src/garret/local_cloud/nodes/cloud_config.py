"""The part of cloud-init's cloud-config that a process node applies; any other key is refused by name."""

from __future__ import annotations

import base64
import binascii
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HEADER = "#cloud-config"
KEYS = ("write_files", "runcmd")
FILE_KEYS = ("path", "permissions", "encoding", "content")
_GZIPPED = ("gz+b64", "gz+base64", "gzip+b64", "gzip+base64")
_ENCODED = ("b64", "base64")


class Unsupported(ValueError):
    """User-data that real cloud-init may know and this driver does not."""


@dataclass(frozen=True)
class File:
    """One file of `write_files`; the path is absolute on the node."""

    path: str
    content: bytes
    mode: int


@dataclass(frozen=True)
class CloudConfig:
    """What a node's user-data asks for; each command is a list of words."""

    files: tuple[File, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()

    def write_files(self, disk: Path) -> None:
        """Write the files below the node's disk."""
        for file in self.files:
            target = disk / file.path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(file.mode)


def parse_cloud_config(text: str) -> CloudConfig:
    """Read user-data.

    Raises:
        Unsupported: it is no cloud-config, or asks for something that this driver does not do.
    """
    if not text.strip():
        return CloudConfig()
    if text.split("\n", 1)[0].strip() != HEADER:
        raise Unsupported(f"a process node reads only user-data that begins with {HEADER}")
    try:
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise Unsupported(f"the user-data is not YAML: {error}") from None
    if not isinstance(document, Mapping):
        raise Unsupported("the user-data is not a mapping")
    unknown = sorted(str(key) for key in document if key not in KEYS)
    if unknown:
        raise Unsupported(f"a process node does not do {', '.join(unknown)}; it does {', '.join(KEYS)}")
    files = tuple(_file(entry) for entry in document.get("write_files") or ())
    return CloudConfig(files, tuple(_command(entry) for entry in document.get("runcmd") or ()))


def _file(entry: Any) -> File:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("path"), str):
        raise Unsupported("write_files: each entry is a mapping with a path")
    path = entry["path"]
    unknown = sorted(str(key) for key in entry if key not in FILE_KEYS)
    if unknown:
        raise Unsupported(f"write_files: {path}: a process node does not do {', '.join(unknown)}")
    if not path.startswith("/") or ".." in Path(path).parts:
        raise Unsupported(f"write_files: {path!r} is not an absolute path")
    try:
        content = _decoded(str(entry.get("content", "")), str(entry.get("encoding", "") or "text/plain"))
        mode = int(str(entry.get("permissions", "0644")), 8)
    except (ValueError, OSError, EOFError) as error:
        raise Unsupported(f"write_files: {path}: {error}") from None
    return File(path, content, mode & 0o777)


def _decoded(content: str, encoding: str) -> bytes:
    if encoding == "text/plain":
        return content.encode("utf-8")
    if encoding not in (*_GZIPPED, *_ENCODED):
        raise ValueError(f"encoding {encoding!r} is not known")
    try:
        packed = base64.b64decode(content)
    except binascii.Error as error:
        raise ValueError(f"not Base64: {error}") from None
    return gzip.decompress(packed) if encoding in _GZIPPED else packed


def _command(entry: Any) -> tuple[str, ...]:
    if isinstance(entry, str):
        return ("/bin/sh", "-c", entry)  # what cloud-init does with a line of text
    if isinstance(entry, list) and entry and all(isinstance(word, (str, int)) for word in entry):
        return tuple(str(word) for word in entry)
    raise Unsupported("runcmd: each entry is a line or a list of words")
