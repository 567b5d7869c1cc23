"""A1111's options are each caller's own, outlive a restart, and count less than what a request says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.api.a1111.chosen_options import ChosenOptions
from tests.service_runtime.api.drawn import picture, text_of
from tests.service_runtime.api.studio import other
from tests.service_runtime.living import Service, checkpoint, fake_settings, serving

A1111 = "A1111"


def options(service: Service) -> dict[str, Any]:
    """Return what a caller's options are."""
    return dict(service.call("GET", "/sdapi/v1/options").json)


def info(service: Service, **body: Any) -> dict[str, Any]:
    """Make a small picture, and return what is said of it."""
    answer = service.txt2img(prompt="a fox", **body)
    assert answer.status == 200, answer.json
    return dict(json.loads(answer.json["info"]))


@pytest.mark.compatible(A1111, "HTTP", "options of each caller's own")
def test_options_are_each_callers_own(studio: Service) -> None:
    """One caller's model is no other's, and what a request says counts more than both."""
    for one in (studio, other(studio)):
        assert options(one)["sd_model_checkpoint"].startswith("second")
    chosen = {"sd_model_checkpoint": "tiny", "CLIP_stop_at_last_layers": 2, "unheard": {"a": 1}, "sd_vae": None}
    assert studio.call("POST", "/sdapi/v1/options", chosen).json is None
    mine, others = info(studio), info(other(studio))
    assert (mine["sd_model_name"], mine["clip_skip"]) == ("tiny", 2)
    assert (others["sd_model_name"], others["clip_skip"]) == ("second", 1)
    assert info(studio, override_settings={"sd_model_checkpoint": "second"})["sd_model_name"] == "second"
    assert "unheard" not in options(studio)
    assert (
        studio.call("POST", "/sdapi/v1/options", {"sd_model_checkpoint": "", "CLIP_stop_at_last_layers": 1}).json
        is None
    )
    assert options(studio)["sd_model_checkpoint"].startswith("second")


def test_what_a_request_overrides_is_restored_unless_it_says_otherwise(studio: Service) -> None:
    """Krita's plug-in has its overrides kept; a request that is refused changes nothing."""
    override = {"CLIP_stop_at_last_layers": 3}
    keep = {"override_settings": override, "override_settings_restore_afterwards": False}
    assert info(studio, override_settings=override)["clip_skip"] == 3
    assert studio.txt2img(prompt="a fox", steps=0, **keep).status == 422
    assert options(studio)["CLIP_stop_at_last_layers"] == 1
    assert info(studio, **keep)["clip_skip"] == 3
    assert info(studio)["clip_skip"] == options(studio)["CLIP_stop_at_last_layers"] == 3
    assert options(other(studio))["CLIP_stop_at_last_layers"] == 1
    assert studio.call("POST", "/sdapi/v1/options", {"CLIP_stop_at_last_layers": 1}).json is None


def test_options_are_there_after_a_restart_and_gone_with_their_model(tmp_path: Path) -> None:
    """What a service before this one has written down counts, as long as the model is there."""
    settings = fake_settings(tmp_path)
    settings.state_dir.mkdir()
    checkpoint(settings.models_dir, "aside", fill=b"\1")
    path = settings.state_dir / "a1111-options.json"
    with serving(settings) as service:
        for chosen in ({"sd_model_checkpoint": "tiny"}, {"jpeg_quality": 40, "samples_format": "jpg"}):
            assert service.call("POST", "/sdapi/v1/options", chosen).json is None
        (mine,) = json.loads(path.read_text()).values()
        assert mine == {"sd_model_checkpoint": "tiny", "jpeg_quality": 40, "samples_format": "jpg"}
        assert ChosenOptions(path).of(next(iter(json.loads(path.read_text())))) == mine
        assert info(service)["sd_model_name"] == "tiny"
        (settings.models_dir / "Stable-diffusion" / "tiny.safetensors").unlink()
        assert info(service)["sd_model_name"] == "aside"
        assert options(service)["sd_model_checkpoint"].startswith("aside")


WRONG: list[tuple[str, Any, int]] = [
    ("sd_model_checkpoint", "nothing", 404),
    ("sd_model_checkpoint", 7, 422),
    ("sd_vae", "nothing", 400),
    ("CLIP_stop_at_last_layers", 0, 422),
    ("CLIP_stop_at_last_layers", "2", 422),
    ("samples_format", "tiff", 400),
    ("jpeg_quality", 101, 422),
    ("enable_pnginfo", "no", 422),
    ("initial_noise_multiplier", 2, 422),
]


