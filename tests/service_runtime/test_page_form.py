"""What a form's values become, and what goes back into it from a picture."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.asked import Hires, Lora, Noise, Refiner, Start, Variation
from garret.service_runtime.errors import BadRequest, Busy, ModelError, NotFound, ServiceError, UnknownChoice
from garret.service_runtime.gallery import Shown
from garret.service_runtime.limits import check_number, check_side, check_whole
from garret.service_runtime.models import HashCache, Models
from garret.service_runtime.page.faults import fault_of
from garret.service_runtime.page.fields import named, unless_automatic
from garret.service_runtime.page.filling import changed_model
from garret.service_runtime.page.form_values import body_of, paths_of
from garret.service_runtime.page.reuse import request_of, usual_of, values_of
from garret.service_runtime.request import ImageRequest
from tests.service_runtime.living import fake_settings

ASKED = ImageRequest("tiny", "a fox", 512, 768, 20, 6.0, 7)
KNOWN = ("prompt", "width", "steps", "seed", "refiner.mode", "refiner.strength", "hires.on", "hires.scale", "vae")


@pytest.mark.parametrize(("shown", "meant"), [("自动", None), ("Automatic", None), ("无", "None"), ("mine", "mine")])
def test_a_choice_that_is_no_name_is_meant_in_every_language(shown: str, meant: str | None) -> None:
    """A browser keeps what was seen, and may show the page in another language afterwards."""
    assert unless_automatic(shown) == meant
    assert named(shown) == (meant or "Automatic")


def test_what_is_empty_is_the_services_choice() -> None:
    """Parts are there when they are switched on; a seed is read to its last digit."""
    said = {"prompt": "a fox", "steps": None, "vae": "", "seed": " 12345678901234567 ", "refiner.mode": "off"}
    off = {"refiner.strength": 0.2, "hires.on": False, "hires.scale": 2.0}
    assert body_of({**said, **off}) == {"prompt": "a fox", "seed": 12345678901234567}
    on = body_of({**said, **off, "hires.on": True, "refiner.mode": "again"})
    assert on["hires"] == {"scale": 2.0}
    assert on["refiner"] == {"mode": "again", "strength": 0.2}


@pytest.mark.parametrize("seed", ["x", "1.5", "", "9" * 50])
def test_a_seed_that_is_none_is_refused_by_its_name(seed: str) -> None:
    """An empty one is any."""
    if not seed:
        assert body_of({"seed": seed}) == {}
        return
    with pytest.raises(BadRequest) as refused:
        body_of({"seed": seed} if len(seed) < 9 else {"seed": "1" + "x" * 50})
    assert refused.value.field == "seed"


@pytest.mark.parametrize("rest", ["{", "[1]", "null", 7, None])
def test_a_rest_that_is_no_object_is_nothing(rest: Any) -> None:
    """Whoever wrote it there."""
    assert body_of({"prompt": "a", "rest": rest}) == {"prompt": "a"}


def test_a_request_goes_into_a_form_and_out_again() -> None:
    """Also what the form has no control for, and LoRAs as tags of the prompt."""
    asked = ImageRequest(
        "tiny", "a fox", 512, 768, 20, 6.0, 2**62, loras=(Lora("ink", 0.8), Lora("b", 0.5, 1.0)),
        hires=Hires(scale=1.5, prompt="again"), refiner=Refiner(mode="again"), noise=Noise(eta=0.5),
    )  # fmt: skip
    values = values_of(asked.to_dict(), KNOWN, begins=())
    assert values["prompt"] == "a fox <lora:ink:0.8> <lora:b:1:0.5>"
    assert values["hires.on"] is True
    assert values["refiner.mode"] == "again"
    rest = json.loads(values["rest"])
    assert rest["noise.eta"] == 0.5
    assert rest["hires.prompt"] == "again"
    body = body_of(values)
    assert ImageRequest.from_dict({**body, "sampler": "Euler"}) == ImageRequest.from_dict(
        {**asked.to_dict(), "prompt": values["prompt"], "loras": ()}
    )


def test_what_a_picture_does_not_say_is_as_usual() -> None:
    """Nothing of the picture before stays; of parts that a form has not, nothing comes."""
    said = {"prompt": "a dog", "hires": {"scale": 2.0}, "start": {"image": "0" * 64, "denoise": 0.3}}
    values = values_of(said, ("prompt", "refiner.mode", "refiner.strength", "n_iter"), begins=())
    assert values["refiner.mode"] == "off"
    assert values["refiner.strength"] == usual_of("refiner.strength") == Refiner.strength
    assert values["n_iter"] == 1
    assert values["rest"] == ""
    begun = values_of(said, ("prompt", "start.image", "start.denoise"), begins=("start.image", "start.denoise"))
    assert begun["start.denoise"] == 0.3


def test_parts_have_their_paths() -> None:
    """A mask lies within the start."""
    found = paths_of(ImageRequest("tiny", "", 512, 512, 1, 1.0, 1, start=Start("0" * 64)).to_dict())
    assert found["start.denoise"] == 0.75
    assert "start.mask" not in found
    assert "hires.on" not in found


def test_one_picture_of_a_job_has_its_own_seed() -> None:
    """Counted on; with a variation the other seed is."""
    many = ImageRequest("tiny", "", 512, 512, 1, 1.0, 7, n_iter=4)
    shown: Any = Shown("0" * 32, 2, None, many, None, 0.0, None)  # type: ignore[arg-type]
    assert (request_of(shown).seed, request_of(shown).count) == (9, 1)
    varied = ImageRequest("tiny", "", 512, 512, 1, 1.0, 7, n_iter=4, variation=Variation(3, 0.5))
    shown = Shown("0" * 32, 2, None, varied, None, 0.0, None)  # type: ignore[arg-type]
    assert (request_of(shown).seed, request_of(shown).variation.seed) == (7, 5)


def test_another_model_brings_its_own_size(tmp_path: Path) -> None:
    """In the same proportions; what was changed by hand stays."""
    settings = fake_settings(tmp_path)
    shutil.copyfile(demo_model.WEIGHTS, settings.models_dir / "Stable-diffusion" / "demo.safetensors")
    models = Models(settings.models_dir, demo_model.CONFIG.parent, HashCache(tmp_path / "hashes.sqlite"))
    form: Any = SimpleNamespace(kind="create", service=SimpleNamespace(models=models, settings=settings))
    values = {"width": 832.0, "height": 1216.0, "steps": 30, "cfg_scale": 6.0}
    width, height, steps, guidance, native, told = asyncio.run(changed_model(form, "demo", "1024", values))
    assert (width, height, steps, guidance, native) == (104, 152, 8, 3.0, "128")
    assert "garret-sizes" in told
    by_hand = {**values, "width": None, "steps": 17, "cfg_scale": 4.5}
    for update in (asyncio.run(changed_model(form, "demo", "1024", by_hand))[at] for at in (0, 2, 3)):
        assert "value" not in update
    same = asyncio.run(changed_model(form, "tiny", "1024", values))
    assert "value" not in same[0]


def _refusal(check: Any, *values: Any) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        check(*values)
    return refused.value


def test_faults_are_said_with_the_pages_own_names() -> None:
    """In both languages, with what to give instead."""
    wide = _refusal(check_side, "width", 100)
    assert fault_of("en", wide) == {"text": "Width: 100 is not a multiple of 8; try 96.", "field": "width"}
    assert fault_of("zh", wide)["text"] == "“宽度”：100 不是 8 的倍数，可改用 96。"  # noqa: RUF001
    assert "1 到 150" in fault_of("zh", _refusal(check_whole, "steps", 500, 1, 150))["text"]
    assert "0 to 50" in fault_of("en", _refusal(check_number, "cfg_scale", 99.0, 0, 50))["text"]
    absent = UnknownChoice("vae", "no VAE is called 'x'", "There are: a, b")
    assert fault_of("en", absent)["text"] == "VAE: there is no “x” on this machine. There are: a, b."


def test_a_model_that_is_not_there_is_the_models_fault(tmp_path: Path) -> None:
    """Of its field; without any model the page says where they come from, and no folder's name."""
    models = Models(fake_settings(tmp_path).models_dir, tmp_path, HashCache(tmp_path / "hashes.sqlite"))
    gone = fault_of("en", _refusal(models.usable_checkpoint, "gone"))
    assert gone == {"text": "Model: there is no “gone” on this machine. There are: tiny.", "field": "checkpoint"}
    (models.folder("checkpoint") / "tiny.safetensors").unlink()
    none = fault_of("zh", _refusal(models.usable_checkpoint))
    assert none["field"] == "checkpoint"
    assert str(tmp_path) not in none["text"]


def test_faults_that_have_no_words_are_quoted() -> None:
    """After words that say what they are; what has words says when to try again."""
    odd = fault_of("zh", BadRequest("steps", "is odd", "Make it even"))
    assert odd == {"text": "“步数”：服务说明（英文）：is odd. Make it even", "field": "steps"}  # noqa: RUF001
    assert fault_of("en", Busy("full", retry_after=9))["text"] == "The queue is full. Try again in 9 s."
    assert "9 秒" in fault_of("zh", Busy("full", retry_after=9))["text"]
    for error in (ModelError("x is broken"), NotFound("x is not there"), ServiceError("x")):
        assert fault_of("en", error)["text"] != fault_of("zh", error)["text"]
        assert "x" in fault_of("zh", error)["text"]
