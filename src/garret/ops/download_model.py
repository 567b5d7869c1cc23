"""Download-model: what is asked of the node, checked before it hears of it; the node resolves and fetches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from garret.errors import UsageError
from garret.service_runtime.hub_lookup import CIVITAI
from garret.service_runtime.model_files import PREVIEW_SUFFIXES, SUFFIX
from garret.service_runtime.model_sources import Endpoints, WrongSource, parse_place

TYPES = ("checkpoint", "lora", "vae", "upscaler", "other")
KINDS = ("model", "preview")
VERB = "download-model"
HUBS = ("civitai:", "hf:", "modelscope:", "oss://")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_NAME = re.compile(r"[^/\\\x00-\x1f]{1,200}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_KEYS = ("token", "access_token", "auth_token", "api_token", "api_key", "apikey", "api-key")
"""What a lasting key is called in an address; the signature of one that was signed for some time is another thing."""


@dataclass(frozen=True)
class Model:
    """One model that is wanted; `where` is a URL, or a hub's name for it."""

    type: str
    where: str
    name: str | None = None
    kind: str = "model"
    directory: str | None = None
    sha256: str | None = None
    force: bool = False
    token_env: str | None = None


def parameters(model: Model, option: str = "--url") -> dict[str, Any]:
    """One model's parameters; what is plainly wrong is refused, by the name of `option` where it is the address.

    Raises:
        UsageError: names the option.
    """
    if model.type not in TYPES:
        raise UsageError(f"--type: {model.type!r} is not a type of model", f"--type {'|'.join(TYPES)}")
    if model.kind not in KINDS:
        raise UsageError(f"--kind: {model.kind!r} is neither model nor preview", "--kind preview")
    if model.kind == "preview" and not model.name:
        raise UsageError("--kind preview: a preview belongs to a model by its name", "--name MODEL")
    if model.directory and model.type != "other":
        raise UsageError(f"--directory: is for --type other; the folder of a {model.type} is given", "leave it out")
    if model.sha256 is not None and not _SHA256.fullmatch(model.sha256):
        raise UsageError(f"--sha256: {model.sha256!r} is not 64 hexadecimal digits", "sha256sum model.safetensors")
    if model.name is not None and (not _NAME.fullmatch(model.name) or model.name in (".", "..")):
        raise UsageError(f"--name: {model.name!r} is not one file name", "--name my-model")
    if model.token_env is not None and not _VARIABLE.fullmatch(model.token_env):
        raise UsageError("--token-env: is the name of a variable, not the token", "--token-env HF_TOKEN")
    said = {"type": model.type, **_where(model, option), "name": model.name, "directory": model.directory,
            "sha256": model.sha256.lower() if model.sha256 else None, "token_env": model.token_env}  # fmt: skip
    found = {key: value for key, value in said.items() if value is not None}
    return found | ({"kind": "preview"} if model.kind == "preview" else {}) | ({"force": True} if model.force else {})


def endpoints(environment: Mapping[str, str]) -> dict[str, str]:
    """Hubs in other places than the public ones, which the node is told: GARRET_ENDPOINT_…, and HF_ENDPOINT."""
    found = Endpoints.from_environment(
        {"GARRET_ENDPOINT_HUGGINGFACE": environment.get("HF_ENDPOINT", "")} | {**environment}
    )
    usual = Endpoints()
    told = {one.name: getattr(found, one.name) for one in fields(found)}
    return {name: url for name, url in told.items() if url != getattr(usual, name)}


def _where(model: Model, option: str) -> dict[str, str]:
    if model.where.startswith(HUBS):
        return {"from": _hub(model, option)}
    if option == "--from":
        raise UsageError(
            f"--from: {model.where[:80]!r} names no hub",
            "--from civitai:101055, hf:owner/repo/x.safetensors, modelscope:owner/name/x.safetensors, "
            "oss://bucket/x.safetensors; an address goes with --url",
        )
    try:
        parts = urlsplit(model.where)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", f"{option} https://…/model.safetensors") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{option}: {model.where!r} is not an http(s) address", f"{option} https://…/model.safetensors"
        )
    if parts.username or parts.password:
        raise UsageError(f"{option}: holds a name or password; those would be kept on the node", "leave them out")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name.lower() in _KEYS:
            raise UsageError(
                f"{option}: holds a {name}, which Cloud Assistant and records would keep for all to see",
                "leave it out of the address, and name a variable with it: --token-env CIVITAI_TOKEN",
            )
    _refuse_page(parts.hostname, parts.path, parts.query, option)
    return {"url": model.where}


def _hub(model: Model, option: str) -> str:
    if model.where.startswith("civitai:"):
        found = CIVITAI.fullmatch(model.where)
        if found is None or not (found["model"] or found["version"]):
            raise UsageError(
                f"{option}: {model.where[:80]!r} names no model of CivitAI",
                "--from civitai:101055 or civitai:101055@128078: the numbers in its page's address",
            )
        return model.where
    try:
        parse_place(model.where, (SUFFIX,) if model.kind == "model" else PREVIEW_SUFFIXES)
    except WrongSource as error:
        raise UsageError(f"{option}: {error.reason}", error.hint) from None
    return model.where


def _refuse_page(host: str, path: str, query: str, option: str) -> None:
    """Say what to type where somebody gave the page about a model instead of the model."""
    page = re.fullmatch(r"/models/(\d+)(/.*)?", path)
    if page and host.removeprefix("www.") in ("civitai.com", "civitai.green"):
        version = parse_qs(query).get("modelVersionId", [""])[0]
        hint = f"--from civitai:{page[1]}" + (f"@{version}" if version.isdigit() else "")
        raise UsageError(f"{option}: that is the page of a model, not the model", hint)
    blob = re.fullmatch(r"/([^/]+/[^/]+)/blob/([^/]+)/(.+)", path)
    if blob and host in ("huggingface.co", "hf-mirror.com"):
        raise UsageError(
            f"{option}: that is the page of a file, not the file", f"--from hf:{blob[1]}@{blob[2]}/{blob[3]}"
        )
