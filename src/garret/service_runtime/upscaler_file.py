"""What kind of network an upscaler's file holds, told by its tensors' names and shapes.

Files of one kind of network name its parts in three ways, by who trained them: Real-ESRGAN's, ESRGAN's first release,
and the numbered layers that most of the published ESRGAN models have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ESRGAN, COMPACT = "esrgan", "compact"
_NUMBERED = re.compile(r"model\.1\.sub\.(\d+)\.RDB([123])\.conv([1-5])\.0\.(weight|bias)")
_FIRST = re.compile(r"RRDB_trunk\.(\d+)\.RDB([123])\.conv([1-5])\.(weight|bias)")
_REAL = re.compile(r"body\.(\d+)\.rdb([123])\.conv([1-5])\.(weight|bias)")
_LAYER = re.compile(r"body\.(\d+)\.weight")
_OUTER = {"conv_first": "first", "conv_body": "after", "conv_hr": "late", "conv_last": "last"}
_OUTER_FIRST = {"conv_first": "first", "trunk_conv": "after", "HRconv": "late", "conv_last": "last"}
LARGEST_SCALE = 8


@dataclass(frozen=True)
class Network:
    """One network: how much larger it makes a picture, and its sizes; `names` are our parameters' in the file.

    `folds` is how many pixels on either side become channels before anything else, `doublings` how often the sides
    are doubled after; `depth` counts groups, or the convolutions of a compact one.
    """

    family: str
    scale: int
    width: int
    depth: int
    growth: int = 0
    doublings: int = 0
    folds: int = 1
    names: Mapping[str, str] = field(default_factory=dict, repr=False)


def network_of(shapes: Mapping[str, tuple[int, ...]]) -> Network | None:
    """Return the network that tensors of these names and shapes are the weights of, or None when it is none of ours."""
    for read in (_real, _first, _numbered, _compact):
        network = read(shapes)
        if network is not None:
            # One tensor more or less, and it is a kind of its own that only looks like this one.
            return network if sorted(network.names.values()) == sorted(shapes) else None
    return None


def _real(shapes: Mapping[str, tuple[int, ...]]) -> Network | None:
    ups = sum(f"conv_up{number}.weight" in shapes for number in range(1, 5))
    outer = {**_OUTER, **{f"conv_up{number + 1}": f"ups.{number}" for number in range(ups)}}
    return _rrdb(shapes, _REAL, outer, ups)


def _first(shapes: Mapping[str, tuple[int, ...]]) -> Network | None:
    ups = sum(f"upconv{number}.weight" in shapes for number in range(1, 5))
    outer = {**_OUTER_FIRST, **{f"upconv{number + 1}": f"ups.{number}" for number in range(ups)}}
    return _rrdb(shapes, _FIRST, outer, ups)


def _numbered(shapes: Mapping[str, tuple[int, ...]]) -> Network | None:
    """Layers are counted through: each doubling is three of them, of which the second is the convolution."""
    last = max((int(name.split(".")[1]) for name in shapes if re.fullmatch(r"model\.\d+\.weight", name)), default=0)
    ups = (last - 4) // 3
    depth = 1 + max((int(found[1]) for name in shapes if (found := _NUMBERED.fullmatch(name))), default=-1)
    outer = {"model.0": "first", f"model.1.sub.{depth}": "after"}
    outer |= {f"model.{3 * number + 3}": f"ups.{number}" for number in range(ups)}
    outer |= {f"model.{3 * ups + 2}": "late", f"model.{3 * ups + 4}": "last"}
    return _rrdb(shapes, _NUMBERED, outer, ups)


def _rrdb(
    shapes: Mapping[str, tuple[int, ...]], inner: re.Pattern[str], outer: Mapping[str, str], doublings: int
) -> Network | None:
    names = {f"{ours}.{kind}": f"{theirs}.{kind}" for theirs, ours in outer.items() for kind in ("weight", "bias")}
    depth = 0
    for name in shapes:
        if found := inner.fullmatch(name):
            group, block, conv, kind = int(found[1]), int(found[2]), int(found[3]), found[4]
            names[f"body.{group}.blocks.{block - 1}.convs.{conv - 1}.{kind}"] = name
            depth = max(depth, group + 1)
    first = shapes.get(names["first.weight"], ())
    growth = shapes.get(names.get("body.0.blocks.0.convs.0.weight", ""), ())
    if not depth or len(first) != 4 or len(growth) != 4 or doublings < 0:
        return None
    folds = math.isqrt(first[1] // 3)
    scale = 2**doublings // max(folds, 1)
    if 3 * folds**2 != first[1] or scale * folds != 2**doublings or not 1 <= scale <= LARGEST_SCALE:
        return None
    return Network(ESRGAN, scale, first[0], depth, growth[0], doublings, folds, names)


def _compact(shapes: Mapping[str, tuple[int, ...]]) -> Network | None:
    layers = sorted(int(found[1]) for name in shapes if (found := _LAYER.fullmatch(name)))
    if len(layers) < 3 or layers != list(range(layers[-1] + 1)) or layers[-1] % 2:
        return None
    first, last = shapes["body.0.weight"], shapes[f"body.{layers[-1]}.weight"]
    if len(first) != 4 or first[1] != 3 or len(last) != 4 or shapes["body.1.weight"] != first[:1]:
        return None
    scale = math.isqrt(last[0] // 3)
    if 3 * scale**2 != last[0] or not 1 <= scale <= LARGEST_SCALE:
        return None
    names = [f"body.{layer}.weight" for layer in layers] + [f"body.{layer}.bias" for layer in layers[::2]]
    return Network(COMPACT, scale, first[0], layers[-1] // 2 - 1, names={name: name for name in names})


MOST_PASSES = 3
"""A network of twice the size makes eight times as much of a picture at most."""


def passes(scale: int, size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """Return how often a network goes over a picture of a size to reach a wanted one: once at least."""
    needed = max(wanted[0] / size[0], wanted[1] / size[1])
    count = 1
    while scale > 1 and scale**count < needed and count < MOST_PASSES:
        count += 1
    return count
