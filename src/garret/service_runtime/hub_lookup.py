"""What a hub says of one file before it is fetched: its addresses, its name, and the SHA-256 that it must have.

Sources: `civitai:MODEL[@VERSION]`, `civitai:@VERSION`, `hf:OWNER/REPO[@REVISION]/PATH`,
`modelscope:OWNER/NAME[@REVISION]/PATH`, `oss://BUCKET/KEY`. CivitAI's API: https://developer.civitai.com/docs/api;
Hugging Face's: https://huggingface.co/docs/hub/api. ModelScope's is the one that its own client speaks.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from garret.service_runtime.fetching import Credential, Policy, Refused, get
from garret.service_runtime.model_files import PREVIEW_SUFFIXES, SUFFIX
from garret.service_runtime.model_sources import (
    HUGGINGFACE,
    MODELSCOPE,
    OSS,
    Address,
    Endpoints,
    Reference,
    WrongSource,
    addresses,
    parse_place,
)
from garret.service_runtime.transfer import DownloadError

CIVITAI = re.compile(r"civitai:(?P<model>\d{1,12})?(?:@(?P<version>\d{1,12}))?")
_LARGEST_REPLY = 16 << 20
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Found:
    """One file at its source; `sha256` is empty where the hub says none, `said` is whom it comes from."""

    addresses: tuple[Address, ...]
    name: str
    said: str
    sha256: str = ""
    token: Credential = field(default="", repr=False)
    note: str = ""


@dataclass(frozen=True)
class Hubs:
    """How hubs are reached: their addresses, the policy for them, and the node's region (asked only for OSS)."""

    endpoints: Endpoints
    policy: Policy
    region: Callable[[], str] = lambda: ""


def look_up(source: str, kind: str, token: Credential, hubs: Hubs) -> Found:
    """Ask a hub for a file of the kind model or preview.

    Raises:
        DownloadError: there is no such file there, or the hub does not say.
    """
    if source.startswith("civitai:"):
        return _civitai(source, kind, token, hubs)
    try:
        reference = parse_place(source, (SUFFIX,) if kind == "model" else PREVIEW_SUFFIXES)
    except WrongSource as error:
        raise DownloadError(f"from: {error.reason}", error.hint) from None
    place = reference.source
    found = addresses(reference.file, place, hubs.region() if place.kind == OSS else "", hubs.endpoints)
    digest, note = "", ""
    if place.kind in (HUGGINGFACE, MODELSCOPE):
        try:
            digest = _hub_hash(reference, token, hubs)
        except DownloadError as error:
            note = f"{place.said} did not tell the SHA-256: {error.message}"
    return Found(found, reference.file.name.rpartition(".")[0], place.said, digest, token, note)


def _hub_hash(reference: Reference, token: Credential, hubs: Hubs) -> str:
    """The hash in the hub's list of files; empty when it lists the file without one."""
    place, path = reference.source, reference.source.path
    if place.kind == HUGGINGFACE:
        folder = path.rpartition("/")[0]
        base = f"{hubs.endpoints.huggingface}/api/models/{place.place}/tree/{quote(place.revision or 'main', safe='')}"
        files = ask_json(f"{base}/{quote(folder)}" if folder else base, token, hubs.policy)
        digests = {str(_text(file, "path")): _text(file.get("lfs"), "oid") for file in _tables(files)}
    else:
        query = f"Revision={quote(place.revision or 'master')}&Recursive=true"
        reply = ask_json(f"{hubs.endpoints.modelscope}/api/v1/models/{place.place}/repo/files?{query}", "", hubs.policy)
        data = reply.get("Data") if isinstance(reply, dict) else None
        files = data.get("Files") if isinstance(data, dict) else None
        digests = {_text(file, "Path"): _text(file, "Sha256") for file in _tables(files)}
    digest = digests.get(path, "").removeprefix("sha256:")
    return digest.lower() if _SHA256.fullmatch(digest) else ""


