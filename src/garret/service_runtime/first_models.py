"""The first models of a deployment, fetched on the node: `python -m garret.service_runtime.first_models`.

One JSON object on standard input says what is wanted; each line of JSON on standard output tells how far it is, and the
last one how it ended. Killed and started again, it goes on where it was.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from garret.service_runtime.downloads import download
from garret.service_runtime.fetching import Credential
from garret.service_runtime.known_models import ModelFile, gigabytes
from garret.service_runtime.metadata import DEFAULT_URL, Metadata, MetadataError
from garret.service_runtime.model_files import FOLDERS
from garret.service_runtime.model_sources import (
    Address,
    Endpoints,
    Object,
    addresses,
    parse_model,
    parse_source,
    wanted_files,
)
from garret.service_runtime.models import HashCache, sha256_of
from garret.service_runtime.node import become_owner
from garret.service_runtime.operations.known_files import already_there, remember_hash, under_name
from garret.service_runtime.oss import is_public_or_inside, signed_headers
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import (
    RESERVE_BYTES,
    DownloadError,
    Fetched,
    Surroundings,
    Wanted,
    bytes_begun,
    note_path,
)

ROUNDS = 2
_TELL_EVERY_S = 0.5
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)

Tell = Callable[[dict[str, Any]], None]


class FirstModelsError(Exception):
    """A model that cannot be had; the text names the file, each source and its reason, and what to do."""


@dataclass(frozen=True)
class Order:
    """What is wanted, and where it goes; `sources` in the order in which they are tried."""

    model: str
    region: str
    models_dir: str
    state_dir: str
    config_dir: str
    sha256: str = ""
    sources: list[str] = field(default_factory=list)
    refiner: bool = True
    allow_private: bool = False

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read an order; unknown names are refused."""
        values = json.loads(text)
        unknown = set(values) - {one.name for one in fields(cls)}
        if unknown:
            raise FirstModelsError(f"an order of models knows no {sorted(unknown)[0]}")
        return cls(**values)

    @property
    def settings(self) -> ServiceSettings:
        """What of the service's settings the registry of models needs."""
        return ServiceSettings(
            models_dir=Path(self.models_dir), state_dir=Path(self.state_dir), config_dir=Path(self.config_dir)
        )


