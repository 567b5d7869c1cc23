"""A .pth file as PyTorch writes it: names and shapes of its tensors and their bytes, by an unpickler that runs nothing.

A pickle is a program, and what it may call is what it can do. This one may call two things, which build nothing but
the records below; anything else that it names ends it. PyTorch's own reader of weights alone is not used: up to 2.9.1
a file could make that one write beyond its memory (CVE-2026-24747), and nodes have any version from 2.6 on.
The formats: a zip with NAME/data.pkl and NAME/data/KEY (since 1.6); before it five pickles one after the other, of
which the last lists the keys, then for each of them a count and the numbers.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from garret.service_runtime.safetensors_header import MAXIMUM_TENSORS, Header, NotSafetensors, Tensor, read_header

MAXIMUM_PICKLE_BYTES = 1 << 20
MAGIC = 0x1950A86A20F9469CFC6C
CONTAINERS = ("params_ema", "params", "state_dict", "model")
"""Where trainers put the weights, beside what else they keep; the first that is there counts."""
_TYPES = {"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64"}
_TYPES |= {"LongStorage": "I64", "IntStorage": "I32"}


_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class Storage:
    """Numbers that tensors are made of: under which name in the file, of which type, and how many."""

    key: str
    dtype: str
    count: int

    @property
    def size(self) -> int:
        """Return how many bytes they are."""
        return self.count * _BYTES[self.dtype]


@dataclass(frozen=True)
class Stored(Tensor):
    """A tensor of a .pth file: which of its storage's numbers is its first, and how far apart they are each way."""

    storage: Storage
    first: int
    strides: tuple[int, ...]


_STARTS = (b"PK\x03\x04", b"\x80\x02")


def is_pickled(start: bytes) -> bool:
    """Say whether a file that begins so may be one of PyTorch's; a safetensors header of 640 bytes begins alike."""
    return start.startswith(_STARTS) and start[8:9] != b"{"


def read_either_header(path: Path) -> Header:
    """Read the header of a safetensors file or of a .pth file, told by its bytes.

    Raises:
        NotSafetensors: it is neither; the text says why.
    """
    with path.open("rb") as file:
        pickled = is_pickled(file.read(9))
    return read_pickled_header(path) if pickled else read_header(path)


def read_pickled_header(path: Path) -> Header:
    """Read the header of a .pth file that holds weights.

    Raises:
        NotSafetensors: it is none; the text says why.
        OSError: it cannot be read.
    """
    with path.open("rb") as file, _refused():
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                tensors = _tensors_in(_zipped(archive)[0])
        else:
            tensors = _tensors_in(_plain(file)[0])
    return Header(tensors, {}, 0, path.stat().st_size)


def read_pickled_weights(path: Path) -> tuple[Mapping[str, Stored], Mapping[str, bytes]]:
    """Read the tensors of a .pth file by their names, and the bytes of their storages by keys.

    Raises:
        NotSafetensors, OSError: as `read_pickled_header`; or it does not hold the numbers that it speaks of.
    """
    with path.open("rb") as file, _refused():
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                found, folder = _zipped(archive)
                tensors = _tensors_in(found)
                return tensors, _numbers_of_archive(archive, folder, {one.storage for one in tensors.values()})
        found, start, storages = _plain(file)
        tensors = _tensors_in(found)
        return tensors, _numbers_after(file, start, storages)


@contextmanager
def _refused() -> Iterator[None]:
    """Refuse a file that cannot be read as one that is none."""
    try:
        yield
    except NotSafetensors:
        raise
    except Exception as error:  # noqa: BLE001  (a pickle's complaint about bytes from outside may be any exception)
        raise NotSafetensors(f"is no file of PyTorch's that holds weights alone: {str(error)[:100]}") from None


def _tensors_in(found: Any) -> dict[str, Stored]:
    """Return the table of weights in what a file holds."""
    if not isinstance(found, dict):
        raise NotSafetensors("holds no table of weights")
    inner = next((found[name] for name in CONTAINERS if isinstance(found.get(name), dict)), found)
    tensors = {str(name).removeprefix("module."): value for name, value in inner.items() if isinstance(value, Stored)}
    if not tensors or len(tensors) > MAXIMUM_TENSORS:
        raise NotSafetensors(f"holds {len(tensors)} tensors by name")
    return tensors


