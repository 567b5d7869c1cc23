"""The fields of A1111's txt2img, as the request that they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.api.a1111.fields import parse_txt2img
from garret.service_runtime.api.a1111.numbers import with_numbers
from garret.service_runtime.api.a1111.schema import IMG2IMG, TXT2IMG
from garret.service_runtime.asked import Hires, Noise, Output, Refiner, Variation
from garret.service_runtime.errors import BadRequest, NotBuilt, UnknownChoice
from garret.service_runtime.models import Model
from garret.service_runtime.request import ImageRequest


def parse(**body: Any) -> ImageRequest:
    """Return the request of a body."""
    return parse_txt2img(body, lambda name: Model(name or "demo", "checkpoint", Path("/demo"), 1, 1, "sdxl"))


def test_nothing_said_is_nothing_asked() -> None:
    """Whether fields are left out or null, or hold what clients write instead."""
    plain = parse(seed=1)
    names = "styles eta s_churn s_tmax subseed subseed_strength enable_hr hr_scale refiner_checkpoint override_settings"
    assert parse(seed=1, **dict.fromkeys(names.split())) == plain
    empty = parse(seed=1, refiner_checkpoint="None", seed_resize_from_w=-1, seed_resize_from_h=0, s_tmax=0, s_noise=1)
    assert empty == plain
    assert (plain.noise, plain.variation, plain.hires, plain.refiner) == (Noise(), Variation(), None, None)


def test_samplers_are_told_of_noise() -> None:
    """With eta as it is sent; a highest level of 0 means none."""
    asked = parse(eta=0.5, s_churn=3, s_tmin=0.1, s_tmax=20, s_noise=1.01)
    assert asked.noise == Noise(0.5, 3.0, 0.1, 20.0, 1.01)


def test_a_variation_and_another_size_of_a_seed() -> None:
    """A subseed of -1 is any, and without a strength there is none."""
    asked = parse(seed=5, subseed=9, subseed_strength=0.25, seed_resize_from_w=512, seed_resize_from_h=768, n_iter=2)
    assert asked.variation == Variation(9, 0.25, 512, 768)
    assert [asked.seed_of(1), asked.variation_seed_of(1)] == [5, 10]
    assert parse(subseed=9).variation == Variation()
    assert parse(subseed_strength=0.5).variation.seed >= 0


def test_a_second_pass_by_scale_or_by_size() -> None:
    """One side alone gives the other in proportion; a size of the first phase makes the asked one the second's."""
    assert parse(enable_hr=True).hires == Hires(denoise=0.75)
    asked = parse(width=512, height=768, enable_hr=True, hr_resize_x=1024).hires
    assert asked is not None
    assert (asked.width, asked.height, asked.size(512, 768)) == (1024, 0, (1024, 1536))
    old = parse(width=1024, height=1536, enable_hr=True, firstphase_width=512)
    assert old.hires is not None
    assert (old.width, old.height, old.hires.width, old.hires.height) == (512, 768, 1024, 1536)
    told = parse(
        enable_hr=True,
        hr_scale=1.5,
        hr_upscaler="Latent (nearest)",
        denoising_strength=0.4,
        hr_second_pass_steps=12,
        hr_sampler_name="DPM++ 2M Karras",
        hr_prompt="finer",
        hr_negative_prompt="blur",
        hr_cfg=4,
    ).hires
    assert told == Hires(1.5, 0, 0, "Latent (nearest)", 0.4, 12, 4.0, "DPM++ 2M", "karras", "finer", "blur")
    same = parse(enable_hr=True, hr_sampler_name="Use same sampler", hr_scheduler="Use same scheduler").hires
    assert same == Hires(denoise=0.75)
    spaced = parse(enable_hr=True, hr_scheduler="SGM Uniform").hires
    assert spaced is not None
    assert (spaced.sampler, spaced.schedule) == ("", "sgm_uniform")


