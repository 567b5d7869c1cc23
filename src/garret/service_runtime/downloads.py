"""Models from addresses into a folder: named safely, never over another file, one download of a file at a time."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from garret.service_runtime.download_errors import DownloadError, Interrupted
from garret.service_runtime.fetching import Policy, Refused, Reply, get
from garret.service_runtime.forms import FORMS
from garret.service_runtime.model_files import PICKLED
from garret.service_runtime.models import sha256_of
from garret.service_runtime.names import PICTURE_SUFFIXES, SUFFIX, BadName, name_from_reply
from garret.service_runtime.part import PartFiles
from garret.service_runtime.replies import place_of, status_error, validator_of
from garret.service_runtime.transfer import Fetched, Surroundings, Transfer, Wanted, note_path

_ONE_BYTE = {"Range": "bytes=0-0"}


def download(wanted: Wanted, around: Surroundings) -> Fetched:
    """Fetch a file into its folder, or raise DownloadError; nothing half-done ever has the final name."""
    wanted.folder.mkdir(parents=True, exist_ok=True)
    try:
        if not wanted.name:
            wanted = replace(wanted, name=_suggested_name(wanted, around.policy))
        target = wanted.folder / FORMS[wanted.form].named(wanted.name)
        with _alone(target):
            return _existing(wanted, target, around.policy) or Transfer(wanted, target, around).run()
    except BadName as error:
        raise DownloadError(f"the file name {wanted.name[:80]!r} {error}", "Give one with --name") from None
    except Refused as error:
        raise DownloadError(error.message, error.hint) from None
    except Interrupted as error:
        raise DownloadError(str(error), "Try again later") from None


def _first_words(wanted: Wanted, policy: Policy) -> Reply:
    """Ask for as little as a server gives, for the sake of what it says beside it."""
    for headers in (_ONE_BYTE, {}):
        with get(wanted.url, headers, wanted.token, policy) as reply:
            if reply.status in (200, 206) or not headers:
                break
    return reply


def _suggested_name(wanted: Wanted, policy: Policy) -> str:
    try:
        reply = _first_words(wanted, policy)
    except (OSError, http.client.HTTPException) as error:
        hint = "It is this node that asks, not your machine, whose own files go up with --file"
        raise DownloadError(f"the server does not answer: {error}", f"Check the address. {hint}") from None
    if reply.status not in (200, 206):
        raise status_error(reply)
    return name_from_reply(reply.headers.get("content-disposition", ""), reply.url)


def _existing(wanted: Wanted, target: Path, policy: Policy) -> Fetched | None:
    """Return the file that is there already when it is the one that is wanted; refuse to write over another."""
    others: dict[str, tuple[str, ...]] = {"preview": PICTURE_SUFFIXES, "upscaler": ("", SUFFIX, PICKLED)}
    suffixes = others.get(wanted.form, ("",))
    for path in (target.with_name(target.name + suffix) for suffix in suffixes):
        if path.exists():
            found = _same(wanted, path, policy)
            PartFiles.of(target).discard()
            return found
    return None


def _same(wanted: Wanted, target: Path, policy: Policy) -> Fetched:
    size = target.stat().st_size
    if wanted.sha256:
        digest = sha256_of(target)
        if digest == wanted.sha256.lower():
            return Fetched(target, digest, size, 0)
    elif digest := _same_as_served(wanted, target, policy):
        return Fetched(target, digest, size, 0)
    raise DownloadError(
        f"another file is called {target.name} already", "Give another --name, or delete that file first"
    )


def _same_as_served(wanted: Wanted, target: Path, policy: Policy) -> str:
    """Return the hash of a file that came from this address and has not changed there since, else ""."""
    note = _read_note(note_path(target))
    if note.get("url") != wanted.url or note.get("total") != target.stat().st_size or not note.get("validator"):
        return ""
    try:
        reply = _first_words(wanted, policy)
    except (OSError, http.client.HTTPException):
        return ""
    place = place_of(reply)
    fits = reply.status == 200 or (place is not None and place.total == note["total"])
    same = reply.status in (200, 206) and fits and validator_of(reply.headers) == note["validator"]
    return str(note.get("sha256", "")) if same else ""


def _read_note(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    lock = target.with_name(f".{target.name}.lock")
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have deleted the file after we opened it; a lock on that one keeps nobody out.
            alone = lock.stat().st_ino == os.fstat(file.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            alone = False
        if not alone:
            raise DownloadError(f"{target.name} is being downloaded already", "`garret ops executions list` shows it")
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
