"""The text in a picture's file says all that the picture was made from, in A1111's words, and is read back."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from garret.service_runtime.asked import (
    FILLS,
    RESIZES,
    UPSCALERS,
    Hires,
    Lora,
    Mask,
    Noise,
    Refiner,
    Shortcuts,
    Sizes,
    Start,
    Upscale,
    Variation,
)
from garret.service_runtime.infotext import Facts, infotext, single, tag
from garret.service_runtime.infotext_reader import request_fields, split
from garret.service_runtime.limits import MAXIMUM_FINAL_PIXELS, MAXIMUM_SECOND_SIDE, MAXIMUM_SEED
from garret.service_runtime.prompt.tags import take_tags
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import SAMPLERS, SCHEDULES
from tests.service_runtime.asking import ask

WORDS = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)
TRICKY = some.sampled_from(
    ["Negative prompt: a", "a\nNegative prompt: b", "\n", " ", "Steps: 1, Seed: 2, Size: 3x4", '"']
)
TEXTS = WORDS | TRICKY | some.tuples(WORDS, TRICKY, WORDS).map("\n".join)
NAMES = some.text(some.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)
SIDES = some.integers(8, 256).map(lambda eighths: eighths * 8)
DIGESTS = some.integers(0, 2**256 - 1).map("{:064x}".format)
SHARES = some.floats(0, 1)
SAMPLER_NAMES = some.sampled_from([one.name for one in SAMPLERS])
SCHEDULE_NAMES = some.sampled_from([one.name for one in SCHEDULES])
OR_NONE = some.just(0) | SIDES


def upto(most: float) -> some.SearchStrategy[float]:
    """Numbers from 0 on."""
    return some.floats(0, most)


MASKS = some.builds(
    Mask, DIGESTS, upto(64), some.booleans(), some.integers(0, 256), some.sampled_from(FILLS), some.booleans(),
    some.booleans(),
)  # fmt: skip


def begun(image: str, denoise: float, resize: str, noise: float, mask: Mask | None) -> Start:
    """A picture to begin from; nobody repaints only the mask of what is painted outward."""
    if mask and resize == "outpaint":
        mask = replace(mask, only_masked=False)
    return Start(image, denoise, resize, noise, mask)


STARTS = some.builds(begun, DIGESTS, SHARES, some.sampled_from(RESIZES), upto(1.5), some.none() | MASKS)
PASSES = some.builds(
    Hires, some.floats(1, 4), OR_NONE, OR_NONE, some.sampled_from(UPSCALERS), SHARES, some.integers(0, 150),
    upto(30), some.just("") | SAMPLER_NAMES, some.just("") | SCHEDULE_NAMES, TEXTS, TEXTS,
)  # fmt: skip
REFINERS = some.builds(
    Refiner, NAMES, some.sampled_from(["finish", "again"]), SHARES, SHARES, some.integers(0, 150), upto(10), upto(10)
)
ENLARGED = some.builds(
    Upscale, scale=some.floats(0.1, 2), upscaler=NAMES, crop=some.booleans(), second=some.just("") | NAMES,
    visibility=SHARES,
) | some.builds(
    Upscale, width=some.integers(1, 4096), height=some.integers(1, 4096), upscaler=NAMES, crop=some.just(True),
)  # fmt: skip
WHOLE = some.integers(0, 8192)


def possible(**fields: Any) -> ImageRequest:
    """Return a request; one that begins from a picture has no second pass, nor one that would make too much of it."""
    hires = fields["hires"]
    if fields["start"] or (hires and max(hires.size(fields["width"], fields["height"])) > MAXIMUM_SECOND_SIDE):
        hires = None
    upscale = fields["upscale"]
    painted = hires.size(fields["width"], fields["height"]) if hires else (fields["width"], fields["height"])
    if upscale and math.prod(upscale.size(*painted)) > MAXIMUM_FINAL_PIXELS:
        upscale = None
    return ImageRequest(**{**fields, "hires": hires, "upscale": upscale})


REQUESTS = some.builds(
    possible,
    checkpoint=NAMES, prompt=TEXTS, width=SIDES, height=SIDES, steps=some.integers(1, 150), cfg_scale=upto(50),
    seed=some.integers(0, MAXIMUM_SEED), negative_prompt=TEXTS,
    sampler=SAMPLER_NAMES, schedule=SCHEDULE_NAMES,
    batch_size=some.integers(1, 4), n_iter=some.integers(1, 4), clip_skip=some.integers(1, 12),
    sizes=some.builds(Sizes, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE),
    noise=some.builds(Noise, some.none() | SHARES, upto(9), upto(9), some.none() | upto(999), upto(2)),
    variation=some.builds(Variation, some.integers(0, MAXIMUM_SEED), SHARES, OR_NONE, OR_NONE),
    start=some.none() | STARTS, hires=some.none() | PASSES, refiner=some.none() | REFINERS,
    upscale=some.none() | ENLARGED,
    shortcuts=some.builds(Shortcuts, SHARES, SHARES, some.booleans()),
)  # fmt: skip
LORAS = some.lists(some.builds(Lora, NAMES, some.floats(-2, 2), some.none() | some.floats(-2, 2)), max_size=3)


def facts(request: ImageRequest, **more: object) -> Facts:
    """What the picture was made with, when it was just what was asked for."""
    words = [request.prompt, request.negative_prompt]
    words += [request.hires.prompt, request.hires.negative_prompt] if request.hires else []
    return Facts(request.checkpoint, "ab" * 32, *words, **more)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(REQUESTS, some.integers(0, 15), LORAS, some.just("") | NAMES)
def test_every_field_comes_back(request: ImageRequest, index: int, loras: list[Lora], vae: str) -> None:
    """Whatever the words and numbers, the text gives the request that makes this one picture again."""
    index %= request.count
    made = facts(request, loras=tuple(loras), vae=vae, notes={"Mode": "low-vram", "Odd": 'a, "b": c'})
    text = infotext(request, index, made)
    fields, rest = request_fields(text)
    assert ImageRequest.from_dict(fields) == single(request, index, made)
    assert (rest["Mode"], rest["Odd"], rest["Model hash"]) == ("low-vram", 'a, "b": c', "ababababab")


@given(TEXTS)
def test_any_text_is_read(text: str) -> None:
    """What is no infotext is all words; nothing that a file says makes the reader fail."""
    fields, rest = request_fields(text)
    assert isinstance(fields["prompt"], str)
    assert all(isinstance(value, str) for value in rest.values())


def test_the_text_is_a1111s() -> None:
    """The names, their order and the quotes are those that A1111 writes and its clients look for."""
    asked = ask(
        prompt="a red circle <lora:ink:0.5>", negative_prompt="blue\nsquare", width=128, cfg_scale=5.5, clip_skip=2,
        sampler="DPM++ 2M", schedule="karras", batch_size=2, hires=Hires(1.5, prompt="a: b", denoise=0.4),
        refiner=Refiner("ref", switch_at=0.7), variation=Variation(9, 0.25),
    )  # fmt: skip
    made = facts(asked, vae="fix", vae_hash="cd" * 32, lora_hashes={"ink": "ef" * 32, "b": "12" * 32})
    assert infotext(asked, 1, made) == (
        "a red circle <lora:ink:0.5>\nNegative prompt: blue\nsquare\n"
        "Steps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5.5, Seed: 1, Size: 128x64, "
        "Model hash: ababababab, Model: demo, VAE hash: cdcdcdcdcd, VAE: fix, Variation seed: 10, "
        "Variation seed strength: 0.25, Clip skip: 2, Hires upscale: 1.5, Hires upscaler: Latent, "
        'Hires prompt: "a: b", Refiner: ref, Refiner switch at: 0.7, Denoising strength: 0.4, RNG: CPU, '
        'Lora hashes: "ink: efefefefefef, b: 121212121212", Version: garret'
    )


def test_a1111s_own_text_is_read() -> None:
    """A text as A1111 1.10 writes it: known names become fields, what no request has is handed back beside them."""
    text = (
        "a cat, (best quality:1.2)\non a mat\nNegative prompt: dog\nSteps: 25, Sampler: DPM++ 2M Karras, CFG scale: 7, "
        "Seed: 3019384756, Size: 832x1216, Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Denoising strength: 0.35, "
        "Clip skip: 2, ENSD: 31337, Hires upscale: 1.5, Hires sampler: Use same sampler, "
        "Hires schedule type: SGM Uniform, "
        "Hires upscaler: Latent, Refiner: refiner_1.0 [7440042bbd], "
        'Refiner switch at: 0.8, Lora hashes: "ink: 0123456789ab", Steps again: x, Version: v1.10.1'
    )
    fields, rest = request_fields(text)
    assert fields == {
        "prompt": "a cat, (best quality:1.2)\non a mat", "negative_prompt": "dog", "steps": 25, "sampler": "DPM++ 2M",
        "schedule": "karras", "cfg_scale": 7.0, "seed": 3019384756, "width": 832, "height": 1216,
        "checkpoint": "sd_xl_base_1.0", "clip_skip": 2,
        "hires": {"scale": 1.5, "schedule": "sgm_uniform", "upscaler": "Latent", "denoise": 0.35},
        "refiner": {"checkpoint": "refiner_1.0", "switch_at": 0.8},
    }  # fmt: skip
    assert rest == {
        "Model hash": "31e35c80fc", "ENSD": "31337", "Lora hashes": "ink: 0123456789ab", "Steps again": "x",
        "Version": "v1.10.1",
    }  # fmt: skip


def test_a_picture_to_begin_from_is_only_named_by_a_digest_of_ours() -> None:
    """A1111's short hash finds no picture on this node: strength and hash are handed back, not half a part."""
    fields, rest = request_fields(
        "a\nSteps: 4, Seed: 1, Denoising strength: 0.5, Init image hash: abc123, Mask blur: 4"
    )
    assert set(fields) == {"prompt", "negative_prompt", "steps", "seed"}
    assert rest == {"Denoising strength": "0.5", "Init image hash": "abc123", "Mask blur": "4"}


