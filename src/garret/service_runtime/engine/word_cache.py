"""What text encoders made of words, kept for the next picture that says the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any
from weakref import WeakKeyDictionary

MAXIMUM_BYTES = 64 << 20
"""For each encoder: about two hundred chunks of SDXL's in half precision."""


class WordCache:
    """Tensors by encoder and key, the ones used last; what an encoder made goes when the encoder goes."""

    def __init__(self, maximum_bytes: int = MAXIMUM_BYTES) -> None:
        self._maximum_bytes = maximum_bytes
        self._shelves: WeakKeyDictionary[Any, _Shelf] = WeakKeyDictionary()

    def get(self, encoder: Any, key: Hashable) -> tuple[Any, ...] | None:
        """Return the tensors kept under a key, or None."""
        shelf = self._shelves.get(encoder)
        if shelf is None or key not in shelf.kept:
            return None
        shelf.kept.move_to_end(key)
        return shelf.kept[key]

    def put(self, encoder: Any, key: Hashable, tensors: tuple[Any, ...]) -> None:
        """Keep tensors, letting go of those that were not used for longest."""
        shelf = self._shelves.setdefault(encoder, _Shelf())
        shelf.size += _size(tensors) - _size(shelf.kept.pop(key, ()))
        shelf.kept[key] = tensors
        while shelf.size > self._maximum_bytes and len(shelf.kept) > 1:
            _, gone = shelf.kept.popitem(last=False)
            shelf.size -= _size(gone)

    def size(self, encoder: Any) -> int:
        """Return how many bytes are kept of an encoder."""
        shelf = self._shelves.get(encoder)
        return shelf.size if shelf else 0

    def clear(self) -> None:
        """Let go of everything."""
        self._shelves.clear()


class _Shelf:
    """What is kept of one encoder."""

    def __init__(self) -> None:
        self.kept: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()
        self.size = 0


def _size(tensors: tuple[Any, ...]) -> int:
    return sum(tensor.element_size() * tensor.nelement() for tensor in tensors)