@pytest.mark.parametrize(("name", "value", "status"), WRONG, ids=[f"{name}-{value}" for name, value, _ in WRONG])
def test_a_wrong_option_is_refused_whole(service: Service, name: str, value: Any, status: int) -> None:
    """By its name, and with it nothing of the body is taken."""
    answer = service.call("POST", "/sdapi/v1/options", {"jpeg_quality": 50, name: value})
    assert answer.status == status
    assert name in answer.json["errors"] or "nothing" in answer.json["errors"]
    assert options(service)["jpeg_quality"] == 90


def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    """A broken file of options is no reason not to make pictures; one of another version is read as far as it goes."""
    path = tmp_path / "options.json"
    for broken in ("{", "[]", '{"me": 3}'):
        path.write_text(broken)
        assert ChosenOptions(path).of("me") == {}
    path.write_text('{"me": {"jpeg_quality": 40, "unheard": 1}}')
    kept = ChosenOptions(path)
    assert kept.of("me") == {"jpeg_quality": 40}
    kept.change("me", {"jpeg_quality": 90})
    assert json.loads(path.read_text()) == {}


@pytest.mark.compatible(A1111, "HTTP", "infotext pasted into a request, explicit fields win")
def test_a_pasted_text_fills_what_is_not_said(service: Service) -> None:
    """The picture's own text makes it again; what the request says itself counts more."""
    first = service.call("POST", "/sdapi/v1/txt2img", {
        "prompt": "a fox, (red:1.2)", "negative_prompt": "blue", "seed": 77, "steps": 3, "cfg_scale": 4.5, "width": 128,
        "height": 64, "sampler_name": "DPM++ 2M", "scheduler": "karras", "subseed": 5, "subseed_strength": 0.2,
        "override_settings": {"CLIP_stop_at_last_layers": 2},
    })  # fmt: skip
    text = json.loads(first.json["info"])["infotexts"][0]
    again = service.call("POST", "/sdapi/v1/txt2img", {"infotext": text, "steps": None})
    assert again.pictures == first.pictures
    other_seed = service.call("POST", "/sdapi/v1/txt2img", {"infotext": text, "seed": 78, "prompt": "a cat"})
    told = json.loads(other_seed.json["info"])
    assert (told["seed"], told["prompt"], told["steps"], told["clip_skip"]) == (78, "a cat", 3, 2)
    hires = text.replace("Clip skip: 2", "Hires upscale: 2, Hires steps: 1, Hires upscaler: Latent")
    parameters = service.call("POST", "/sdapi/v1/txt2img", {"infotext": hires}).json["parameters"]
    assert (parameters["hires"]["scale"], parameters["hires"]["steps"]) == (2.0, 1)


def test_a_pasted_text_fills_what_repaints_a_picture(service: Service) -> None:
    """Where it begins and what of it is repainted; the pictures themselves come with the request."""
    sent = {"init_images": [text_of(picture())], "mask": text_of(picture(colour="white"))}
    first = service.call("POST", "/sdapi/v1/img2img", {
        **sent, "prompt": "a fox", "steps": 2, "width": 64, "height": 64, "seed": 3, "denoising_strength": 0.4,
        "resize_mode": 1, "mask_blur": 7, "inpainting_fill": 2, "inpaint_full_res": True, "mask_round": False,
        "inpaint_full_res_padding": 12, "initial_noise_multiplier": 1.1,
    })  # fmt: skip
    text = json.loads(first.json["info"])["infotexts"][0]
    again = service.call("POST", "/sdapi/v1/img2img", {**sent, "infotext": text})
    assert again.json["parameters"]["start"] == first.json["parameters"]["start"]
    assert again.pictures == first.pictures


def test_a_pasted_texts_model_is_found_by_name_or_hash(service: Service) -> None:
    """Under another name it is the same file; one that is not here is said so, unless the request names its own."""
    made = service.txt2img(prompt="a fox", seed=1)
    sha256 = service.call("GET", "/sdapi/v1/sd-models").json[0]["sha256"]
    text = json.loads(made.json["info"])["infotexts"][0]
    elsewhere = text.replace("Model: tiny", "Model: foreign")
    if sha256:
        known = elsewhere.replace("Model: foreign", f"Model hash: {sha256[:10]}, Model: foreign")
        assert info(service, infotext=known)["sd_model_name"] == "tiny"
    strange = elsewhere.replace("Model: foreign", "Model hash: 0123456789, Model: foreign")
    refused = service.txt2img(infotext=strange)
    assert (refused.status, refused.json["errors"].startswith("infotext: ")) == (404, True)
    assert info(service, infotext=strange, override_settings={"sd_model_checkpoint": "tiny"})
    assert service.txt2img(infotext="no text of a picture\0").status == 422
    assert service.txt2img(infotext=["x"]).status == 422
