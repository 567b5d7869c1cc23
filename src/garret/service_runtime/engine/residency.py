"""Which checkpoints are in memory, and which of their parts are on the device."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from garret.service_runtime.engine.loras import Loras
from garret.service_runtime.engine.parts import Parts, load
from garret.service_runtime.errors import ModelError

KEPT = 2
Key = tuple[str, int, int]


class Residency:
    """Checkpoints kept by use. Each stage of a batch says which modules it is about to use."""

    def __init__(self, device: torch.device, dtype: torch.dtype, config_dir: Path) -> None:
        self.device = device
        self.dtype = dtype
        self.low = False
        self._config_dir = config_dir
        self._loaded: OrderedDict[Key, tuple[Parts, Loras]] = OrderedDict()

    def begin(self, memory: str) -> None:
        """Choose the mode of the batch that comes: "low" moves each stage to the device and back."""
        self.low = memory == "low" and self.device.type != "cpu"

    def take(self, path: str, share: Parts | None = None) -> tuple[Parts, Loras]:
        """Return a checkpoint's parts and the LoRAs on them, loaded if they are not there or their file has changed.

        `share` is the base of a refiner; see `parts.load`.
        """
        file = Path(path)
        try:
            status = file.stat()
        except OSError as error:
            raise ModelError(f"{file.name}: {error.strerror}") from error
        key = (path, status.st_size, status.st_mtime_ns)
        if key in self._loaded:
            self._loaded.move_to_end(key)
            return self._loaded[key]
        while len(self._loaded) >= KEPT:
            self._loaded.popitem(last=False)
            self.release()
        parts = load(file, self._config_dir, self.device, self.dtype, share)
        self._loaded[key] = (parts, Loras(parts))
        return self._loaded[key]

    @contextmanager
    def using(self, *modules: Any) -> Iterator[None]:
        """Have these modules on the device inside the block."""
        for module in filter(None, modules) if self.low else ():
            module.to(self.device)
        try:
            yield
        finally:
            for module in filter(None, modules) if self.low else ():
                module.to("cpu")

    @property
    def tiled(self) -> bool:
        """Say whether pictures are to be decoded in tiles."""
        return self.low

    def loaded(self) -> tuple[str, ...]:
        """Return the paths of the checkpoints in memory, the one used last at the end."""
        return tuple(path for path, _, _ in list(self._loaded))

    def unload(self) -> None:
        """Let every checkpoint go."""
        self._loaded.clear()
        self.release()

    def release(self) -> None:
        """Give back the memory of what is not used any more."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
