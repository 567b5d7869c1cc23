"""The text that tells what a picture was made from, as A1111 writes it into the file.

The words, the negative words, and a line of `Name: value` pairs; a value with a comma, colon or line break is quoted
as JSON. `infotext_reader` reads it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from garret.service_runtime.asked import Lora, Output, Upscale, Variation
from garret.service_runtime.infotext_keys import PAIRS, number_text
from garret.service_runtime.infotext_reader import EXACT_NEGATIVE, EXACT_PROMPT, NEGATIVE, split
from garret.service_runtime.prompt.parse import NUMBER
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import find_sampler

VERSION = "garret"


@dataclass(frozen=True)
class Facts:
    """What a picture was really made with, beside what was asked for; a hash is a file's SHA-256, None if not known.

    The words have styles in them and no tags of LoRAs, those of a second pass empty where it has the first one's;
    `loras` are all that were applied.
    """

    model: str
    model_hash: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    hires_prompt: str = ""
    hires_negative_prompt: str = ""
    vae: str = ""
    vae_hash: str = ""
    refiner: str = ""
    loras: tuple[Lora, ...] = ()
    lora_hashes: Mapping[str, str] = field(default_factory=dict)
    embedding_hashes: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def single(request: ImageRequest, index: int, facts: Facts) -> ImageRequest:
    """Return the request that makes one picture of a request alone: nothing is left to a default, a style or a list."""
    varied = request.variation
    seed = request.variation_seed_of(index) if varied.strength else 0
    refiner, hires, upscale = request.refiner, request.hires, request.upscale
    if upscale and (upscale.width or upscale.height):
        upscale = replace(upscale, scale=Upscale().scale)  # of which nothing is told beside a size
    again = (facts.hires_prompt, facts.hires_negative_prompt)
    return replace(
        request,
        checkpoint=facts.model,
        prompt=" ".join((facts.prompt.rstrip(), *map(tag, facts.loras))).lstrip() if facts.loras else facts.prompt,
        negative_prompt=facts.negative_prompt,
        seed=request.seed_of(index),
        batch_size=1,
        n_iter=1,
        styles=(),
        loras=(),
        vae=facts.vae,
        variation=Variation(seed, varied.strength, varied.from_width, varied.from_height),
        hires=hires and replace(hires, prompt=again[0], negative_prompt=again[1]),
        upscale=upscale,
        refiner=refiner and replace(refiner, checkpoint=facts.refiner or refiner.checkpoint),
        memory="auto",
        output=Output(),
    )


def infotext(request: ImageRequest, index: int, facts: Facts) -> str:
    """Return the text for one picture of a request."""
    if not request.paints:
        return _told_on(request)
    one = single(request, index, facts)
    pairs = _pairs(one)
    hashes = {"Model hash": facts.model_hash[:10], "VAE hash": facts.vae_hash[:10]}
    lists = {"Lora hashes": _hashes(facts.lora_hashes), "TI hashes": _hashes(facts.embedding_hashes)}
    # Every picture begins from noise made on the CPU, which A1111 says when it does.
    rest = {"RNG": "CPU", **lists, **facts.notes, "Version": VERSION}
    line = {**_before(pairs, hashes), **{key: value for key, value in rest.items() if key not in pairs}}
    words = [one.prompt, *([f"{NEGATIVE} {one.negative_prompt}"] if one.negative_prompt else [])]
    text = _joined(words, line)
    read = split(text)
    if (read.prompt, read.negative_prompt) != (one.prompt, one.negative_prompt):
        # Words that look like the rest of the text are told once more where nothing can be taken for anything else.
        text = _joined(words, {**line, EXACT_PROMPT: one.prompt, EXACT_NEGATIVE: one.negative_prompt})
    return text


def _told_on(request: ImageRequest) -> str:
    """Return the text of a picture that was only made larger: what it said before, and what became of it."""
    about = split(request.upscale.about if request.upscale else "")
    # What was done to it before is not what it is now.
    line = {key: value for key, value in about.pairs.items() if not key.startswith(("Postprocess ", "Version"))}
    line = {**line, **_postprocessed(request), "Version": VERSION}
    words = [about.prompt, f"{NEGATIVE} {about.negative_prompt}" if about.negative_prompt else ""]
    return _joined([text for text in words if text], line)


def _postprocessed(one: ImageRequest) -> dict[str, str]:
    """Return what is said of an enlargement; a factor, or a size where one was asked for."""
    found = {key: value for key, value in _written(one).items() if key.startswith("Postprocess ")}
    if "Postprocess upscale to" in found:
        del found["Postprocess upscale by"]
    return found


def tag(lora: Lora) -> str:
    """Return a LoRA as A1111's prompts name it."""
    if lora.text_weight is None or lora.text_weight == lora.weight:
        return f"<lora:{lora.name}:{_weight_text(lora.weight)}>"
    return f"<lora:{lora.name}:te={_weight_text(lora.text_weight)}:unet={_weight_text(lora.weight)}>"


def _weight_text(weight: float) -> str:
    """Return a weight as prompts take it, which know no exponents."""
    text = number_text(weight)
    return text if NUMBER.fullmatch(text) else f"{weight:.20f}".rstrip("0").rstrip(".")


def _pairs(one: ImageRequest) -> dict[str, str]:
    sampler, schedule = find_sampler(one.sampler, one.schedule)
    one = replace(one, sampler=sampler.name, schedule=schedule.label)
    if one.hires and one.hires.schedule:
        one = replace(one, hires=replace(one.hires, schedule=find_sampler(sampler.name, one.hires.schedule)[1].label))
    found = _written(one)
    if one.hires and not one.start:
        found["Denoising strength"] = found.pop("Hires denoising strength")
    return {key: value for key, value in found.items() if not key.startswith("Postprocess ")} | _postprocessed(one)


def _written(one: ImageRequest) -> dict[str, str]:
    found = {}
    for pair in PAIRS:
        part, *_ = pair.fields[0].rpartition(".")
        record = one
        for name in filter(None, part.split(".")):
            record = record and getattr(record, name)
        if record is None:
            continue
        values = tuple(getattr(record, name.rpartition(".")[2]) for name in pair.fields)
        if pair.always or values != pair.default:
            found[pair.key] = pair.write(*values)
    return found


def _before(pairs: Mapping[str, str], hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the pairs with each hash before the name of what it is the hash of."""
    found = {}
    for key, value in pairs.items():
        found.update({name: text for name, text in hashes.items() if name == f"{key} hash"})
        found[key] = value
    return found


def _hashes(hashes: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {digest[:12]}" for name, digest in hashes.items() if digest)


def _joined(words: list[str], line: Mapping[str, str]) -> str:
    kept = {key: value for key, value in line.items() if value or key in (EXACT_PROMPT, EXACT_NEGATIVE)}
    pairs = ", ".join(f"{key}: {_quoted(value)}" for key, value in kept.items())
    return "\n".join((*words, pairs))


def _quoted(value: str) -> str:
    plain = value and value == value.strip() and value[0] != '"' and not any(mark in value for mark in ",\n:")
    return value if plain else json.dumps(value, ensure_ascii=False)
