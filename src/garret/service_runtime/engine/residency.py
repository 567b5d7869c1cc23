"""Which checkpoints are in memory, which of their parts are on the device, and what goes when memory is short."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.estimate import ROOM, Weighed, bytes_of, weigh, work_bytes
from garret.service_runtime.engine.layout import lay_out
from garret.service_runtime.engine.loras import Loras
from garret.service_runtime.engine.parts import Parts, load
from garret.service_runtime.engine.speedups import Speedups
from garret.service_runtime.engine.visit import at_home, visiting
from garret.service_runtime.errors import ModelError, OutOfMemory
from garret.service_runtime.model_files import version_of

KEPT = 2
"""So many checkpoints are kept where nobody has said how much memory there is, and so many in the host's memory."""
Key = tuple[str, int, int]
_CPU = torch.device("cpu")


@dataclass
class Held:
    """One checkpoint in memory; `share` is the base that a refiner borrows parts of, `away` that its weights
    stay in the host's memory."""

    parts: Parts
    loras: Loras
    size: int
    share: Parts | None = None
    away: bool = False


class Residency:
    """Checkpoints kept by use. Each stage of a batch says which modules it is about to use.

    In low-VRAM mode weights stay in the host's memory, and each stage's come to the device for as long as it lasts.
    `budget` is how many bytes of the device may be used, 0 for as many as there are.
    """

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        config_dir: Path,
        budget: int = 0,
        speedups: Speedups | None = None,
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.low = False
        self.decoding = threading.RLock()
        """Held while a VAE is at work or moved: one batch is decoded in another thread while the next one is made."""
        self._config_dir = config_dir
        self._budget = budget
        self.speedups = speedups or Speedups(device, "off")
        self._held: OrderedDict[Key, Held] = OrderedDict()
        self._weighed: dict[Key, Weighed] = {}
        self._guests = 0

    def begin(self, batch: Batch) -> None:
        """Choose the mode of the batch that comes, and let go of what it leaves no room for.

        The mode is what one of its pictures needs, so that a picture is the same beside others; pictures that fit
        by themselves but not together are left to be made one by one. The refiner of an earlier batch goes first,
        then the checkpoints that were used longest ago.

        Raises:
            OutOfMemory: the pictures do not fit together.
        """
        used = batch.used
        self.speedups.check(batch.request.shortcuts.fp8)
        needed = [key_of(path) for path in (used.checkpoint, used.refiner) if path]
        self._forget_replaced(needed)
        weights = sum(self._weigh(key).weights for key in needed)
        overlapping = self.device.type == "cuda"
        base = self._weigh(needed[0])
        one, work = (
            work_bytes(base, batch.request, pictures, self.dtype, overlapping=overlapping)
            for pictures in (1, len(batch.pictures))
        )
        capacity = self._capacity()
        short = capacity is not None and weights + one > capacity
        self.low = batch.memory == "low" or (batch.memory == "auto" and short)
        if batch.memory == "auto" and not self.low and capacity is not None and weights + work > capacity:
            needs, there = (weights + work) / 2**30, capacity / 2**30
            raise OutOfMemory(f"{len(batch.pictures)} pictures at once need {needs:.2f} of {there:.2f} GiB")
        if self.low and capacity is not None:
            # What others have on the device is what this one lacks.
            for key in [key for key, held in self._held.items() if key not in needed and not held.away]:
                self._drop(key)
        others = [key for key in self._held if key not in needed]
        others.sort(key=lambda key: self._held[key].share is None)
        while others and self._too_much(needed, weights + work, capacity):
            self._drop(others.pop(0))

    def take(self, path: str, share: Parts | None = None) -> tuple[Parts, Loras]:
        """Return a checkpoint's parts and the LoRAs on them, loaded if they are not there or their file has changed.

        `share` is the base of a refiner; see `parts.load`.
        """
        key = key_of(path)
        held = self._held.get(key)
        if held is None:
            self._forget_replaced([key])
            home = _CPU if self.low else self.device
            parts = load(Path(path), self._config_dir, home, self.dtype, share)
            held = self._held[key] = Held(parts, Loras(parts), self._weigh(key).weights, share, self.low)
        elif held.away != self.low:
            self._move(key, held)
        if share is not None and held.share is not share:
            # The base is another one than last time; what the refiner borrows comes from there now.
            borrowed = {"vae": share.vae, "text_encoder_2": share.text_encoder_2, "tokenizer_2": share.tokenizer_2}
            held.parts, held.share = replace(held.parts, **borrowed), share
            held.loras = Loras(held.parts)
        self.speedups.put_on(held.parts, self.low)
        self._held.move_to_end(key)
        return held.parts, held.loras

    @contextmanager
    def using(self, *modules: Any) -> Iterator[None]:
        """Have these modules on the device inside the block, also those that another batch's mode has sent home."""
        there = [module for module in modules if module is not None]
        guests = [one for one in there if self.low or next(one.parameters()).device.type != self.device.type]
        self._guests += sum(map(bytes_of, guests))
        try:
            with visiting(guests, lambda weight: weight.to(self.device, non_blocking=True)):
                yield
        finally:
            self._guests -= sum(map(bytes_of, guests))

    @property
    def tiled(self) -> bool:
        """Say whether pictures are to be decoded in tiles."""
        return self.low

    @property
    def mode(self) -> str:
        """Return "normal" or "low-vram", as the last batch ran."""
        return "low-vram" if self.low else "normal"

    def memory(self) -> tuple[int, int]:
        """Return the bytes used and the bytes that there are; on a CPU what weights take, and the budget or 0."""
        if self.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.device)
            return total - free, total
        return self._guests + sum(held.size for held in list(self._held.values()) if not held.away), self._budget

    def loaded(self) -> tuple[str, ...]:
        """Return the paths of the checkpoints in memory, the one used last at the end."""
        return tuple(path for path, _, _ in list(self._held))

    def unload(self) -> None:
        """Let every checkpoint go."""
        self._held.clear()
        self.speedups.forget()
        self.release()

    def release(self) -> None:
        """Give back the memory of what is not used any more."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _capacity(self) -> int | None:
        """Return how many bytes of the device this process could use in all, or None where nobody knows."""
        if self.device.type != "cuda":
            return self._budget or None
        free, _ = torch.cuda.mem_get_info(self.device)
        there = free + torch.cuda.memory_reserved(self.device) - ROOM
        return min(there, self._budget) if self._budget else there

    def _too_much(self, needed: list[Key], bytes_needed: int, capacity: int | None) -> bool:
        missing = sum(1 for key in needed if key not in self._held)
        if capacity is None or self.low:
            return len(self._held) + missing > max(KEPT, len(needed))
        others = sum(held.size for key, held in self._held.items() if key not in needed)
        return others + bytes_needed > capacity

    def _weigh(self, key: Key) -> Weighed:
        if key not in self._weighed:
            self._weighed[key] = weigh(lay_out(Path(key[0]), self._config_dir), self.dtype)
        return self._weighed[key]

    def _move(self, key: Key, held: Held) -> None:
        """Move a checkpoint's weights to where this mode has them."""
        try:
            with self.decoding:
                for module in modules_of(held.parts):
                    at_home(module, _CPU if self.low else self.device)
        except BaseException:
            # Half here and half there it is of no use to any batch.
            self._drop(key)
            raise
        held.away = self.low

    def _forget_replaced(self, needed: list[Key]) -> None:
        """Let go of checkpoints whose files are others by now."""
        paths = {path: (path, size, time) for path, size, time in needed}
        for key in [key for key in self._held if paths.get(key[0], key) != key]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        if key not in self._held:
            return
        parts = self._held.pop(key).parts
        for other in [other for other, held in self._held.items() if held.share is parts]:
            # A refiner that borrows from it would keep half of it in memory.
            del self._held[other]
        del parts  # what is still named here would not be given back
        self.release()


def key_of(path: str) -> Key:
    """Return what tells a checkpoint from one that is put in its place.

    Raises:
        ModelError: there is none.
    """
    try:
        return path, *version_of(Path(path))
    except OSError as error:
        raise ModelError(f"{Path(path).name}: {error.strerror}") from error


def modules_of(parts: Parts) -> list[nn.Module]:
    """Return a checkpoint's modules that have weights."""
    modules = (parts.unet, parts.vae, parts.text_encoder, parts.text_encoder_2)
    return [module for module in modules if module is not None]
