"""Upscalers' files for tests: tensors of the published families' names and shapes, tiny, with weights by a formula."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

Shapes = dict[str, tuple[int, ...]]
WIDTH, GROWTH = 8, 32


def real(channels: int, groups: int = 1) -> Shapes:
    """Real-ESRGAN's names; with 12 or 48 channels the picture comes folded."""
    outer = ("conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")
    return _rrdb(channels, groups, outer, "body.{}.rdb{}.conv{}")


def first(groups: int = 1) -> Shapes:
    """The names of ESRGAN's first release."""
    outer = ("conv_first", "trunk_conv", "upconv1", "upconv2", "HRconv", "conv_last")
    return _rrdb(3, groups, outer, "RRDB_trunk.{}.RDB{}.conv{}")


def numbered(doublings: int, groups: int = 1) -> Shapes:
    """The counted layers of most published ESRGAN models."""
    ups = [f"model.{3 * number + 3}" for number in range(doublings)]
    ends = (f"model.{3 * doublings + 2}", f"model.{3 * doublings + 4}")
    return _rrdb(3, groups, ("model.0", f"model.1.sub.{groups}", *ups, *ends), "model.1.sub.{}.RDB{}.conv{}.0")


def compact(scale: int, depth: int = 2) -> Shapes:
    """SRVGGNetCompact's names."""
    shapes: Shapes = {}
    for at in range(depth + 1):
        shapes |= _conv(f"body.{2 * at}", WIDTH if at else 3, WIDTH)
        shapes[f"body.{2 * at + 1}.weight"] = (WIDTH,)
    return shapes | _conv(f"body.{2 * depth + 2}", WIDTH, 3 * scale**2)


KINDS: Mapping[str, tuple[Callable[[], Shapes], int]] = {
    "real4": (partial(real, 3, 2), 4),
    "real2": (partial(real, 12), 2),
    "real1": (partial(real, 48), 1),
    "first4": (first, 4),
    "num4": (partial(numbered, 2), 4),
    "num2": (partial(numbered, 1), 2),
    "num1": (partial(numbered, 0), 1),
    "num8": (partial(numbered, 3), 8),
    "compact2": (partial(compact, 2), 2),
    "compact4": (partial(compact, 4, 3), 4),
}


def values_of(shapes: Shapes) -> dict[str, list[float]]:
    """Return each tensor's values: a wave of its own."""
    return {
        name: [0.08 * math.sin(k * (1 + at * 0.37) + at) for k in range(math.prod(shape))]
        for at, (name, shape) in enumerate(shapes.items())
    }


def write_upscaler(path: Path, shapes: Shapes) -> Path:
    """Write a safetensors file of these shapes."""
    entries, parts, at = {}, [], 0
    for name, values in values_of(shapes).items():
        data = struct.pack(f"<{len(values)}f", *values)
        entries[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    header = json.dumps(entries).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(parts))
    return path


def _rrdb(channels: int, groups: int, outer: tuple[str, ...], inner: str) -> Shapes:
    head, after, *ups, late, last = outer
    shapes = _conv(head, channels, WIDTH)
    for group in range(groups):
        for block in (1, 2, 3):
            for conv in range(1, 6):
                width = WIDTH if conv == 5 else GROWTH
                shapes |= _conv(inner.format(group, block, conv), WIDTH + (conv - 1) * GROWTH, width)
    for name in (after, *ups, late):
        shapes |= _conv(name, WIDTH, WIDTH)
    return shapes | _conv(last, WIDTH, 3)


def _conv(name: str, before: int, after: int) -> Shapes:
    return {f"{name}.weight": (after, before, 3, 3), f"{name}.bias": (after,)}
