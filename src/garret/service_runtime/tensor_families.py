"""Which family a model file is of, told by its tensors' names and shapes; what its maker wrote decides only the rest.

Names and widths are those of the published files: the text that a UNet reads is 768 wide in Stable Diffusion 1.x, 1024
in 2.x and 2048 in SDXL; Flux has `double_blocks`, Stable Diffusion 3 has `joint_blocks`. A VAE of SDXL cannot be told
from one of 1.x: both have the same tensors.
"""

from __future__ import annotations

import re

from garret.service_runtime.safetensors_header import Header
from garret.service_runtime.upscaler_file import COMPACT, ESRGAN, network_of

SDXL, REFINER, UNKNOWN = "sdxl", "sdxl-refiner", "unknown"
UNET = "model.diffusion_model."
CHECKPOINT, LORA, VAE, UPSCALER = "checkpoint", "lora", "vae", "upscaler"
# A prefix that some tensor's name has, and what a checkpoint with it is; the first that fits counts.
_CHECKPOINTS = (
    ("conditioner.embedders.1.", SDXL),
    ("conditioner.embedders.0.model.", REFINER),
    (UNET + "joint_blocks.", "sd3"),
    (UNET + "double_blocks.", "flux"),
    ("double_blocks.", "flux"),
    ("joint_blocks.", "sd3"),
    ("cond_stage_model.transformer.", "sd1"),
    ("cond_stage_model.model.", "sd2"),
)
_WIDTHS = {768: "sd1", 1024: "sd2", 2048: SDXL}
_FIRST_READER = UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_CHANGES = re.compile(
    r"[._](lora_(down|up|[AB])|lora\.(down|up)|lora_linear_layer|hada_w[12]_[ab]|lokr_w[12](_[ab])?|oft_(blocks|diag))(\.|$)"
)
_FROM_TEXT = re.compile(r"attn2[._]to_[kv].*[._](lora_down|lora_A|lora\.down|hada_w[12]_b)(\.|$)")
_OWN_WORDS = re.compile(r"^lora_te_.*_self_attn_(q|k|v)_proj\.lora_down\.")
_DEEP = re.compile(r"transformer_blocks[._][1-9]")
_SHALLOW = re.compile(r"(down_blocks[._]0[._]attentions|input_blocks[._][12][._]1[._])")
# Words that some tensor's name has, and for which family such a LoRA is; the first that fits counts.
_LORAS = (
    (("lora_te3_", "joint_blocks"), "sd3"),
    (("double_blocks", "single_blocks", "single_transformer_blocks"), "flux"),
    (("transformer.transformer_blocks.",), "dit"),
    (("lora_te1_", "lora_te2_", "text_encoder_2"), SDXL),
)
_SAID = (
    ("flux", "flux"),
    ("sd3", "sd3"),
    ("stable-diffusion-v3", "sd3"),
    ("stable-diffusion-3", "sd3"),
    ("sdxl", SDXL),
    ("stable-diffusion-xl", SDXL),
    ("sd_v1", "sd1"),
    ("stable-diffusion-v1", "sd1"),
    ("sd_v2", "sd2"),
    ("stable-diffusion-v2", "sd2"),
)
_TYPES = {LORA: LORA, VAE: VAE, ESRGAN: UPSCALER, COMPACT: UPSCALER}
_TYPES |= dict.fromkeys(("sdxl", "sd1", "sd2", "sd3", "flux"), CHECKPOINT)
_TITLES = {
    SDXL: "SDXL",
    REFINER: "SDXL's refiner",
    "sd1": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sd3": "Stable Diffusion 3",
    "flux": "Flux",
    "dit": "a diffusion transformer",
}