def test_a_wrong_value_is_handed_back() -> None:
    """A number that is none is no field; the others are read all the same."""
    fields, rest = request_fields("a\nSteps: many, Seed: 7, Size: 64 by 64, CFG scale: nan, Sampler: Imaginary")
    assert fields == {"prompt": "a", "negative_prompt": "", "seed": 7, "sampler": "Imaginary"}
    assert rest == {"Steps": "many", "Size": "64 by 64", "CFG scale": "nan"}


def test_words_that_look_like_more_are_told_twice() -> None:
    """A prompt with a line "Negative prompt:" in it reads as before in other programs, and exactly in ours."""
    asked = replace(ask(), prompt="sign\nNegative prompt: x")
    text = infotext(asked, 0, facts(asked))
    assert text.endswith('Exact prompt: "sign\\nNegative prompt: x", Exact negative prompt: ""')
    assert split(text).prompt == asked.prompt
    assert split(text).negative_prompt == ""


def test_a_lora_is_told_as_a_tag() -> None:
    """One weight where it is one, both by name where the text encoders have their own."""
    assert tag(Lora("ink", 0.5)) == "<lora:ink:0.5>"
    assert tag(Lora("ink", 1, 0.25)) == "<lora:ink:te=0.25:unet=1>"
    for weight in (0.1 + 0.2, 1 / 3, -1e-05, 1e-30):
        (read,) = take_tags(tag(Lora("ink", weight)))[1]
        assert (read.problem, read.weight) == ("", pytest.approx(weight, abs=1e-20))
    asked = ask(prompt="a", loras=(Lora("ink", 0.5),))
    assert infotext(asked, 0, facts(asked, loras=asked.loras)).startswith("a <lora:ink:0.5>\nSteps: 4")
    assert json.dumps(single(asked, 0, facts(asked, loras=asked.loras)).to_dict()["loras"]) == "[]"


