"""One LoRA file, read: a change of weights for each layer that it names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from garret.service_runtime.engine.lora_keys import Key, parse_key
from garret.service_runtime.errors import ModelError

REFUSED = {"dora": "a DoRA", "oft": "an OFT", "embedding": "a change to the words' table"}
_KOHYA_PAIRS = ({"up", "down"}, {"up", "down", "mid"}, {"diff"})


@dataclass(frozen=True)
class Change:
    """The tensors that change one layer, by their roles, and the file's own scale for them."""

    part: str
    layer: str
    base: str
    tensors: Mapping[str, torch.Tensor]
    scale: float

    def delta(self, shape: torch.Size, device: torch.device) -> torch.Tensor:
        """Return what is added to a weight of this shape, in full precision.

        Raises:
            ValueError: the change is one of another layer's size.
        """
        tensors = {role: value.to(device, torch.float32) for role, value in self.tensors.items()}
        return (_product(tensors) * self.scale).reshape(shape)


def read_lora(path: Path) -> tuple[list[Change], list[str]]:
    """Return the changes of a file, and the names of tensors that are none.

    Raises:
        ModelError: it is no such file, or of a kind that is not applied here.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError) as error:
        raise ModelError(f"loras: {path.name} does not load: {error}"[:300]) from None
    layers: dict[tuple[str, str], dict[str, tuple[str, Key, torch.Tensor]]] = {}
    unknown = []
    for name, tensor in tensors.items():
        key = parse_key(name)
        if key is None:
            unknown.append(name)
            continue
        if key.role in REFUSED:
            what = REFUSED[key.role]
            raise ModelError(f"loras: {path.name} is {what}, which is not applied here", "Take a LoRA, LoHa or LoKr")
        layers.setdefault((key.part, key.layer), {})[key.role] = (name, key, tensor)
    scales = _AdapterScales(metadata)
    changes = []
    for (_, layer), entries in layers.items():
        try:
            change = _change(entries, scales)
        except (RuntimeError, IndexError, ValueError):
            raise ModelError(f"loras: {path.name}: the tensors of {layer} are of no known form") from None
        if change is None:
            unknown += [name for name, _, _ in entries.values()]
        else:
            changes.append(change)
    return changes, unknown


def _change(entries: Mapping[str, tuple[str, Key, torch.Tensor]], scales: _AdapterScales) -> Change | None:
    """Return the change of one layer, or None where a tensor of it is missing."""
    tensors = {role: tensor for role, (_, _, tensor) in entries.items() if role != "alpha"}
    key = next(key for _, key, _ in entries.values())
    if not _whole(set(tensors)):
        return None
    rank = _rank(tensors)
    scale = 1.0
    if "alpha" in entries:
        scale = float(entries["alpha"][2]) / rank if rank else 1.0
    elif rank:
        scale = scales.scale(key, rank)
    return Change(key.part, key.layer, key.base, tensors, scale)


def _whole(roles: set[str]) -> bool:
    if roles in _KOHYA_PAIRS or {"w1_a", "w1_b", "w2_a", "w2_b"} <= roles:
        return True
    return all(f"k_{one}" in roles or {f"k_{one}_a", f"k_{one}_b"} <= roles for one in ("w1", "w2"))


def _rank(tensors: Mapping[str, torch.Tensor]) -> int:
    """Return the inner size, by which alpha is divided; 0 for a change that has none, and no scale."""
    for role in ("down", "w1_b", "k_w1_b", "k_w2_b"):
        if role in tensors:
            return tensors[role].shape[0]
    return 0


def _product(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if "diff" in tensors:
        return tensors["diff"]
    if "mid" in tensors:
        up, down = tensors["up"].flatten(1), tensors["down"].flatten(1)
        return torch.einsum("oi,ij...,jc->oc...", up, tensors["mid"], down)
    if "up" in tensors:
        return tensors["up"].flatten(1) @ tensors["down"].flatten(1)
    if "w1_a" in tensors:
        return _hadamard(tensors)
    return _kronecker(tensors)


def _hadamard(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return LoHa's change: two products of low rank, multiplied number by number (FedPara, LyCORIS)."""
    halves = []
    for one in "12":
        first, second, core = tensors[f"w{one}_a"], tensors[f"w{one}_b"], tensors.get(f"t{one}")
        halves.append(first @ second if core is None else torch.einsum("ij...,jr,ip->pr...", core, second, first))
    return halves[0] * halves[1]


def _kronecker(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return LoKr's change: a Kronecker product, either side of which may be a product of low rank (LyCORIS)."""
    first = tensors["k_w1"] if "k_w1" in tensors else tensors["k_w1_a"] @ tensors["k_w1_b"]
    if "k_w2" in tensors:
        second = tensors["k_w2"]
    elif "k_t2" in tensors:
        second = torch.einsum("ij...,ip,jr->pr...", tensors["k_t2"], tensors["k_w2_a"], tensors["k_w2_b"])
    else:
        inner = tensors["k_w2_b"]
        second = (tensors["k_w2_a"] @ inner.flatten(1)).reshape(-1, *inner.shape[1:])
    if second.ndim == 4:
        first = first[:, :, None, None]
    return torch.kron(first, second.contiguous())


class _AdapterScales:
    """The scales that diffusers writes into the metadata of peft's LoRAs, which have no tensors for them."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        try:
            values = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        except ValueError:
            values = {}
        self._values: dict[str, Any] = values if isinstance(values, dict) else {}

    def scale(self, key: Key, rank: int) -> float:
        """Return alpha over rank, 1 where nothing is said."""
        alpha = self._values.get(f"{key.part}.lora_alpha")
        patterns = self._values.get(f"{key.part}.alpha_pattern")
        name = key.base.removeprefix(f"{key.part}.")
        for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
            if name == pattern or name.endswith(f".{pattern}"):
                alpha = value
        if not isinstance(alpha, int | float):
            return 1.0
        return alpha / (math.sqrt(rank) if self._values.get(f"{key.part}.use_rslora") else rank)
