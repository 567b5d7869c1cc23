"""The models on this node, by type and name; a file put into its folder is seen without a restart."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from garret.service_runtime.errors import ModelError, NotFound, UnknownChoice
from garret.service_runtime.families import Defaults, defaults_of, find_configuration, native_size
from garret.service_runtime.model_files import (
    EMBEDDING,
    FOLDERS,
    PICKLED,
    SUFFIX,
    UPSCALER,
    ModelFile,
    embedding_files,
    model_files,
    version_of,
)
from garret.service_runtime.safetensors_header import NotSafetensors, read_header
from garret.service_runtime.tensor_families import REFINER, SDXL, UNKNOWN, family_of, why_useless
from garret.service_runtime.torch_pickle import read_either_header
from garret.service_runtime.upscaler_file import network_of
from garret.service_runtime.widths import Widths, widths_of, widths_of_folder

TITLES = {"checkpoint": "checkpoint", "lora": "LoRA", "vae": "VAE", "upscaler": "upscaler"}


@dataclass(frozen=True)
class Model:
    """One model: a safetensors file, a folder as diffusers writes it or an upscaler's pickle; sizes in bytes.

    `scale` is how many times larger an upscaler makes a picture, 1 for other models.
    """

    name: str
    type: str
    path: Path
    size: int
    modified_ns: int
    family: str
    problem: str = ""
    sha256: str = ""
    native_size: int = 1024
    preview: Path | None = None
    widths: Widths = field(default_factory=Widths)
    scale: int = 1

    @property
    def why_useless(self) -> str:
        """Return why this service cannot use it, or ""."""
        return self.problem or why_useless(self.type, self.family)[0]

    @property
    def title(self) -> str:
        """Return the name that clients of A1111 show and send back: "demo.safetensors [0123456789]"."""
        return f"{self.path.name} [{self.sha256[:10]}]" if self.sha256 else self.path.name

    @property
    def defaults(self) -> Defaults:
        """Return what an empty field means for this model."""
        return defaults_of(self.native_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        preview = str(self.preview) if self.preview else None
        values = {**vars(self), "path": str(self.path), "preview": preview, "title": self.title}
        return {**values, "widths": asdict(self.widths)}


class HashCache:
    """SHA-256 of files, kept by path, size and time in SQLite, which the service and the node's command line share."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, size INTEGER, modified_ns INTEGER, sha256 TEXT)"
        )

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def get(self, path: Path, size: int, modified_ns: int) -> str:
        """Return the hash kept for this very file, or ""."""
        statement = "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND modified_ns = ?"
        with self._lock:
            row = self._database.execute(statement, (str(path), size, modified_ns)).fetchone()
        return str(row[0]) if row else ""

    def put(self, path: Path, size: int, modified_ns: int, sha256: str) -> None:
        """Keep a file's hash."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", (str(path), size, modified_ns, sha256)
            )


class Models:
    """The registry. Reads headers, never weights, and each file's only once."""

    def __init__(
        self, root: Path, config_dir: Path, hashes: HashCache, default: str = "", embeddings: Path | None = None
    ) -> None:
        self._root = root
        self._embeddings = embeddings
        self._config_dir = config_dir
        self._hashes = hashes
        self._default = default
        self._known: dict[Path, Model] = {}
        self._lock = threading.Lock()

    def folder(self, model_type: str) -> Path:
        """Return the folder of a type that has one."""
        return self._root / FOLDERS[model_type]

    def all(self, *types: str | None) -> list[Model]:
        """Return the models there are now, of these types or of all, by type and name."""
        return self._models(self._files([one for one in types if one is not None]))

    def find_checkpoint(self, text: str = "") -> Model:
        """Return the checkpoint that a title, file name, name or hash means; the default one for an empty text."""
        models = self.all("checkpoint")
        # The one that was chosen may have been removed since, and nobody asked for it by its name.
        found = _named(text or self._default, models)
        if found is not None:
            return found
        if text:
            known = ", ".join(model.name for model in models) or "none"
            raise NotFound(f"no checkpoint is called {text[:120]!r}", f"There are: {known[:1000]}")
        usable = [model for model in models if not model.problem and model.family == SDXL]
        if usable or models:
            return (usable or models)[0]
        raise NotFound(
            f"there is no checkpoint in {self.folder('checkpoint')}", "Put one there: garret ops download-model"
        )

    def usable_checkpoint(self, text: str = "") -> Model:
        """Return a checkpoint like `find_checkpoint`, refusing one that is known to make no pictures here."""
        model = self.find_checkpoint(text)
        if model.problem:
            raise ModelError(f"{model.path.name} {model.problem}", "Choose another checkpoint")
        if model.family == REFINER:
            reason = f"{model.path.name} is SDXL's refiner: it goes on with what a base model began"
            raise ModelError(reason, "Choose a base model, and name this one as its refiner")
        if model.family != SDXL:
            reason = model.why_useless or f"it is of the family {model.family!r}, and this service needs SDXL"
            raise ModelError(f"{model.path.name}: {reason}", "Choose another checkpoint")
        return model

    def find(self, model_type: str, text: str, field_name: str) -> Model:
        """Return the model of a type that a title, file name, name or hash means, in whatever case.

        Raises:
            UnknownChoice: names the field, and the models that there are.
        """
        # Nearly always it is a file's name: the other files, hundreds of LoRAs, need not be looked at.
        alike = (text.lower(), f"{text}{SUFFIX}".lower(), f"{text}{PICKLED}".lower())
        models = self._models(file for file in self._files([model_type]) if file.path.name.lower() in alike)
        found = _named(text, models)
        if found is None:
            models = self.all(model_type)
            found = _named(text, models)
        if found is None:
            named = [one for one in models if text.lower() in (one.name.lower(), one.path.name.lower())]
            found = named[0] if len(named) == 1 else None
        if found is None:
            known = ", ".join(model.name for model in models) or "none"
            reason = f"no {TITLES[model_type]} is called {text[:120]!r}"
            raise UnknownChoice(field_name, reason, f"There are: {known[:1000]}")
        return found

    def usable(self, model_type: str, text: str, field_name: str) -> Model:
        """Return a model like `find`, refusing one that is known to be of no use to SDXL."""
        model = self.find(model_type, text, field_name)
        if model.why_useless:
            raise ModelError(f"{field_name}: {model.path.name}: {model.why_useless}", "Choose another one")
        return model

    def choose(self, model: Model) -> None:
        """Make a checkpoint the one that requests without a name get."""
        self._default = model.name

    def hash_all(self) -> None:
        """Compute the hashes that are not known yet; takes seconds per gigabyte."""
        for model in self.all():
            if not model.sha256 and model.path.is_file():
                digest = sha256_of(model.path)
                self._hashes.put(model.path, model.size, model.modified_ns, digest)

    def _models(self, files: Iterable[ModelFile]) -> list[Model]:
        with self._lock:
            found = [self._model(file) for file in files]
        return sorted((model for model in found if model), key=lambda model: (model.type, model.name))

    def _files(self, types: Collection[str]) -> Iterator[ModelFile]:
        yield from model_files(self._root, types)
        if self._embeddings is not None and (not types or EMBEDDING in types):
            yield from embedding_files(self._embeddings)

    def _model(self, file: ModelFile) -> Model | None:
        kind, path = file.type, file.path
        try:
            version = version_of(path)
        except OSError:
            return None
        known = self._known.get(path)
        if known is None or (known.size, known.modified_ns) != version:
            known = self._read(kind, path, *version)
        if not known.sha256 and path.is_file():
            known = replace(known, sha256=self._hashes.get(path, known.size, known.modified_ns))
        known = replace(known, preview=file.preview) if known.preview != file.preview else known
        self._known[path] = known
        return known

    def _read(self, kind: str, path: Path, size: int, modified_ns: int) -> Model:
        name = path.stem if path.is_file() else path.name
        if path.is_dir():
            return Model(name, kind, path, size, modified_ns, *_folder_facts(path), widths=widths_of_folder(path))
        try:
            header = read_either_header(path) if kind == UPSCALER else read_header(path)
        except (NotSafetensors, OSError) as error:
            return Model(name, kind, path, size, modified_ns, UNKNOWN, str(error))
        family = family_of(header)
        side = native_size(find_configuration(header, self._config_dir)) if family in (SDXL, REFINER) else 1024
        network = network_of({name: tensor.shape for name, tensor in header.tensors.items()})
        scale = network.scale if network else 1
        return Model(
            name, kind, path, size, modified_ns, family, native_size=side, widths=widths_of(header), scale=scale
        )


def _named(text: str, models: list[Model]) -> Model | None:
    for model in models if text else ():
        if text in (model.name, model.path.name, model.title, f"{model.name} [{model.sha256[:10]}]"):
            return model
        if len(text) >= 10 and model.sha256.startswith(text.lower()):
            return model
    return None


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_OTHER_PIPELINES = {"StableDiffusion": "sd1", "StableDiffusion3": "sd3", "Flux": "flux"}


def _folder_facts(path: Path) -> tuple[str, str, str, int]:
    """Return family, problem, hash and native size of a diffusers folder."""
    try:
        index = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        kind = str(index["_class_name"])
        # The refiner has the second text encoder alone; its index says null for the first.
        has_first = index.get("text_encoder", [""])[0] is not None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return UNKNOWN, f"model_index.json: {error}", "", 1024
    if kind.startswith("StableDiffusionXL"):
        return SDXL if has_first else REFINER, "", "", native_size(path)
    return _OTHER_PIPELINES.get(kind.removesuffix("Pipeline"), UNKNOWN), "", "", native_size(path)
