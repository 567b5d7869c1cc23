"""A picture through a network piece by piece: in pieces that the device has memory for, without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch
from torch import nn
from torch.nn.functional import pad

from garret.service_runtime.errors import OutOfMemory
from garret.service_runtime.upscaler_file import COMPACT, Network

SIDES = (512, 384, 256, 192, 128, 96, 64)
"""In pixels of the picture before, without what a piece sees of its surroundings."""
SURROUNDINGS = 32
"""What a piece of an ESRGAN network sees around it: further away its answers change by less than one level of 255."""
_MAPS = 5
"""So many states of a network's width lie in memory at its largest size, at once."""
_LARGEST_ON_CPU = {COMPACT: 256}
_LARGE_ON_CPU = 128
_ALIGNED = 4
"""Pieces begin at multiples of this, as many pixels as a network folds at most."""


@dataclass
class Loaded:
    """A network on its device, in the type that it works in."""

    network: Network
    module: nn.Module
    device: torch.device
    dtype: torch.dtype
    side: int = 0
    """The piece that the device had memory for last; 0 before the first."""


@dataclass(frozen=True)
class Piece:
    """A part of a picture: its edges, and those of what is seen with it."""

    left: int
    top: int
    right: int
    bottom: int
    seen_left: int
    seen_top: int
    seen_right: int
    seen_bottom: int


def surroundings(network: Network) -> int:
    """Return how many pixels around a piece are seen with it; for compact networks all that it depends on."""
    reach = network.depth + 2 if network.family == COMPACT else SURROUNDINGS
    return -(-reach // _ALIGNED) * _ALIGNED


def pieces(width: int, height: int, side: int, around: int) -> Iterator[Piece]:
    """Yield the pieces of a picture, row by row."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            right, bottom = min(left + side, width), min(top + side, height)
            yield Piece(
                left,
                top,
                right,
                bottom,
                max(0, left - around),
                max(0, top - around),
                min(width, right + around),
                min(height, bottom + around),
            )


def first_side(loaded: Loaded, free_bytes: int | None) -> int:
    """Return the side of pieces to begin with: what half of the free memory has room for, on a CPU what is quick."""
    network = loaded.network
    if loaded.device.type != "cuda" or free_bytes is None:
        return _LARGEST_ON_CPU.get(network.family, _LARGE_ON_CPU)
    for side in SIDES:
        # A compact network works at the small size; an ESRGAN one's last convolutions at the large one.
        grown = 1 if network.family == COMPACT else network.scale
        pixels = ((side + 2 * surroundings(network)) * grown) ** 2
        if pixels * network.width * loaded.dtype.itemsize * _MAPS <= free_bytes // 2:
            return side
    return SIDES[-1]


def enlarge(loaded: Loaded, picture: Any, side: int, tell: Callable[[int], None]) -> Any:
    """Return a picture (height x width x 3 bytes) as many times as large as the network makes it.

    `tell` hears after each piece how many pixels of the picture it was, and may raise to end the work. A piece that
    does not fit in the device's memory is made in smaller ones, as are all after it.

    Raises:
        OutOfMemory: not even the smallest fits.
    """
    height, width = picture.shape[:2]
    scale, around = loaded.network.scale, surroundings(loaded.network)
    loaded.side = min(side, loaded.side or side)
    larger = numpy.empty((height * scale, width * scale, 3), numpy.uint8)
    # Cut anew where pieces become smaller: what is done stays done.
    waiting = list(pieces(width, height, loaded.side, around))
    while waiting:
        piece = waiting.pop(0)
        try:
            made = _through(loaded, picture[piece.seen_top : piece.seen_bottom, piece.seen_left : piece.seen_right])
        except Exception as error:
            if not _is_shortage(error):
                raise
            del error
            waiting[:0] = _smaller(loaded, piece, width, height)
            continue
        left, top = (piece.left - piece.seen_left) * scale, (piece.top - piece.seen_top) * scale
        wide, high = (piece.right - piece.left) * scale, (piece.bottom - piece.top) * scale
        at_top, at_left = piece.top * scale, piece.left * scale
        larger[at_top : at_top + high, at_left : at_left + wide] = made[top : top + high, left : left + wide]
        tell((piece.right - piece.left) * (piece.bottom - piece.top))
    return larger


def _smaller(loaded: Loaded, piece: Piece, width: int, height: int) -> list[Piece]:
    """Return a piece in pieces of the next smaller side."""
    if loaded.device.type == "cuda":
        torch.cuda.empty_cache()
    now = max(piece.right - piece.left, piece.bottom - piece.top)
    side = next((side for side in SIDES if side < now), 0)
    if not side:
        raise OutOfMemory(f"the device's memory does not suffice for {now} x {now} pixels at a time")
    loaded.side = min(side, loaded.side)
    around = surroundings(loaded.network)
    return [
        replace(
            one,
            left=one.left + piece.left,
            top=one.top + piece.top,
            right=one.right + piece.left,
            bottom=one.bottom + piece.top,
            seen_left=max(0, one.left + piece.left - around),
            seen_top=max(0, one.top + piece.top - around),
            seen_right=min(width, one.right + piece.left + around),
            seen_bottom=min(height, one.bottom + piece.top + around),
        )
        for one in pieces(piece.right - piece.left, piece.bottom - piece.top, side, around)
    ]


def _through(loaded: Loaded, part: Any) -> Any:
    """Return a part of a picture as the network makes it, in bytes."""
    height, width = part.shape[:2]
    rows = torch.from_numpy(numpy.array(part)).to(loaded.device)
    made = _answer(loaded, rows, loaded.dtype)
    if loaded.dtype == torch.float16 and not bool(made.isfinite().all()):
        # Some networks overflow in half precision; they are few, and small enough for full.
        loaded.module, loaded.dtype = loaded.module.float(), torch.float32
        made = _answer(loaded, rows, torch.float32)
    scale = loaded.network.scale
    made = made[0, :, : height * scale, : width * scale].float().clamp_(0, 1)
    return made.mul_(255).round_().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def _answer(loaded: Loaded, rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    values = rows.permute(2, 0, 1)[None].to(dtype).div_(255)
    folds = loaded.network.folds
    height, width = values.shape[-2:]
    if folds > 1:
        values = pad(values, (0, -width % folds, 0, -height % folds), mode="replicate")
    answer: torch.Tensor = loaded.module(values.contiguous(memory_format=torch.channels_last))
    return answer


def _is_shortage(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
