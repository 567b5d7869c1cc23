"""What makes the same pictures sooner: joined attention, compiled regions, CUDA graphs, put on loaded checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import nn

from garret.service_runtime.engine.compiled import CompileCache, compile_regions, wants_compiling
from garret.service_runtime.engine.fp8 import check_fp8, eight_bits
from garret.service_runtime.engine.fused import fuse, part
from garret.service_runtime.engine.graphs import Graphed, Record, record_cuda
from garret.service_runtime.engine.parts import Parts


class Speedups:
    """Puts speed-ups on checkpoints that stay on a GPU, and takes them off where weights have to move.

    Regions are compiled for what is drawn until `compiled` is called, and for nothing after it: nobody should wait for
    a compiler with a picture half made.
    """

    def __init__(
        self,
        device: torch.device,
        setting: str = "auto",
        cache: CompileCache | None = None,
        record: Record = record_cuda,
    ) -> None:
        self._device = device
        self._record = record
        # A UNet holds what records it, and nothing here holds a UNet: one that is let go has to leave the memory.
        self._graphed: WeakSet[Graphed] = WeakSet()
        self._compiled: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
        self.graphs = device.type == "cuda" or record is not record_cuda
        self.compiles = wants_compiling(setting, device)
        self.is_compiled = False
        self.cache = cache if self.compiles else None
        if self.cache is not None:
            self.cache.use()
        if device.type == "cuda":
            # Sizes come again: which convolution is fastest is tried once for each.
            torch.backends.cudnn.benchmark = True

    def put_on(self, parts: Parts, low: bool) -> None:
        """Make a checkpoint ready for a batch; in low-VRAM mode its weights move, and only plain code can follow."""
        unet = parts.unet
        if self.compiles and unet not in self._compiled:
            self._compiled[unet] = compile_regions(unet) + compile_regions(parts.vae)
        if not self.graphs:
            part(unet)
            return
        graphed = graphed_of(unet)
        if graphed is None:
            graphed = Graphed(unet, self._record)
            self._graphed.add(graphed)
        if low:
            part(unet)
        else:
            fuse(unet)
        graphed.refresh(on=not low)

    @contextmanager
    def drawing(self, unet: nn.Module, fp8: bool) -> Iterator[None]:
        """Draw with a UNet on its device, in 8 bits where that was asked for."""
        if not fp8:
            yield
            return
        graphed = graphed_of(unet)
        if graphed is not None:
            graphed.on = False
        # Joined weights are multiplied by themselves; in 8 bits each layer has its own.
        part(unet)
        with eight_bits(unet):
            yield

    def check(self, fp8: bool) -> None:
        """Refuse what was asked for and this device cannot do."""
        if fp8:
            check_fp8(self._device)

    def compiled(self) -> None:
        """From now on nothing is compiled any more: what comes in another size is drawn by the code as it is."""
        if self.compiles:
            torch.compiler.set_stance("eager_on_recompile")
            self.is_compiled = True
            if self.cache is not None:
                self.cache.save()

    def forget(self) -> None:
        """Give back the memory of recordings."""
        for graphed in list(self._graphed):
            graphed.forget()


def graphed_of(unet: nn.Module) -> Graphed | None:
    """Return what records a UNet, if something does."""
    forward = vars(unet).get("forward")
    return forward if isinstance(forward, Graphed) else None
