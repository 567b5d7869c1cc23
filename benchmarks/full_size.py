"""SDXL at its full size with random weights: what loading and drawing cost does not depend on their values.

The weights are normal and small, so that states stay finite through all layers; zeros would make a GPU faster than it
is. 6.9 GB in half precision, as one file in the original's layout or as diffusers' folder.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from garret.service_runtime.sdxl_files import configuration_files

POOL = 1 << 24
SCALE = 0.02


def write_configuration(folder: Path) -> Path:
    """Write SDXL's configuration and tokenizers, and return their folder."""
    for name, text in configuration_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def write_file(path: Path, configuration: Path) -> None:
    """Write a single-file checkpoint."""
    _write(path, _original_shapes(configuration))


def write_folder(folder: Path, configuration: Path) -> None:
    """Write a diffusers folder in the fp16 variant."""
    shutil.copytree(configuration, folder, ignore=shutil.ignore_patterns("refiner"))
    names = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
    for part, module in _modules(configuration).items():
        shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        _write(folder / part / f"{names.get(part, 'model')}.fp16.safetensors", shapes)


def _modules(configuration: Path) -> dict[str, Any]:
    from garret.service_runtime.engine.modules import build_text_encoder, build_unet, build_vae

    builders = {
        "unet": build_unet,
        "vae": build_vae,
        "text_encoder": build_text_encoder,
        "text_encoder_2": build_text_encoder,
    }
    return {
        part: build(json.loads((configuration / part / "config.json").read_text())) for part, build in builders.items()
    }


def _original_shapes(configuration: Path) -> dict[str, tuple[int, ...]]:
    from garret.service_runtime.engine import keys

    modules = _modules(configuration)
    config = {part: json.loads((configuration / part / "config.json").read_text()) for part in modules}
    states = {part: module.state_dict() for part, module in modules.items()}
    sources = {
        "text_encoder": keys.same_sources(states["text_encoder"], keys.FIRST),
        "text_encoder_2": keys.open_clip_sources(
            states["text_encoder_2"], config["text_encoder_2"]["num_hidden_layers"]
        ),
        "vae": keys.vae_sources(states["vae"], config["vae"]),
        "unet": keys.unet_sources(states["unet"], config["unet"]),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for part, state in states.items():
        for target, value in state.items():
            source, shape = sources[part][target], tuple(value.shape)
            if source.third is not None:
                shape = (3 * shape[0], *shape[1:])
            if part == "vae" and ".attentions." in target and len(shape) == 2:
                shape = (*shape, 1, 1)
            shapes[source.name] = shape
    return shapes


def _write(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    entries, at = {}, 0
    for name, shape in sorted(shapes.items()):
        size = 2 * _count(shape)
        entries[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    header = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for piece in _numbers(sorted(shapes.items())):
            file.write(piece)


def _numbers(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> Iterator[memoryview]:
    """Yield the bytes of each tensor out of one pool of normal numbers; what scales a normalised state is near 1."""
    import numpy

    pool = (numpy.random.default_rng(1).standard_normal(POOL, dtype=numpy.float32) * SCALE).astype(numpy.float16)
    around_one = (pool + 1).astype(numpy.float16)
    at = 0
    for name, shape in shapes:
        left = _count(shape)
        numbers = around_one if len(shape) == 1 and name.endswith("weight") else pool
        while left:
            take = min(left, POOL - at)
            yield memoryview(numbers[at : at + take]).cast("B")
            left -= take
            # Not a whole number of rows of any matrix, so that no two rows are the same.
            at = (at + take + 7919) % (POOL - 1)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count
