"""The header of a .pth file as PyTorch writes it: names and shapes of its tensors, by an unpickler that runs nothing.

A pickle is a program, and what it may call is what it can do. This one may call two things, which build nothing but
the records below; anything else that it names ends it. PyTorch's own reader of weights (`weights_only`) reads them.
The formats: a zip with NAME/data.pkl (since 1.6), before it four pickles one after the other, then the numbers.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
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


@dataclass(frozen=True)
class _Storage:
    """Where a tensor's numbers lie: of which type, and how many."""

    dtype: str
    count: int


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
    try:
        with path.open("rb") as file:
            found = _zipped(file) if zipfile.is_zipfile(file) else _plain(file)
    except (OSError, NotSafetensors):
        raise
    except Exception as error:  # noqa: BLE001  (a pickle's complaint about bytes from outside may be any exception)
        raise NotSafetensors(f"is no file of PyTorch's that holds weights alone: {str(error)[:100]}") from None
    tensors = {str(name): value for name, value in weights_in(found).items() if isinstance(value, Tensor)}
    if not tensors or len(tensors) > MAXIMUM_TENSORS:
        raise NotSafetensors(f"holds {len(tensors)} tensors by name")
    return Header(tensors, {}, 0, path.stat().st_size)


def weights_in(found: Any) -> Mapping[str, Any]:
    """Return the table of weights in what a file holds."""
    if not isinstance(found, dict):
        raise NotSafetensors("holds no table of weights")
    inner = next((found[name] for name in CONTAINERS if isinstance(found.get(name), dict)), found)
    return {str(name).removeprefix("module."): value for name, value in inner.items()}


def _zipped(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(names) != 1:
            raise NotSafetensors("is a zip archive without a data.pkl")
        if archive.getinfo(names[0]).file_size > MAXIMUM_PICKLE_BYTES:
            raise NotSafetensors(f"has a table of more than {MAXIMUM_PICKLE_BYTES} bytes")
        return _Reader(io.BytesIO(archive.read(names[0]))).load()


def _plain(file: BinaryIO) -> Any:
    file.seek(0)
    start = io.BytesIO(file.read(MAXIMUM_PICKLE_BYTES))
    if _Reader(start).load() != MAGIC:
        raise NotSafetensors("is no file of PyTorch's")
    for _ in ("version", "machine"):
        _Reader(start).load()
    return _Reader(start).load()


class _Reader(pickle.Unpickler):
    """Knows tables, tensors and their storages, and nothing that could be called for another end."""

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

    def persistent_load(self, said: Any) -> _Storage:
        """Return the record of a storage, whose numbers stay in the file."""
        kind, dtype, _, _, count = said[:5]
        if kind != "storage" or not isinstance(dtype, str) or not isinstance(count, int):
            raise NotSafetensors("names a storage that is none")
        return _Storage(dtype, count)


def _tensor(storage: _Storage, _offset: int, size: tuple[int, ...], *_: Any) -> Tensor:
    if not isinstance(storage, _Storage) or len(size) > 16 or not all(isinstance(side, int) for side in size):
        raise NotSafetensors("holds a tensor without sizes")
    return Tensor(storage.dtype, tuple(size))


def _parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor
