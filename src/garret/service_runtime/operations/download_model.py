"""Download-model: models and their previews from addresses and hubs into the folders of their types, one or many."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from garret.service_runtime.downloads import download
from garret.service_runtime.fetching import Credential, Policy
from garret.service_runtime.forms import form_of
from garret.service_runtime.hub_lookup import Found, Hubs, look_up
from garret.service_runtime.metadata import Metadata, MetadataError
from garret.service_runtime.model_files import INCOMING
from garret.service_runtime.model_sources import Address, Endpoints
from garret.service_runtime.operations.entry import Entry, folder_of, model_of_preview, parse_entry
from garret.service_runtime.operations.known_files import already_there, remember_hash, store_once, under_name
from garret.service_runtime.operations.placing import approval, check_staged, facts, place_preview, preview_facts
from garret.service_runtime.operations.run import PartlyFailed, Run, WrongParameter
from garret.service_runtime.oss import is_public_or_inside, signed_headers
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import DownloadError, Fetched, Wanted

MOST_ENTRIES = 500
_ACCESS = "It may need a login: make a token at the source, and say --token-env NAME"
_ACCESS_OSS = (
    "The node's role reads what the deployment was made with (deploy --model oss://… or --model-source oss://…) and "
    "public buckets; for any other object, give a signed address with --url"
)
_OWN = ("models", "tokens", "endpoints")


@dataclass(frozen=True)
class Asked:
    """All that was asked for: the models, the tokens by their names, and hubs in other places than the public ones."""

    entries: tuple[Entry, ...]
    tokens: Mapping[str, str]
    endpoints: Endpoints


def download_model(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch models; one that cannot be had does not keep the others away."""
    with run.task("check"):
        asked = parse_download(parameters, os.environ)
    if "models" not in parameters:
        return _bring(run, asked, asked.entries[0])
    brought: list[dict[str, Any]] = []
    failed: list[tuple[str, str, str]] = []
    # Previews last: each needs its model.
    for entry in sorted(asked.entries, key=lambda entry: entry.kind == "preview"):
        run.stop_here()
        try:
            brought.append(_bring(run, asked, entry, f" {entry.said}"))
        except (DownloadError, WrongParameter) as error:
            failed.append((entry.said, error.message, error.hint))
            brought.append({"name": entry.said, "type": entry.type, "kind": entry.kind, "error": error.message})
    output = {"models": brought}
    if failed:
        said = "; ".join(f"{name}: {message}" for name, message, _ in failed)
        message = f"{len(failed)} of {len(asked.entries)} did not come: {said}"
        raise PartlyFailed(message[:4000], failed[0][2] or "The same command fetches only what is missing", output)
    return output


