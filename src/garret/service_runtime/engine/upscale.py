"""Finished pictures made larger: by networks or by arithmetic, one of them or two blended, cut to what was asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from garret.service_runtime.asked import Upscale
from garret.service_runtime.engine.base import Step
from garret.service_runtime.engine.networks import build
from garret.service_runtime.engine.stepping import Emit
from garret.service_runtime.engine.tiles import Loaded, enlarge, first_side
from garret.service_runtime.engine.weights import TYPES, WeightFile
from garret.service_runtime.errors import ModelError
from garret.service_runtime.model_files import version_of
from garret.service_runtime.pictures.resize import covered
from garret.service_runtime.safetensors_header import NotSafetensors
from garret.service_runtime.torch_pickle import Stored, is_pickled, read_pickled_weights
from garret.service_runtime.upscaler_file import network_of, passes

if TYPE_CHECKING:
    import PIL.Image

KEPT = 2
"""So many networks stay in memory; the largest has 33 MB in half precision."""
_STEP_PIXELS = 128 * 128
"""What counts as one step of progress, in pixels that a network looks at."""
Tell = Callable[[int], None]


@dataclass
class Counter:
    """Tells how far the enlarging of a batch is, as steps after those before it; hears there that it is stopped."""

    emit: Emit
    steps: int
    before: int = 0
    pixels: int = 0
    seen: int = 0

    def __call__(self, pixels: int) -> None:
        """Note that a network has looked at so many pixels."""
        self.seen += pixels
        done = self.steps if not self.pixels else min(self.steps, self.steps * self.seen // self.pixels)
        self.emit(Step(self.before + done, self.before + self.steps, "upscale"))


class Enlarger:
    """Networks in memory, and pictures through them; works in the engine's thread."""

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        load: Callable[[str, torch.device, torch.dtype], Loaded] | None = None,
    ) -> None:
        self._device = device
        self._dtype = dtype
        self._load = load or load_network
        self._held: OrderedDict[tuple[str, int, int], Loaded] = OrderedDict()

    def unload(self) -> None:
        """Let every network go."""
        self._held.clear()

    def counter(
        self, emit: Emit, upscale: Upscale, paths: tuple[str, ...], size: tuple[int, int], count: int
    ) -> Counter:
        """Return what counts the steps of making so many pictures of a size larger."""
        pixels = count * sum(self._pixels(path, size, upscale.covering(*size)) for path in paths if path)
        return Counter(emit, max(1, -(-pixels // _STEP_PIXELS)), pixels=pixels)

    def apply(self, rows: Any, upscale: Upscale, paths: tuple[str, ...], tell: Tell) -> Any:
        """Return a picture (height x width x 3 bytes) as it was asked for, as such rows."""
        import numpy
        import PIL.Image

        height, width = rows.shape[:2]
        whole, size = upscale.covering(width, height), upscale.size(width, height)
        both = zip(upscale.names, paths, strict=True)
        made = [
            covered(self._larger(rows, path, whole, tell), whole, size, "" if path else name) for name, path in both
        ]
        return numpy.asarray(made[0] if len(made) == 1 else PIL.Image.blend(made[0], made[1], upscale.visibility))

    def cover(self, rows: Any, path: str, size: tuple[int, int], tell: Tell) -> Any:
        """Return a picture made larger by a network until it covers a size, and cut to it."""
        import numpy

        height, width = rows.shape[:2]
        scale = max(size[0] / width, size[1] / height)
        whole = max(size[0], round(width * scale)), max(size[1], round(height * scale))
        return numpy.asarray(covered(self._larger(rows, path, whole, tell), whole, size))

    def _larger(self, rows: Any, path: str, whole: tuple[int, int], tell: Tell) -> PIL.Image.Image:
        """Return a picture as a network leaves it on its way to a size; without a network as it is."""
        import PIL.Image

        if not path:
            tell(0)
            return PIL.Image.fromarray(rows)
        loaded = self._take(path)
        height, width = rows.shape[:2]
        for _ in range(passes(loaded.network.scale, (width, height), whole)):
            rows = enlarge(loaded, rows, first_side(loaded, self._free()), tell)
        return PIL.Image.fromarray(rows)

    def _pixels(self, path: str, size: tuple[int, int], whole: tuple[int, int]) -> int:
        """Return how many pixels a network looks at, over all its passes."""
        scale = self._take(path).network.scale
        return sum(size[0] * size[1] * scale ** (2 * at) for at in range(passes(scale, size, whole)))

    def _take(self, path: str) -> Loaded:
        try:
            key = path, *version_of(Path(path))
        except OSError as error:
            raise ModelError(f"{Path(path).name}: {error.strerror}") from error
        if key not in self._held:
            self._held[key] = self._load(path, self._device, self._dtype)
            while len(self._held) > KEPT:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]

    def _free(self) -> int | None:
        if self._device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self._device)
        unused = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return free + unused


def load_network(path: str, device: torch.device, dtype: torch.dtype) -> Loaded:
    """Return the network of a file on a device.

    Raises:
        ModelError: it is none that can be built.
    """
    weights = _weights(Path(path))
    network = network_of({name: tuple(weight.shape) for name, weight in weights.items()})
    if network is None:
        hint = "Networks of the families ESRGAN, Real-ESRGAN and Real-ESRGAN compact are known"
        raise ModelError(f"{Path(path).name}: by its tensors it is no upscaler that this service can build", hint)
    try:
        module = build(network, weights)
    except (RuntimeError, KeyError) as error:
        raise ModelError(f"{Path(path).name}: {str(error)[:200]}") from error
    module = module.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)
    return Loaded(network, module, device, dtype)


def _weights(path: Path) -> Mapping[str, Tensor]:
    with path.open("rb") as opened:
        pickled = is_pickled(opened.read(9))
    if not pickled:
        file = WeightFile(path)
        return file.map(list(file.entries))
    try:
        tensors, numbers = read_pickled_weights(path)
    except (NotSafetensors, OSError) as error:
        raise ModelError(f"{path.name} {error}") from error
    return {name: _tensor_of(one, numbers[one.storage.key]) for name, one in tensors.items()}


def _tensor_of(stored: Stored, numbers: bytes) -> Tensor:
    flat = torch.frombuffer(bytearray(numbers), dtype=TYPES[stored.dtype])
    return flat.as_strided(stored.shape, stored.strides, stored.first).contiguous()