def test_a_refiner_takes_over() -> None:
    """After 0.8 of the steps where nothing is said, and not at all after the last one."""
    assert parse(refiner_checkpoint="refiner").refiner == Refiner("refiner", switch_at=0.8)
    assert parse(refiner_checkpoint="refiner", refiner_switch_at=0.6).refiner == Refiner("refiner", switch_at=0.6)
    assert parse(refiner_checkpoint="refiner", refiner_switch_at=1).refiner is None


def test_settings_of_one_request() -> None:
    """The model, its VAE, clip skip, the file's form; what is unknown here is left alone."""
    override = {
        "sd_model_checkpoint": "other",
        "sd_vae": "soft.safetensors",
        "CLIP_stop_at_last_layers": 2,
        "samples_format": "jpg",
        "jpeg_quality": 80,
        "eta_noise_seed_delta": 31337,
    }
    asked = parse(override_settings=override, styles=["ink", "night"])
    assert (asked.checkpoint, asked.vae, asked.clip_skip) == ("other", "soft.safetensors", 2)
    assert asked.output == Output("jpeg", 80)
    assert asked.styles == ("ink", "night")


@pytest.mark.parametrize(
    ("body", "kind", "field"),
    [
        ({"enable_hr": True, "hr_scale": 9}, BadRequest, "hr_scale"),
        ({"enable_hr": True, "hr_resize_x": 63}, BadRequest, "hr_resize_x"),
        ({"enable_hr": True, "hr_sampler_name": "Elder"}, UnknownChoice, "hr_sampler_name"),
        ({"enable_hr": True, "hr_scheduler": "cosine"}, UnknownChoice, "hr_scheduler"),
        ({"enable_hr": True, "denoising_strength": 2}, BadRequest, "denoising_strength"),
        ({"enable_hr": True, "hr_checkpoint_name": "other"}, NotBuilt, "hr_checkpoint_name"),
        ({"seed_resize_from_w": 40}, BadRequest, "seed_resize_from_w"),
        ({"s_churn": -1}, BadRequest, "s_churn"),
        ({"override_settings": {"CLIP_stop_at_last_layers": 13}}, BadRequest, "CLIP_stop_at_last_layers"),
        ({"override_settings": {"samples_format": "gif"}}, UnknownChoice, "samples_format"),
        ({"sampler_name": "DPM adaptive"}, UnknownChoice, "sampler_name"),
        ({"restore_faces": True}, NotBuilt, "restore_faces"),
    ],
)
def test_what_is_wrong_is_named_as_this_dialect_calls_it(body: dict[str, Any], kind: type, field: str) -> None:
    """So that a client's author finds it."""
    with pytest.raises(kind, match=f"^{field}: "):
        parse(**body)


def test_every_field_is_explained() -> None:
    """The page names each that the schema has, but for those that every door has under the same name."""
    text = (Path(__file__).parents[2] / "docs/api/a1111.md").read_text("utf-8")
    section = text.partition("## txt2img")[2].partition("\n## ")[0]
    fields = TXT2IMG["properties"]
    shared = "prompt negative_prompt width height steps cfg_scale seed batch_size n_iter sampler_name scheduler"
    assert [name for name in fields if f"`{name}`" not in section and name not in shared.split()] == []


def test_numbers_that_come_as_text_are_read() -> None:
    """Plain ones, where a number belongs; all else is refused under its name, or is text."""
    body = with_numbers(
        {"seed": "-1", "steps": " 20 ", "cfg_scale": "6.5", "width": "64.0", "prompt": "7", "n_iter": "1e2"}, IMG2IMG
    )
    assert body == {"seed": -1, "steps": 20, "cfg_scale": 6.5, "width": "64.0", "prompt": "7", "n_iter": "1e2"}
    assert with_numbers({"seed": "9" * 5000, "steps": None, "init_images": ["1"]}, IMG2IMG)["seed"] == "9" * 5000


def test_a_side_is_cut_to_a_multiple_of_8() -> None:
    """As A1111 does it; what is too small stays what it is."""
    asked = parse(width=1001, height=71, enable_hr=True, hr_resize_x=1999)
    assert (asked.width, asked.height, asked.hires and asked.hires.width) == (1000, 64, 1992)
    with pytest.raises(BadRequest, match="width: 63 is out of range"):
        parse(width=63)
