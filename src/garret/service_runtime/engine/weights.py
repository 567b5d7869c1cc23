"""Weights out of safetensors files, straight to where they are needed.

On a CPU the file is mapped: nothing is copied that has the right type already. On a GPU several threads read the file
into pinned buffers of their own and send them on while they read the next; the file never lies in memory as a whole.
"""

from __future__ import annotations

import json
import os
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from garret.service_runtime.engine.keys import Source
from garret.service_runtime.errors import ModelError

THREADS = 4
CHUNK_BYTES = 64 << 20
TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "I8": torch.int8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: its type and shape, and its first byte and the one behind it in the file."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


class WeightFile:
    """A safetensors file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            entries: dict[str, Any] = json.loads(file.read(length))
        entries.pop("__metadata__", None)
        start = 8 + length
        self.entries = {
            name: Entry(
                name,
                TYPES[entry["dtype"]],
                tuple(entry["shape"]),
                start + entry["data_offsets"][0],
                start + entry["data_offsets"][1],
            )
            for name, entry in entries.items()
            if entry["dtype"] in TYPES
        }

    def map(self, names: list[str]) -> dict[str, torch.Tensor]:
        """Return tensors that lie in the file itself; what is written to them stays in this process."""
        size = self.path.stat().st_size
        whole = torch.empty(0, dtype=torch.uint8).set_(
            torch.UntypedStorage.from_file(str(self.path), shared=False, nbytes=size)
        )
        return {name: _shaped(whole, self.entries[name], 0) for name in names}


def fill(
    module: nn.Module,
    files: Sequence[WeightFile],
    sources: Mapping[str, Source],
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Give a module that was built on the meta device its weights on a device and in a type.

    Raises:
        ModelError: names a weight that the files have not, or have in another shape.
    """
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    wanted = {sources[target].name for target in shapes}
    missing = sorted(wanted.difference(*(file.entries for file in files)))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(f"{files[0].path.name} has no weights named {missing[0]}{more}")
    read = dict[str, torch.Tensor]()
    for file in files:
        names = sorted(wanted & file.entries.keys(), key=lambda name: file.entries[name].begin)
        read |= file.map(names) if device.type == "cpu" else read_to(device, file, names)
    state = {}
    for target, shape in shapes.items():
        tensor = _part_of(read[sources[target].name], sources[target])
        if tensor.numel() != shape.numel():
            found = f"{sources[target].name} has the sizes {list(tensor.shape)}, not {list(shape)}"
            raise ModelError(f"{files[0].path.name}: {found}")
        state[target] = _placed(tensor.reshape(shape), dtype)
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(False)
    module.eval()


def read_to(
    device: torch.device, file: WeightFile, names: list[str], *, threads: int = THREADS, chunk: int = CHUNK_BYTES
) -> dict[str, torch.Tensor]:
    """Return tensors on a device, read by several threads through pinned buffers that are used again and again."""
    entries = [file.entries[name] for name in names]
    tensors = {entry.name: torch.empty(entry.shape, dtype=entry.dtype, device=device) for entry in entries}
    flat = {name: tensor.reshape(-1).view(torch.uint8) for name, tensor in tensors.items() if tensor.numel()}
    pieces = list(_pieces([entry for entry in entries if entry.name in flat], chunk))
    if device.type == "cuda":
        # The memory may be that of tensors which kernels under way are still reading.
        torch.cuda.current_stream(device).synchronize()
    with file.path.open("rb") as opened:
        carrier = _Carrier(device, opened.fileno(), flat, chunk)
        with ThreadPoolExecutor(max(1, min(threads, len(pieces))), thread_name_prefix="read") as pool:
            for done in [pool.submit(carrier.carry, piece) for piece in pieces]:
                done.result()
    return tensors


@dataclass(frozen=True)
class _Piece:
    """Bytes that lie together in a file, and which of them go to which tensor: (name, at in the tensor, at, size)."""

    begin: int
    size: int
    shares: tuple[tuple[str, int, int, int], ...]


def _pieces(entries: list[Entry], chunk: int) -> Iterator[_Piece]:
    """Cut what lies together into pieces of at most a chunk; a large tensor is cut as well."""
    begin, size, shares = 0, 0, list[tuple[str, int, int, int]]()
    for entry in entries:
        at = entry.begin
        while at < entry.end:
            if shares and (at != begin + size or size == chunk):
                yield _Piece(begin, size, tuple(shares))
                size, shares = 0, []
            if not shares:
                begin = at
            count = min(entry.end - at, chunk - size)
            shares.append((entry.name, at - entry.begin, size, count))
            size += count
            at += count
    if shares:
        yield _Piece(begin, size, tuple(shares))


class _Carrier(threading.local):
    """One thread's buffer and stream; each thread that uses the same carrier gets its own."""

    def __init__(self, device: torch.device, descriptor: int, flat: Mapping[str, torch.Tensor], chunk: int) -> None:
        cuda = device.type == "cuda"
        self._descriptor = descriptor
        self._flat = flat
        self._buffer = torch.empty(chunk, dtype=torch.uint8, pin_memory=cuda)
        self._view = memoryview(self._buffer.numpy())
        self._stream = torch.cuda.Stream(device) if cuda else None

    def carry(self, piece: _Piece) -> None:
        """Read one piece into the buffer and send it to its tensors."""
        done = 0
        while done < piece.size:
            count = os.preadv(self._descriptor, [self._view[done : piece.size]], piece.begin + done)
            if not count:
                raise ModelError("the file of weights became shorter while it was read")
            done += count
        with torch.cuda.stream(self._stream):
            for name, to, at, size in piece.shares:
                self._flat[name][to : to + size].copy_(self._buffer[at : at + size], non_blocking=True)
        if self._stream is not None:
            self._stream.synchronize()


def _shaped(whole: torch.Tensor, entry: Entry, start: int) -> torch.Tensor:
    piece = whole[entry.begin - start : entry.end - start]
    if (entry.begin - start) % entry.dtype.itemsize:
        # Nothing in the format keeps a tensor from lying where its type cannot be read.
        piece = piece.clone()
    return piece.view(entry.dtype).reshape(entry.shape)


def _part_of(tensor: torch.Tensor, source: Source) -> torch.Tensor:
    if source.third is not None:
        tensor = tensor.chunk(3)[source.third]
    return tensor.t().contiguous() if source.transposed else tensor


def _placed(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a weight in its type; where that copies it, a convolution's channels come to lie together.

    Convolutions over channels that lie together take a third off the decoder's time on a CPU, and some on a GPU. What
    lies in the file as it is needed is left there: copying it is most of what loading costs.
    """
    if not tensor.is_floating_point():
        return tensor
    if tensor.dtype == dtype and tensor.device.type == "cpu":
        return tensor
    if tensor.dim() == 4:
        return tensor.to(dtype, memory_format=torch.channels_last)
    return tensor.to(dtype)
