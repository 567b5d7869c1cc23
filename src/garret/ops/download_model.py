"""Download-model: a model from an address onto the node, by the node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from garret.errors import UsageError
from garret.service_runtime.model_sources import Endpoints, WrongSource, addresses, parse_model

TYPES = ("checkpoint", "lora", "vae", "other")
VERB = "download-model"
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_NAME = re.compile(r"[^/\\\x00-\x1f]{1,200}")


def parameters(
    kind: str, url: str, name: str | None, sha256: str | None, token: str | None = None
) -> Mapping[str, Any]:
    """The request's parameters; what is plainly wrong is refused before the node hears of it.

    Raises:
        UsageError: names the option.
    """
    url, name = _from_hub(url, name)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url: {url!r} is not an http(s) address", "--url https://…/model.safetensors")
    if parts.username or parts.password:
        raise UsageError("--url: holds a name or password; those would be kept on the node", "leave them out")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise UsageError(f"--sha256: {sha256!r} is not 64 hexadecimal digits", "sha256sum model.safetensors")
    if name is not None and (not _NAME.fullmatch(name) or name in (".", "..")):
        raise UsageError(f"--name: {name!r} is not one file name", "--name my-model")
    said = {"type": kind, "url": url, "name": name, "sha256": sha256.lower() if sha256 else None, "token": token}
    return {key: value for key, value in said.items() if value is not None}


def _from_hub(url: str, name: str | None) -> tuple[str, str | None]:
    """The address that hf:OWNER/REPO/FILE or modelscope:OWNER/NAME/FILE means, and the file's name."""
    if not url.startswith(("hf:", "modelscope:")):
        return url, name
    try:
        own = parse_model(url)
    except WrongSource as error:
        raise UsageError(f"--url: {error.reason}", error.hint) from None
    if own is None:
        return url, name
    return addresses(own.file, own.source, "", Endpoints())[0].url, name or own.file.stem
