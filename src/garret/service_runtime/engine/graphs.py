"""CUDA graphs over the UNet: for sizes that come again, one launch instead of thousands, with the same kernels.

A graph remembers where weights lie and not what they are: LoRAs, which change them in place, need no new one; weights
that were moved do. Its inputs are copied into the places it reads, and its result stays valid until the next call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

SEEN = 2
"""A size is recorded at its next use after so many: what is asked for once is not worth the memory."""
KEPT = 4


class Replay(Protocol):
    """A recorded run."""

    def replay(self) -> None:
        """Run again."""


Record = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]
"""Runs a function, recording it; returns the recording and the function's result, which each replay fills anew."""


def record_cuda(function: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """Record a function as a CUDA graph, after runs that let libraries choose their kernels."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            function()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # The thread that decodes the last batch goes on meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = function()
    return graph, result


@dataclass(frozen=True)
class _Recorded:
    inputs: tuple[Tensor, ...]
    graph: Replay
    result: Tensor


class Graphed:
    """A UNet's forward that replays what it has recorded for a size."""

    def __init__(self, unet: nn.Module, record: Record = record_cuda) -> None:
        self._unet = unet
        self._plain: Callable[..., Any] = unet.forward
        self._record = record
        self._recorded: OrderedDict[tuple[Any, ...], _Recorded] = OrderedDict()
        self._seen: dict[tuple[Any, ...], int] = {}
        self._places: tuple[int, ...] = ()
        self.on = True
        unet.forward = self

    def refresh(self, on: bool = True) -> None:
        """Forget what was recorded where weights lie elsewhere by now; called before each batch."""
        self.on = on
        places = tuple(parameter.data_ptr() for parameter in self._unet.parameters())
        if places != self._places:
            self.forget()
            self._places = places

    def forget(self) -> None:
        """Let every recording go."""
        self._recorded.clear()
        self._seen.clear()

    def __call__(
        self,
        sample: Tensor,
        timestep: Any,
        encoder_hidden_states: Tensor,
        added_cond_kwargs: dict[str, Tensor],
        **more: Any,
    ) -> Any:
        """Return what the UNet returns."""
        if not self.on or not isinstance(timestep, Tensor) or more.get("return_dict", True):
            return self._plain(sample, timestep, encoder_hidden_states, added_cond_kwargs=added_cond_kwargs, **more)
        names = sorted(added_cond_kwargs)
        inputs = (sample, timestep, encoder_hidden_states, *(added_cond_kwargs[name] for name in names))
        key = (tuple(names), *((one.shape, one.dtype) for one in inputs))
        self._seen[key] = self._seen.get(key, 0) + 1
        if key not in self._recorded:
            if self._seen[key] <= SEEN:
                return self._plain(sample, timestep, encoder_hidden_states, added_cond_kwargs=added_cond_kwargs, **more)
            self._keep(key, names, inputs)
        self._recorded.move_to_end(key)
        recorded = self._recorded[key]
        for place, given in zip(recorded.inputs, inputs, strict=True):
            place.copy_(given, non_blocking=True)
        recorded.graph.replay()
        return (recorded.result,)

    def _keep(self, key: tuple[Any, ...], names: list[str], inputs: tuple[Tensor, ...]) -> None:
        while len(self._recorded) >= KEPT:
            self._recorded.popitem(last=False)
        device = inputs[0].device
        places = tuple(one.to(device, copy=True) for one in inputs)
        sample, timestep, embeds, *added = places

        def run() -> Tensor:
            told = dict(zip(names, added, strict=True))
            result: Tensor = self._plain(sample, timestep, embeds, added_cond_kwargs=told, return_dict=False)[0]
            return result

        graph, result = self._record(run)
        self._recorded[key] = _Recorded(places, graph, result)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield the sizes that are recorded, the one used last at the end."""
        return iter(self._recorded)
