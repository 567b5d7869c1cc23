"""The header of a safetensors file, read within bounds: names and shapes, never a weight and never a pickle.

https://huggingface.co/docs/safetensors (format): 8 bytes little-endian length, that much JSON, then the tensors.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAXIMUM_HEADER_BYTES = 32 << 20
MAXIMUM_TENSORS = 100_000
_BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16}
_BITS |= {"F8_E4M3": 8, "F8_E5M2": 8, "I8": 8, "U8": 8, "BOOL": 8}
_OTHER_FORMATS = (
    (b"PK\x03\x04", "a zip archive, as PyTorch's pickles are (.ckpt, .pt); garret never unpickles"),
    (b"\x80\x02", "a Python pickle; garret never unpickles"),
    (b"\x80\x04", "a Python pickle; garret never unpickles"),
    (b"GGUF", "a GGUF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)


class NotSafetensors(ValueError):
    """The file is not a safetensors file; the text says what it is, or where it breaks the format."""


@dataclass(frozen=True)
class Tensor:
    """One tensor's entry."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself; `data_bytes` is the size of the tensors after the header."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    header_bytes: int
    data_bytes: int

    @property
    def file_bytes(self) -> int:
        """Return how large the whole file must be."""
        return 8 + self.header_bytes + self.data_bytes

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape, or () when there is none of this name."""
        tensor = self.tensors.get(name)
        return tensor.shape if tensor else ()


def read_header(path: Path) -> Header:
    """Read a file's header and hold it against the file's size."""
    with path.open("rb") as file:
        header = parse_header(file)
    size = path.stat().st_size
    if size != header.file_bytes:
        raise NotSafetensors(f"the file has {size} bytes and its header promises {header.file_bytes}: it is not whole")
    return header


def parse_header(file: BinaryIO) -> Header:
    """Read the header from the start of a file."""
    start = file.read(8)
    refuse_other_formats(start + file.read(24))
    file.seek(8)
    if len(start) < 8:
        raise NotSafetensors(f"has only {len(start)} bytes")
    (length,) = struct.unpack("<Q", start)
    if not 2 <= length <= MAXIMUM_HEADER_BYTES:
        raise NotSafetensors(f"is no safetensors file (a header of {length} bytes)")
    text = file.read(length)
    if len(text) < length:
        raise NotSafetensors("ends inside its header")
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise NotSafetensors("its header is not JSON") from None
    if not isinstance(entries, dict):
        raise NotSafetensors("its header is not a JSON object")
    return _header(entries, length)


def refuse_other_formats(start: bytes) -> None:
    """Raise NotSafetensors when a file's first bytes are those of something else, saying what."""
    # A length may look like anything: a header of 60 bytes begins with "<", one of 640 like a pickle.
    if start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= MAXIMUM_HEADER_BYTES:
        return
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<":
        raise NotSafetensors("is a web page (HTML), not a model: the address leads to a page or a login")
    if text[:1] in (b"{", b"["):
        raise NotSafetensors("is JSON text, not a model: most likely an error message of the server")
    for magic, what in _OTHER_FORMATS:
        if start.startswith(magic):
            raise NotSafetensors(f"is {what}")


def _header(entries: dict[str, Any], length: int) -> Header:
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise NotSafetensors("its __metadata__ is not a table of texts")
    if len(entries) > MAXIMUM_TENSORS:
        raise NotSafetensors(f"it names {len(entries)} tensors")
    spans, tensors = [], {}
    for name, entry in entries.items():
        tensor, begin, end = _tensor(name, entry)
        tensors[name] = tensor
        spans.append((begin, end))
    return Header(tensors, metadata, length, _contiguous(spans))


def _tensor(name: str, entry: Any) -> tuple[Tensor, int, int]:
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise NotSafetensors(f"tensor {name[:80]!r} has no dtype, shape and offsets") from None
    numbers = [*shape, begin, end] if isinstance(shape, list) else [None]
    if not all(isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**48 for number in numbers):
        raise NotSafetensors(f"tensor {name[:80]!r} has a shape or offsets that are no sizes")
    if not isinstance(dtype, str) or dtype not in _BITS or len(shape) > 16:
        raise NotSafetensors(f"tensor {name[:80]!r} has a type that is not known: {str(dtype)[:20]!r}")
    bits = _BITS[dtype]
    for side in shape:
        bits = min(bits * side, 2**60)
    if end - begin != bits // 8:
        raise NotSafetensors(f"tensor {name[:80]!r} has {end - begin} bytes and its shape needs {bits // 8}")
    return Tensor(dtype, tuple(shape)), begin, end


def _contiguous(spans: list[tuple[int, int]]) -> int:
    """Return where the last tensor ends; they follow one another without gap or overlap, as the format demands."""
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise NotSafetensors("its tensors overlap or leave gaps")
        at = end
    return at