def parse_download(parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Asked:
    """Read the request: one model's parameters, or a list of them as `models`.

    Raises:
        WrongParameter: names the one that is wrong.
    """
    tokens, doors = parameters.get("tokens") or {}, parameters.get("endpoints") or {}
    known = {one.name for one in fields(Endpoints)}
    for name, table in (("tokens", tokens), ("endpoints", doors)):
        if not isinstance(table, dict) or not all(isinstance(text, str) for text in (*table, *table.values())):
            raise WrongParameter(name, "must be a table of texts")
    if set(doors) - known:
        raise WrongParameter("endpoints", f"knows no {sorted(set(doors) - known)[0][:40]!r}")
    endpoints = replace(
        Endpoints.from_environment(environment), **{name: url.rstrip("/") for name, url in doors.items()}
    )
    entries = _entries(parameters)
    for entry in entries:
        if entry.token_env and entry.token_env not in tokens:
            raise WrongParameter("token_env", f"the token {entry.token_env[:80]!r} did not come with the request")
    return Asked(entries, tokens, endpoints)


def _entries(parameters: Mapping[str, Any]) -> tuple[Entry, ...]:
    if "models" not in parameters:
        return (parse_entry({name: value for name, value in parameters.items() if name not in _OWN}),)
    listed = parameters["models"]
    unknown = set(parameters) - set(_OWN)
    if unknown:
        raise WrongParameter(sorted(unknown)[0][:80], "belongs to one model, and a list of them was given")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_ENTRIES:
        raise WrongParameter("models", f"must be a list of 1 to {MOST_ENTRIES} models")
    if not all(isinstance(values, dict) for values in listed):
        raise WrongParameter("models", "must hold a table for each model")
    return tuple(parse_entry(values, f"models[{number}].") for number, values in enumerate(listed, 1))


def _bring(run: Run, asked: Asked, entry: Entry, of: str = "") -> dict[str, Any]:
    """Have one model or preview in its place; returns its facts."""
    settings = run.settings
    run.save(subject=entry.subject)
    with run.task(f"look up{of}"):
        folder = folder_of(settings, entry.type, entry.directory)
        found = _found(run, asked, entry)
        if found.note:
            run.note(found.note)
        if entry.sha256 and found.sha256 and entry.sha256 != found.sha256:
            reason = f"{found.said} says its SHA-256 is {found.sha256}, and {entry.sha256} was wanted"
            raise DownloadError(reason, "Check --sha256 and the version")
        name = entry.name or found.name
        wanted = Wanted(
            found.addresses[0].url, folder, name, entry.sha256 or found.sha256,
            approve=approval(entry.type, force=entry.force),
            form=form_of(entry.type),
        )  # fmt: skip
        if entry.kind == "preview":
            model_of_preview(settings, folder, entry.name)
            there = None
        else:
            there = _there(settings, entry, wanted)
    source = without_query(found.addresses[0].url)
    if entry.kind == "preview":
        return {**_preview(run, entry, wanted, found, of), "source": source}
    if there is not None:
        run.save(progress={"done": there.size, "total": there.size})
        return {**facts(settings, there, entry.type), "bytes_fetched": 0, "source": source, "already_there": True}
    with run.task(f"download{of}"):
        fetched = _fetch(run, wanted, found)
        # A small file, and one whose bytes were here under another name, are there before anybody was told how far.
        run.save(progress={"done": fetched.size, "total": fetched.size})
    with run.task(f"register{of}"):
        if fetched.bytes_fetched:
            store_once(settings, fetched)
        remember_hash(settings, fetched)
    counted = {"bytes_fetched": fetched.bytes_fetched, "source": source, "already_there": fetched.bytes_fetched == 0}
    return {**facts(settings, fetched, entry.type), **counted}


def _found(run: Run, asked: Asked, entry: Entry) -> Found:
    token = asked.tokens.get(entry.token_env, "")
    if entry.url:
        return Found((Address(entry.url, urlsplit(entry.url).hostname or ""),), "", "the address", token=token)
    metadata = Metadata(run.settings.metadata_url)
    region = _once(lambda: metadata.text("meta-data/region-id"))
    return look_up(entry.source, entry.kind, token, Hubs(asked.endpoints, _policy(run, ""), region))


def _once(ask: Callable[[], str]) -> Callable[[], str]:
    def region() -> str:
        try:
            return ask()
        except MetadataError as error:
            raise DownloadError(f"the node does not know its region: {error}", "Say the bucket's whole name") from None

    return region


def _there(settings: ServiceSettings, entry: Entry, wanted: Wanted) -> Fetched | None:
    """The file when this node has it already, under the wanted name then, and known to the service."""
    found = already_there(settings, wanted)
    if found is None:
        return None
    check_staged(found.path, entry.type, force=entry.force)
    named = under_name(found, wanted)
    remember_hash(settings, named)
    return named


def _fetch(run: Run, wanted: Wanted, found: Found) -> Fetched:
    """From the first address that gives it."""
    last: DownloadError | None = None
    for address in found.addresses:
        policy = _policy(run, wanted.sha256)
        if address.object is not None:
            policy = replace(policy, public=is_public_or_inside)
        around = replace(run.around, policy=policy, progress=run.progress)
        token = _role_keys(run.settings, address) if address.object is not None else found.token
        try:
            return download(replace(wanted, url=address.url, token=token), around)
        except DownloadError as error:
            last = error
    if last is not None and "refuses access" in last.message:
        message = f"{last.message}; {found.note}" if found.note else last.message
        hint = last.hint if found.token else _ACCESS
        raise DownloadError(message, _ACCESS_OSS if found.addresses[0].object else hint)
    raise last or DownloadError(f"{found.said} names no address for it")


def _role_keys(settings: ServiceSettings, address: Address) -> Credential:
    """Proof for a private bucket, where this node has a role; a public one asks for none."""
    metadata, one = Metadata(settings.metadata_url), address.object
    with suppress(MetadataError):
        metadata.role_keys()
        return lambda: signed_headers(metadata.role_keys(), one) if one else {}
    return ""


def _policy(run: Run, sha256: str) -> Policy:
    """What may be reached: with a known hash, plain HTTP as well, for nobody on the way can change the bytes."""
    private = run.settings.allow_private_download
    return replace(run.around.policy, allow_private=private, allow_plain_http=private or bool(sha256))


def _preview(run: Run, entry: Entry, wanted: Wanted, found: Found, of: str) -> dict[str, Any]:
    """Fetch a picture beside the models, and give it its model's name once it is known what it is."""
    settings, incoming = run.settings, run.settings.models_dir / INCOMING
    name = f"{entry.type}-{hashlib.sha256(f'{wanted.folder}/{entry.name}'.encode()).hexdigest()[:16]}"
    _forget(incoming, name)
    try:
        with run.task(f"download{of}"):
            fetched = _fetch(run, replace(wanted, folder=incoming, name=name, form="preview"), found)
        with run.task(f"register{of}"):
            placed = place_preview(settings, fetched.path, wanted.folder, entry.name, force=entry.force)
    finally:
        _forget(incoming, name)
    told = preview_facts(placed, entry.type, fetched.sha256)
    return told | {"bytes_fetched": fetched.bytes_fetched, "already_there": False}


def _forget(folder: Path, name: str) -> None:
    for path in (*folder.glob(f"{name}.*"), *folder.glob(f".{name}.*.source.json")):
        path.unlink(missing_ok=True)


def without_query(url: str) -> str:
    """Return an address without what may hold a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