@dataclass
class FirstModels:
    """One run: what is there already stays, what is missing comes from the first source that gives it whole."""

    order: Order
    tell: Tell
    endpoints: Endpoints = field(default_factory=Endpoints)
    metadata: Metadata = field(default_factory=Metadata)
    around: Surroundings = field(default_factory=Surroundings)
    files: Callable[[str, str, bool], tuple[ModelFile, ...]] = wanted_files
    _told: float = 0.0
    _after: int = 0

    def run(self) -> list[dict[str, Any]]:
        """Have all files; returns name, type, SHA-256, size, where each came from, and the bytes fetched now.

        Raises:
            FirstModelsError: one of them cannot be had.
        """
        files = self.files(self.order.model, self.order.sha256, self.order.refiner)
        there = {file.name: self._there(file) for file in files}
        missing = [file for file in files if there[file.name] is None]
        self._check_room(missing)
        found = []
        for file in files:
            missing = [one for one in missing if one is not file]
            self._after = sum(one.size - self._begun(one) for one in missing)
            found.append(self._facts(file, there[file.name]))
        return found

    def _facts(self, file: ModelFile, found: Fetched | None) -> dict[str, Any]:
        said = "already there"
        if found is None:
            found, said = self._fetch(file)
        remember_hash(self.order.settings, found)
        return {
            "name": found.path.stem,
            "type": file.type,
            "sha256": found.sha256,
            "size": found.size,
            "from": said,
            "bytes": found.bytes_fetched,
        }

    def _there(self, file: ModelFile) -> Fetched | None:
        """The file when it is on the disk already, told by its hash, else by the note of where it came from."""
        path = self._wanted(file, "").folder / file.name
        if not path.is_file():
            found = already_there(self.order.settings, self._wanted(file, ""))
            return under_name(found, self._wanted(file, "")) if found else None
        digest = self._hash(path)
        if file.sha256:
            if digest != file.sha256:
                raise FirstModelsError(
                    f"another file is called {path.name} already, with the SHA-256 {digest}. "
                    f"Move it away or delete it: {path}"
                )
        elif not self._came_from_here(path, file):
            raise FirstModelsError(f"another file is called {path.name} already. Move it away or delete it: {path}")
        return Fetched(path, digest, path.stat().st_size, 0)

    def _hash(self, path: Path) -> str:
        status = path.stat()
        with contextlib.closing(HashCache(self.order.settings.state_dir / "models.sqlite")) as hashes:
            known = hashes.get(path, status.st_size, status.st_mtime_ns)
        if known:
            return known
        self.tell({"note": f"{path.name} is there; checking its SHA-256"})
        return sha256_of(path)

    def _came_from_here(self, path: Path, file: ModelFile) -> bool:
        try:
            note = json.loads(note_path(path).read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(note, dict) and note.get("url") in [one.url for one in self._addresses(file)]

    def _check_room(self, missing: list[ModelFile]) -> None:
        needed = sum(file.size - self._begun(file) for file in missing)
        folder = self.order.settings.models_dir
        free = self.around.free_bytes(folder) if folder.exists() else needed + RESERVE_BYTES
        if needed and free < needed + RESERVE_BYTES:
            raise FirstModelsError(
                f"{', '.join(file.name for file in missing)} need {gigabytes(needed)} and "
                f"{gigabytes(RESERVE_BYTES)} to spare, and the disk has {gigabytes(free)} free. "
                "Deploy with a larger --disk-size, or with --no-refiner"
            )

    def _begun(self, file: ModelFile) -> int:
        return min(bytes_begun(self._wanted(file, "").folder / file.name), file.size)

    def _fetch(self, file: ModelFile) -> tuple[Fetched, str]:
        """Try source after source, and once more those that only broke off."""
        tried = list(self._addresses(file))
        reasons: dict[str, str] = {}
        refused = False
        for _ in range(ROUNDS):
            again = []
            for address in tried:
                try:
                    return self._download(file, address), address.said
                except DownloadError as error:
                    refused = refused or "refuses access" in error.message
                    reasons[address.said] = error.message
                    self.tell({"note": f"{file.name} not from {address.said}: {error.message}"})
                    again += [address] if error.passing else []
            tried = again
        told = "; ".join(f"{said}: {reason}" for said, reason in reasons.items()) or "no source was named"
        raise FirstModelsError(f"{file.name} could not be fetched. {told}" + (_WHEN_REFUSED if refused else ""))

    def _download(self, file: ModelFile, address: Address) -> Fetched:
        wanted = replace(self._wanted(file, address.url), token=self._credential(address.object))
        policy = replace(
            self.around.policy,
            allow_private=self.order.allow_private,
            allow_plain_http=self.order.allow_private,
            public=is_public_or_inside if address.object else self.around.policy.public,
        )

        def progress(done: int, total: int | None) -> None:
            if time.monotonic() - self._told >= _TELL_EVERY_S or done == total:
                self._told = time.monotonic()
                self.tell(self._progress(file, address, done, total or file.size))

        self.tell(self._progress(file, address, self._begun(file), file.size))
        return download(wanted, replace(self.around, policy=policy, progress=progress))

    def _progress(self, file: ModelFile, address: Address, done: int, total: int) -> dict[str, Any]:
        """How much of a file is there, from where, and how many bytes come after it."""
        return {"file": file.name, "done": done, "total": total, "from": address.said, "after": self._after}

    def _credential(self, one: Object | None) -> Credential:
        """Proof for a private bucket, where this node has a role; a public one asks for none."""
        if one is None:
            return ""
        try:
            self.metadata.role_keys()
        except MetadataError:
            return ""
        return lambda: signed_headers(self.metadata.role_keys(), one)

    def _addresses(self, file: ModelFile) -> Iterator[Address]:
        own = parse_model(self.order.model)
        for source in [own.source] if own else map(parse_source, self.order.sources):
            yield from addresses(file, source, self.order.region, self.endpoints)

    def _wanted(self, file: ModelFile, url: str) -> Wanted:
        return Wanted(url, self.order.settings.models_dir / FOLDERS[file.type], file.name, file.sha256)


_WHEN_REFUSED = (
    ". A file behind a login is not fetched here: no key of yours goes to a node through the cloud. Put the file into "
    "a bucket (--model oss://…, read by the node's own role), or deploy with --model sdxl and bring it by SSH: "
    "garret ops download-model --token-env NAME --ssh …"
)


def main() -> int:
    """Read the order, fetch, and tell; 0 when all is there."""

    def tell(event: dict[str, Any]) -> None:
        print(json.dumps(event), flush=True)  # noqa: T201 - the runner reads this

    try:
        order = Order.from_json(sys.stdin.read())
        become_owner(Path(order.models_dir))
        _end_with_parent()
        metadata = Metadata(os.environ.get("GARRET_METADATA_URL", DEFAULT_URL))
        models = FirstModels(order, tell, Endpoints.from_environment(os.environ), metadata).run()
    except FirstModelsError as error:
        tell({"error": str(error)})
        return 1
    except DownloadError as error:
        tell({"error": f"{error.message}. {error.hint}".rstrip(". ")})
        return 1
    tell({"models": models})
    return 0


def _end_with_parent() -> None:
    """Have the kernel end this process with the one that started it: two at once would fight over one file."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