def family_of(header: Header) -> str:
    """Return "sdxl", "sd1", "lora-sdxl", "lora", "vae" and so on, or "unknown"."""
    names = header.tensors.keys()
    if any(_CHANGES.search(name) for name in names):
        family = _lora_family(header) or _said_family(header)
        return f"{LORA}-{family}" if family else LORA
    if any(name.startswith((UNET, "double_blocks.", "joint_blocks.")) for name in names):
        return _checkpoint_family(header)
    if any(name in ("clip_g", "clip_l", "emb_params") for name in names):
        return "embedding-sdxl" if "clip_g" in names else "embedding"
    for name in names:
        if name.removeprefix("first_stage_model.").startswith("decoder.conv_in"):
            return "vae-16" if header.shape(name)[1:2] == (16,) else VAE
    network = network_of({name: tensor.shape for name, tensor in header.tensors.items()})
    return network.family if network else UNKNOWN


def title_of(family: str) -> str:
    """Return a family's name as people write it, or "unknown"."""
    return _TITLES.get(family.partition("-")[2] if family.startswith(LORA) else family, UNKNOWN)


def type_of(family: str) -> str:
    """Return the type of model that a family belongs to; empty when it may be any."""
    return _TYPES.get(family.partition("-")[0], "")


def why_useless(model_type: str, family: str) -> tuple[str, str]:
    """Say why this service has no use for a file of a family under a type, and what to do; two empty texts if it has.

    What cannot be told is let through: tensors of an unknown kind, embeddings, and whatever is of the type other; but
    an upscaler is built from what can be told of it.
    """
    actual = type_of(family)
    if model_type == "other" or not actual:
        return _NO_UPSCALER if model_type == UPSCALER else ("", "")
    if actual != model_type:
        articles = {CHECKPOINT: "a checkpoint", LORA: "a LoRA", VAE: "a VAE", UPSCALER: "an upscaler"}
        return f"its tensors are those of {articles[actual]}, not of {articles[model_type]}", f"Say --type {actual}"
    other = family.partition("-")[2] if actual == LORA else family
    if actual == VAE and family != VAE:
        return "it is a VAE of 16 channels, as Stable Diffusion 3 and Flux have, and SDXL's has 4", _USE_SDXL
    if other in ("", SDXL, REFINER) or actual in (VAE, UPSCALER):
        return "", ""
    what = "a LoRA for" if actual == LORA else "a checkpoint of"
    return f"by its tensors it is {what} {_TITLES[other]}, and this service makes pictures with SDXL", _USE_SDXL


_NO_UPSCALER = (
    "by its tensors it is no upscaler that this service can build",
    "Take one of the families ESRGAN, Real-ESRGAN or Real-ESRGAN compact (SRVGGNetCompact)",
)
_USE_SDXL = "Take one that was made for SDXL, or keep this one for another use with --force"


def _checkpoint_family(header: Header) -> str:
    for prefix, family in _CHECKPOINTS:
        if any(name.startswith(prefix) for name in header.tensors):
            return family
    # A UNet alone: of the old families it is told by the text it reads; one of SDXL's is no whole checkpoint.
    shape = header.shape(_FIRST_READER)
    family = _WIDTHS.get(shape[-1] if shape else 0, UNKNOWN)
    return family if family != SDXL else UNKNOWN


def _lora_family(header: Header) -> str:
    """By the words of names, by the width of the text that is read, else by how the blocks are stacked."""
    names = header.tensors.keys()
    for words, family in _LORAS:
        if any(word in name for name in names for word in words):
            return family
    for name, tensor in header.tensors.items():
        if tensor.shape and (_FROM_TEXT.search(name) or _OWN_WORDS.search(name)):
            found = _WIDTHS.get(tensor.shape[-1], "")
            if found:
                return found
    # SDXL stacks several transformers where 1.x and 2.x have one, and has none at the top.
    if any(_DEEP.search(name) for name in names):
        return SDXL
    return "sd1" if any(_SHALLOW.search(name) for name in names) else ""


def _said_family(header: Header) -> str:
    """What the maker's tool wrote into the file, as kohya's and the model spec's keys have it."""
    said = header.metadata.get("modelspec.architecture", "") or header.metadata.get("ss_base_model_version", "")
    return next((family for word, family in _SAID if said.lower().startswith(word)), "")
