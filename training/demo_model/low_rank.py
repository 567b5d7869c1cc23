"""Low-rank changes to a pipeline's linear layers: how they learn, and how kohya's scripts would write them."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file

from training.demo_model.single_file import UNET_PREFIX, unet_name

FIRST_TEXT, SECOND_TEXT, UNET = "lora_te1_", "lora_te2_", "lora_unet_"
_ATTENTION = re.compile(r"(attn[12]\.(to_[qkv]|to_out\.0)|proj_(in|out))$")
_TEXT = re.compile(r"(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])$")


class LowRank(torch.nn.Module):
    """A frozen linear layer with a change of low rank that learns."""

    def __init__(self, inner: torch.nn.Linear, rank: int, alpha: float) -> None:
        """Begin with a change of nothing."""
        super().__init__()
        self.inner, self.scale, self.alpha = inner.requires_grad_(False), alpha / rank, alpha
        self.down = torch.nn.Parameter(torch.randn(rank, inner.in_features) / rank)
        self.up = torch.nn.Parameter(torch.zeros(inner.out_features, rank))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Return the layer's answer with the change added."""
        change = torch.nn.functional.linear(torch.nn.functional.linear(value, self.down), self.up)
        return self.inner(value) + self.scale * change


def attach(part: torch.nn.Module, names: re.Pattern[str], rank: int, alpha: float) -> dict[str, LowRank]:
    """Put a change on every linear layer whose name fits; returns them by the layers' names."""
    changes = {}
    for name, layer in list(part.named_modules()):
        if isinstance(layer, torch.nn.Linear) and names.search(name):
            owner, _, last = name.rpartition(".")
            changes[name] = LowRank(layer, rank, alpha)
            setattr(part.get_submodule(owner), last, changes[name])
    return changes


class Changes(torch.nn.ModuleDict):
    """All changes to one pipeline, by the names that kohya's scripts give them."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, rank: int, text_rank: int, alpha: float) -> None:
        """Freeze the pipeline and attach changes to its attention and text layers."""
        super().__init__()
        for part in (pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
            part.requires_grad_(False)
        per_block = pipeline.unet.config.layers_per_block
        for name, change in attach(pipeline.unet, _ATTENTION, rank, alpha * rank).items():
            whole = unet_name(f"{name}.weight", per_block, set()).removeprefix(UNET_PREFIX).removesuffix(".weight")
            self[UNET + whole.replace(".", "_")] = change
        for prefix, encoder in ((FIRST_TEXT, pipeline.text_encoder), (SECOND_TEXT, pipeline.text_encoder_2)):
            for name, change in attach(encoder, _TEXT, text_rank, alpha * text_rank).items():
                whole = name if name.startswith("text_model.") else f"text_model.{name}"
                self[prefix + whole.replace(".", "_")] = change

    def learning(self) -> list[torch.nn.Parameter]:
        """Return what learns."""
        return [value for change in self.values() for value in (change.down, change.up)]

    def write(self, path: Path, metadata: dict[str, str]) -> None:
        """Write the changes in half precision with kohya's names."""
        tensors = {}
        for name, change in self.items():
            tensors[f"{name}.lora_down.weight"] = change.down.detach().half().contiguous()
            tensors[f"{name}.lora_up.weight"] = change.up.detach().half().contiguous()
            tensors[f"{name}.alpha"] = torch.tensor(change.alpha, dtype=torch.float16)
        save_file(tensors, path, metadata=metadata)
