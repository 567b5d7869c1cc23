"""The verbs that a node carries out as executions; parameters arrive as data and are checked here."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from garret.service_runtime.downloads import download
from garret.service_runtime.executions import CANCELLED, FAILED, RUNNING, SUCCESS, Execution, ExecutionStore, now
from garret.service_runtime.families import family_of
from garret.service_runtime.models import FOLDERS, TYPES, HashCache, Models, sha256_of
from garret.service_runtime.names import BadName, check_name, model_file_name
from garret.service_runtime.safetensors_header import read_header
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import DownloadCancelled, DownloadError, Fetched, Surroundings, Wanted

_WRITE_EVERY_S = 0.5
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
OTHER_FOLDER = "other"


class WrongParameter(Exception):
    """A parameter of an operation is wrong."""

    def __init__(self, name: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{name}: {reason}")
        self.message = f"{name}: {reason}"
        self.hint = hint


@dataclass
class Run:
    """One running execution: writes its record as it goes."""

    store: ExecutionStore
    execution: Execution
    settings: ServiceSettings
    around: Surroundings
    last_write: float = 0.0

    def save(self, **changes: Any) -> None:
        """Change the record on the disk."""
        self.execution = self.store.save(replace(self.execution, **changes))
        self.last_write = time.monotonic()

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Note a part of the work, with the time it took."""
        done, began = self.execution.tasks, time.monotonic()
        self.save(tasks=(*done, {"name": name, "status": RUNNING, "seconds": 0.0}))
        status = FAILED
        try:
            yield
            status = SUCCESS
        except DownloadCancelled:
            status = CANCELLED
            raise
        finally:
            self.save(tasks=(*done, {"name": name, "status": status, "seconds": round(time.monotonic() - began, 3)}))

    def progress(self, done: int, total: int | None) -> None:
        """Note how many bytes came, not more often than anybody looks; stop here when asked to."""
        over = time.monotonic() - self.last_write
        if over < _WRITE_EVERY_S and done != total:
            return
        if self.store.asked_to_cancel(self.execution.id):
            raise DownloadCancelled
        self.save(progress={"done": done, "total": total})


def run_operation(run: Run, parameters: Mapping[str, Any]) -> Execution:
    """Carry out an execution's verb; whatever happens, the record says how it ended."""
    run.save(status=RUNNING, started_at=now())
    try:
        output = VERBS[run.execution.verb](run, parameters)
    except DownloadCancelled:
        run.save(status=CANCELLED, ended_at=now())
    except (DownloadError, WrongParameter) as error:
        run.save(status=FAILED, ended_at=now(), error={"message": error.message, "hint": error.hint})
    except Exception as error:
        # Whatever it was, the record must not say Running for ever.
        message = f"{type(error).__name__}: {error}"[:500]
        run.save(status=FAILED, ended_at=now(), error={"message": message, "hint": "See the execution's log"})
        raise
    else:
        run.save(status=SUCCESS, ended_at=now(), output=output)
    return run.execution


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


def already_there(settings: ServiceSettings, kind: str, wanted: Wanted) -> Fetched | None:
    """Return the file of this type that has the wanted hash, under whatever name."""
    if not wanted.sha256:
        return None
    hashes = HashCache(settings.state_dir / "models.sqlite")
    try:
        for model in Models(settings.models_dir, settings.config_dir, hashes).all(kind):
            if model.sha256 == wanted.sha256.lower() and model.path.parent == wanted.folder:
                return Fetched(model.path, model.sha256, model.size, 0)
    finally:
        hashes.close()
    return None


def under_name(found: Fetched, wanted: Wanted) -> Fetched:
    """Give a file that is there under another name the wanted one as well: nothing is fetched, nothing stored twice."""
    if not wanted.name:
        return found
    try:
        target = wanted.folder / model_file_name(wanted.name)
    except BadName as error:
        raise DownloadError(f"the file name {wanted.name[:80]!r} {error}", "Give another with --name") from None
    if target == found.path or (target.exists() and sha256_of(target) == found.sha256):
        return replace(found, path=target)
    try:
        target.hardlink_to(found.path)
    except FileExistsError:
        hint = "Give another --name, or delete that file first"
        raise DownloadError(f"another file is called {target.name} already", hint) from None
    return replace(found, path=target)


def remember_hash(settings: ServiceSettings, fetched: Fetched) -> None:
    # The cache spares the service a second look at gigabytes; without it, the service hashes the file itself.
    with suppress(sqlite3.Error, OSError):
        hashes = HashCache(settings.state_dir / "models.sqlite")
        status = fetched.path.stat()
        hashes.put(fetched.path, status.st_size, status.st_mtime_ns, fetched.sha256)
        hashes.close()


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


VERBS: dict[str, Callable[[Run, Mapping[str, Any]], dict[str, Any]]] = {"download-model": download_model}