def _civitai(source: str, kind: str, token: Credential, hubs: Hubs) -> Found:
    asked = CIVITAI.fullmatch(source)
    if asked is None or not (asked["model"] or asked["version"]):
        hint = "civitai:101055, or civitai:101055@128078 for one version: the numbers in its page's address"
        raise DownloadError(f"from: {source[:80]!r} names no model of CivitAI", hint)
    base = hubs.endpoints.civitai
    version = asked["version"] or _newest_version(base, asked["model"], token, hubs.policy)
    facts = _civitai_json(f"{base}/api/v1/model-versions/{version}", token, hubs.policy)
    if asked["model"] and str(facts.get("modelId", asked["model"])) != asked["model"]:
        raise DownloadError(f"from: version {version} belongs to CivitAI's model {facts['modelId']}, not {source[8:]}")
    if kind == "preview":
        return _civitai_preview(facts, version)
    file = _civitai_file(facts, version)
    url = _text(file, "downloadUrl")
    digest = _text(file.get("hashes"), "SHA256")
    early = _text(facts, "earlyAccessEndsAt")
    note = f"in early access until {early[:10]}: without having bought it, it is refused" if early else ""
    return Found(
        (Address(url, "CivitAI"),),
        _text(file, "name").rpartition(".")[0],
        "CivitAI",
        digest.lower() if _SHA256.fullmatch(digest) else "",
        token if _same_origin(url, base) else "",
        note,
    )


def _newest_version(base: str, model: str, token: Credential, policy: Policy) -> str:
    facts = _civitai_json(f"{base}/api/v1/models/{model}", token, policy)
    versions = [str(version.get("id", "")) for version in _tables(facts.get("modelVersions"))]
    if not versions or not versions[0].isdigit():
        raise DownloadError(f"from: CivitAI's model {model} has no version that can be had")
    return versions[0]


def _civitai_file(facts: Mapping[str, Any], version: str) -> dict[str, Any]:
    files = [file for file in _tables(facts.get("files")) if _text(file, "name").lower().endswith(SUFFIX)]
    files = [file for file in files if _text(file, "downloadUrl")]
    if not files:
        there = ", ".join(_text(file, "name") for file in _tables(facts.get("files"))) or "none"
        raise DownloadError(f"from: version {version} at CivitAI has no {SUFFIX} file; it has: {there[:300]}")
    files.sort(key=lambda file: (file.get("primary") is not True, file.get("type") not in ("Model", "Pruned Model")))
    return files[0]


def _civitai_preview(facts: Mapping[str, Any], version: str) -> Found:
    pictures = [one for one in _tables(facts.get("images")) if one.get("type", "image") == "image"]
    urls = [url for one in pictures if (url := _text(one, "url"))]
    if not urls:
        raise DownloadError(f"from: version {version} at CivitAI has no picture")
    return Found((Address(urls[0], "CivitAI"),), "", "CivitAI")


def _civitai_json(url: str, token: Credential, policy: Policy) -> dict[str, Any]:
    reply = ask_json(url, token, policy)
    if not isinstance(reply, dict):
        raise DownloadError("from: CivitAI's answer is not a table")
    return reply


def ask_json(url: str, token: Credential, policy: Policy) -> Any:
    """Return the JSON at an address.

    Raises:
        DownloadError: nothing answers, or something else.
    """
    host = urlsplit(url).hostname
    try:
        with get(url, {"Accept": "application/json"}, token, policy) as reply:
            if reply.status != 200:
                raise DownloadError(f"{host} answers with status {reply.status}", _WHAT_TO_DO.get(reply.status, ""))
            return json.loads(reply.body.read(_LARGEST_REPLY))
    except Refused as error:
        raise DownloadError(error.message, error.hint) from None
    except ValueError:
        raise DownloadError(f"{host} answers with something that is not JSON") from None
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{host} does not answer: {error}", "Try again later", passing=True) from None


_LOGIN = "It asks for a login: make a token on its site, and say --token-env NAME"
_WHAT_TO_DO = {401: _LOGIN, 403: _LOGIN, 404: "There is no such model; look at the numbers or the path"}


def _same_origin(url: str, base: str) -> bool:
    """Say whether a token for a hub may go to an address that the hub named."""
    one, other = urlsplit(url), urlsplit(base)
    return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())


def _tables(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _text(table: Any, name: str) -> str:
    value = table.get(name) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""
