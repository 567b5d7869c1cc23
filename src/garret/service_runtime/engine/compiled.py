"""torch.compile by region, and what it made kept on the disk for the next process.

Regions are the transformer blocks and residual blocks, of which a UNet has many that are alike: each kind is compiled
once for its sizes, not each place. That takes a minute where the whole UNet takes many, and runs as fast but for the
glue between blocks, whose launches CUDA graphs take away (see `graphs`).
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from garret.service_runtime.files import write_atomically

logger = logging.getLogger(__name__)
REGIONS = ("BasicTransformerBlock", "ResnetBlock2D")
# One piece of code is compiled for every size of block, and for every size of picture that is drawn often.
_VARIANTS = 256


def wants_compiling(setting: str, device: torch.device) -> bool:
    """Say whether a setting (auto, on, off) means to compile; on a CPU compiling takes longer than it saves."""
    return setting == "on" or (setting == "auto" and device.type == "cuda")


def compile_regions(module: nn.Module, **options: Any) -> int:
    """Have a module's regions compiled when they are first used; returns how many there are."""
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, _VARIANTS)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, 8 * _VARIANTS)
    regions = [region for region in module.modules() if type(region).__name__ in REGIONS]
    for region in regions:
        region.compile(fullgraph=True, dynamic=False, **options)
    return len(regions)


class CompileCache:
    """What compiling made, in one file for this torch and this device, portable between machines that share both.

    `seed` is a second folder that is only read: a baked image brings its own.
    """

    def __init__(self, folder: Path, seed: Path | None, fingerprint: str) -> None:
        self._folder = folder
        self._seed = seed
        self._name = f"{fingerprint}.bin"
        self._digest = ""

    @property
    def path(self) -> Path:
        """Where the artifacts are kept."""
        return self._folder / self._name

    def use(self) -> None:
        """Keep the compiler's own cache beside the file: a process that is killed has kept what it compiled."""
        self._folder.mkdir(parents=True, exist_ok=True)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self._folder / "inductor")

    def load(self, load: Callable[[bytes], Any] | None = None) -> bool:
        """Bring back what an earlier process compiled; False where there is nothing that fits."""
        for folder in filter(None, (self._folder, self._seed)):
            path = folder / self._name
            try:
                data = path.read_bytes()
                (load or torch.compiler.load_cache_artifacts)(data)
            except FileNotFoundError:
                continue
            except Exception as error:  # noqa: BLE001  (a cache that does not load is one that is not there)
                logger.warning("%s does not load and is left: %s", path, error)
                continue
            self._digest = hashlib.sha256(data).hexdigest()
            return True
        return False

    def save(self, save: Callable[[], tuple[bytes, Any] | None] | None = None) -> bool:
        """Keep what has been compiled; False where that is nothing new."""
        saved = (save or torch.compiler.save_cache_artifacts)()
        if saved is None:
            return False
        digest = hashlib.sha256(saved[0]).hexdigest()
        if digest == self._digest:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, saved[0])
        self._digest = digest
        return True


def fingerprint_of(device: torch.device, dtype: torch.dtype) -> str:
    """Return what compiled code depends on: torch, its compiler, the device and the type of weights."""
    name = "cpu"
    if device.type == "cuda":
        name = f"{torch.cuda.get_device_name(device)} {torch.cuda.get_device_capability(device)}"
    text = f"{torch.__version__} {torch.version.cuda} {name} {dtype}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
