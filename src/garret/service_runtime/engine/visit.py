"""Modules that live in the host's memory and come to the device for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def visiting(modules: Sequence[nn.Module], bring: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Have modules' weights brought elsewhere inside the block, and afterwards as they were: nothing is copied back.

    What changes weights for good, as LoRAs do, has to do it outside.
    """
    homes: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for module in modules:
            for tensor in tensors_of(module):
                homes.append((tensor, tensor.data))
                tensor.data = bring(tensor.data)
        yield
    finally:
        # Work that is under way keeps its memory: it is given out again only to what comes after on the same stream.
        for tensor, home in homes:
            tensor.data = home


def at_home(module: nn.Module, home: torch.device) -> None:
    """Move a module for good; in the host's memory its weights lie where a GPU can fetch them itself."""
    pinned = home.type == "cpu" and torch.cuda.is_available()
    for tensor in tensors_of(module):
        moved = tensor.data.to(home)
        tensor.data = moved.pin_memory() if pinned else moved


def tensors_of(module: nn.Module) -> Iterator[torch.Tensor]:
    """Yield a module's weights and buffers."""
    yield from module.parameters()
    yield from module.buffers()