def _zipped(archive: zipfile.ZipFile) -> tuple[Any, str]:
    """Return what an archive holds, and the folder in it that all is in."""
    names = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(names) != 1:
        raise NotSafetensors("is a zip archive without a data.pkl")
    if archive.getinfo(names[0]).file_size > MAXIMUM_PICKLE_BYTES:
        raise NotSafetensors(f"has a table of more than {MAXIMUM_PICKLE_BYTES} bytes")
    return _Reader(io.BytesIO(archive.read(names[0]))).load(), names[0].removesuffix("data.pkl")


def _plain(file: BinaryIO) -> tuple[Any, io.BytesIO, Mapping[str, Storage]]:
    """Return what a file of the older format holds, the rest of its start, and the storages that it names."""
    file.seek(0)
    start = io.BytesIO(file.read(MAXIMUM_PICKLE_BYTES))
    if _Reader(start).load() != MAGIC:
        raise NotSafetensors("is no file of PyTorch's")
    for _ in ("version", "machine"):
        _Reader(start).load()
    reader = _Reader(start)
    return reader.load(), start, reader.storages


def _numbers_of_archive(archive: zipfile.ZipFile, folder: str, storages: Iterable[Storage]) -> dict[str, bytes]:
    """Return the bytes of each storage; they lie in the archive as they are, unpacked."""
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise NotSafetensors("holds numbers whose first byte is the largest")
    found = {}
    for one in storages:
        entry = archive.getinfo(f"{folder}data/{one.key}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != one.size:
            raise NotSafetensors(f"has not the {one.size} bytes that its table speaks of")
        found[one.key] = archive.read(entry)
    return found


def _numbers_after(file: BinaryIO, start: io.BytesIO, storages: Mapping[str, Storage]) -> dict[str, bytes]:
    """Return the bytes of each storage, which follow one another behind the list of their keys."""
    keys, end = _Reader(start).load(), file.seek(0, io.SEEK_END)
    file.seek(start.tell())
    found = {}
    for key in keys:
        one = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != one.count or one.size > end - file.tell():
            raise NotSafetensors(f"has not the {one.size} bytes that its table speaks of")
        found[key] = file.read(one.size)
    if len(found) < len(storages):
        raise NotSafetensors("does not list all the numbers that its table speaks of")
    return found


class _Reader(pickle.Unpickler):
    """Knows tables, tensors and their storages, and nothing that could be called for another end."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for here."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if module in ("torch", "torch.storage") and name in _TYPES:
            return _TYPES[name]
        raise NotSafetensors(f"asks for {module}.{name}"[:120] + ", which weights alone do not need")

    def persistent_load(self, said: Any) -> Storage:
        """Return the record of a storage, whose numbers stay in the file."""
        kind, dtype, key, _, count, *view = said
        fits = kind == "storage" and dtype in _BYTES and isinstance(key, str) and not any(view)
        if not fits or not isinstance(count, int) or count < 0:
            raise NotSafetensors("names a storage that is none")
        storage = Storage(key, dtype, count)
        if self.storages.setdefault(key, storage) != storage:
            raise NotSafetensors("says two things of the same numbers")
        return storage


def _tensor(storage: Storage, first: int, size: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Stored:
    """Return the record of a tensor, all of whose numbers are in its storage, none more than once."""
    numbers = (first, *size, *strides)
    if not isinstance(storage, Storage) or len(size) > 16 or len(size) != len(strides):
        raise NotSafetensors("holds a tensor without sizes")
    if not all(isinstance(one, int) and 0 <= one <= storage.count for one in numbers):
        raise NotSafetensors("holds a tensor without numbers")
    count = math.prod(size)
    last = first + sum((side - 1) * stride for side, stride in zip(size, strides, strict=True))
    if count > storage.count or (count and last >= storage.count):
        raise NotSafetensors("holds a tensor that is larger than its numbers")
    return Stored(storage.dtype, tuple(size), storage, first, tuple(strides))


def _parameter(tensor: Stored, *_: Any) -> Stored:
    return tensor
