"""The names in LoRA files: which part and layer each tensor belongs to, and what it is of the change.

kohya's scripts write `lora_unet_…_to_q.lora_down.weight` with the layer's dots as underscores, in diffusers' names or
in the original ones; diffusers and peft write `unet.….to_q.lora_A.weight`, older ones `.lora.down.weight` or
`.processor.to_q_lora.down.weight`; LyCORIS adds `hada_…` (LoHa), `lokr_…` (LoKr) and `oft_…`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

UNET, FIRST, SECOND = "unet", "text_encoder", "text_encoder_2"
_PARTS = (
    ("lora_unet_", UNET),
    ("lora_te1_", FIRST),
    ("lora_te2_", SECOND),
    ("lora_te_", FIRST),
    ("lycoris_", UNET),
    ("text_encoder_2.", SECOND),
    ("text_encoder.", FIRST),
    ("unet.", UNET),
    ("diffusion_model.", UNET),
    ("base_model.model.", UNET),
)
ROLES = {
    "lora_up.weight": "up",
    "lora_down.weight": "down",
    "lora_mid.weight": "mid",
    "lora_B.weight": "up",
    "lora_A.weight": "down",
    "lora_B.default.weight": "up",
    "lora_A.default.weight": "down",
    "lora.up.weight": "up",
    "lora.down.weight": "down",
    "lora_linear_layer.up.weight": "up",
    "lora_linear_layer.down.weight": "down",
    "alpha": "alpha",
    "diff": "diff",
    "dora_scale": "dora",
    "lora_magnitude_vector": "dora",
    "lora_magnitude_vector.weight": "dora",
    "oft_blocks": "oft",
    "oft_diag": "oft",
    "lora_embedding_A": "embedding",
    "lora_embedding_B": "embedding",
}
ROLES |= {f"hada_{name}": name for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")}
ROLES |= {f"lokr_{name}": f"k_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")}
_ROLE = re.compile(rf"^(.+)\.({'|'.join(re.escape(role) for role in sorted(ROLES, key=len, reverse=True))})$")
_PROCESSOR = re.compile(r"^(.+)\.processor\.to_(q|k|v|out)_lora\.(up|down)\.weight$")


@dataclass(frozen=True)
class Key:
    """What a tensor's name says: the part, the layer with underscores for its dots, the role, the name of all three."""

    part: str
    layer: str
    role: str
    base: str


def parse_key(name: str) -> Key | None:
    """Return what a name says, or None for one that no trainer of SDXL's writes."""
    old = _PROCESSOR.match(name)
    if old:
        projection = "out.0" if old[2] == "out" else old[2]
        name = f"{old[1]}.to_{projection}.lora.{old[3]}.weight"
    match = _ROLE.match(name)
    if match is None:
        return None
    base, role = match[1], ROLES[match[2]]
    for prefix, part in _PARTS:
        if base.startswith(prefix):
            return Key(part, layer_of(part, base.removeprefix(prefix)), role, base)
    return None


def layer_of(part: str, name: str) -> str:
    """Return a layer's name as keys are compared by it; text encoders are named with their model's name or without."""
    layer = name.replace(".", "_")
    return layer if part == UNET else layer.removeprefix("text_model_")