def test_a_picture_that_is_only_made_larger_goes_on_saying_what_it_was_made_from() -> None:
    """What it said of itself, and what became of it, in A1111's words; without any text only the latter."""
    upscale = Upscale("ab" * 32, "tiny", second="Lanczos", visibility=0.25)
    asked = ask(checkpoint="", prompt="", upscale=upscale)
    ours = "Postprocess upscale by: 2, Postprocess upscaler: tiny, Postprocess upscaler 2: Lanczos, "
    ours += "Postprocess upscaler 2 visibility: 0.25, Version: garret"
    assert infotext(asked, 0, Facts("tiny")) == ours
    about = "a cat\nNegative prompt: dog\nSteps: 4, Sampler: Euler, Postprocess upscaler: X, Version: v1.10.1"
    told = infotext(replace(asked, upscale=replace(upscale, about=about)), 0, Facts("tiny"))
    assert told == f"a cat\nNegative prompt: dog\nSteps: 4, Sampler: Euler, {ours}"


@pytest.mark.parametrize(
    "piece",
    [" ", "a", "a ", "ab: ", 'aa:"', 'aa: "x', 'aa:"\\\\', "a:b,", 'aa:"x",', "a" + " " * 59, "\t\x0b", "aa:\n"],
)
def test_no_text_takes_long_to_read(piece: str) -> None:
    """A megabyte of anything, in a text that anybody may send; one pattern with a blank too many took hours."""
    began = time.process_time()
    request_fields("words\n" + piece * (1_000_000 // len(piece)) + "!")
    assert time.process_time() - began < 2
