"""PyPI's `webuiapi` against a live service: every helper of it that needs no plug-in."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy
import pytest
import webuiapi
from PIL import Image, ImageDraw

from garret.demo_model.check import check_picture, matches
from tests.service_runtime.api.studio import progress, until
from tests.service_runtime.conftest import LOGIN, PASSWORD
from tests.service_runtime.living import Service

A1111, CLIENT = "A1111", "webuiapi 0.9.17"
CIRCLE, STAR = "a red circle on a white background", "a green star on a blue background"
SMALL = {"width": 64, "height": 64, "steps": 3}


@pytest.fixture
def api(studio: Service) -> Iterator[webuiapi.WebUIApi]:
    """The client as its readme makes one, with the login; what it chose is undone after the test."""
    client = webuiapi.WebUIApi(host=studio.host, port=studio.port, username=LOGIN, password=PASSWORD)
    yield client
    client.set_options({"sd_model_checkpoint": "", "samples_format": "png", "CLIP_stop_at_last_layers": 1})
    client.session.close()


def picture(colour: str = "red", size: int = 64) -> Image.Image:
    """Return a square with a frame."""
    image = Image.new("RGB", (size, size), colour)
    ImageDraw.Draw(image).rectangle((8, 8, size - 9, size - 9), outline="white")
    return image


@pytest.mark.compatible(A1111, CLIENT, "txt2img: seeds, batches, styles, a second pass")
def test_pictures_from_words(api: webuiapi.WebUIApi) -> None:
    """As many as were asked for, with their seeds; styles and a second pass are told of as A1111 does."""
    result = api.txt2img(prompt="a fox", negative_prompt="blue", seed=7, batch_size=2, cfg_scale=5, **SMALL)
    assert [image.size for image in result.images] == [(64, 64)] * 2
    assert result.info["all_seeds"] == [7, 8]
    assert result.info["sampler_name"] == "Euler a"
    assert result.image.info["parameters"] == result.info["infotexts"][0]
    styled = api.txt2img(
        prompt="a fox", styles=["ink"], seed=7, enable_hr=True, hr_scale=2, denoising_strength=0.5, **SMALL
    )
    assert styled.info["prompt"] == "ink drawing of a fox"
    assert styled.info["all_negative_prompts"] == ["colour"]
    assert styled.info["styles"] == ["ink"]
    assert styled.info["denoising_strength"] == 0.5
    assert styled.info["extra_generation_params"]["Hires upscaler"] == "Latent"
    assert styled.parameters["hires"]["scale"] == 2


@pytest.mark.compatible(A1111, CLIENT, "img2img and inpainting with a mask")
def test_pictures_from_a_picture(api: webuiapi.WebUIApi) -> None:
    """Whole, and where the mask is white."""
    result = api.img2img(images=[picture()], prompt="a fox", denoising_strength=0.6, seed=3, **SMALL)
    assert result.image.size == (64, 64)
    assert result.info["denoising_strength"] == 0.6
    assert result.parameters["init_images"] is None
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (16, 16, 48, 48))
    painted = api.img2img(
        images=[picture()], mask_image=mask, prompt="a fox", inpainting_fill=1, inpaint_full_res=False, mask_blur=2,
        include_init_images=True, **SMALL,
    )  # fmt: skip
    assert painted.info["extra_generation_params"]["Mask blur"] == "2"
    assert len(painted.parameters["init_images"]) == 1


@pytest.mark.compatible(A1111, CLIENT, "png_info")
def test_a_picture_tells_what_it_was_made_from(api: webuiapi.WebUIApi) -> None:
    """One of ours, and one that says nothing."""
    made = api.txt2img(prompt="a fox, red", negative_prompt="blue", seed=11, **SMALL)
    told = api.png_info(made.image)
    assert told.info == made.info["infotexts"][0]
    assert told.parameters["Prompt"] == "a fox, red"
    assert (told.parameters["Size-1"], told.parameters["Seed"], told.parameters["Clip skip"]) == ("64", "11", "1")
    assert api.png_info(picture()).info == ""


@pytest.mark.compatible(A1111, CLIENT, "options, util_set_model, util_get_current_model, util_wait_for_ready")
def test_a_model_is_chosen(api: webuiapi.WebUIApi) -> None:
    """By a name that is near enough; then pictures are made with it, and options sent back whole change nothing."""
    assert [title.split(".")[0] for title in api.util_get_model_names()] == ["second", "tiny"]
    api.util_set_model("secnd")
    assert api.util_get_current_model().startswith("second.safetensors")
    api.util_wait_for_ready(check_interval=0.1)
    assert api.txt2img(prompt="a fox", **SMALL).info["sd_model_name"] == "second"
    before = api.get_options()
    assert api.set_options(before) is None
    assert api.get_options() == before
    api.set_options({"samples_format": "jpg", "CLIP_stop_at_last_layers": 3})
    made = api.txt2img(prompt="a fox", **SMALL)
    assert (made.image.format, made.info["clip_skip"]) == ("JPEG", 3)
    restored = api.txt2img(prompt="a fox", override_settings={"samples_format": "webp"}, **SMALL)
    assert restored.image.format == "WEBP"
    assert api.get_options()["samples_format"] == "jpg"


@pytest.mark.compatible(A1111, CLIENT, "get_progress, interrupt, skip")
def test_a_long_job_is_watched_and_stopped(api: webuiapi.WebUIApi, studio: Service) -> None:
    """From another thread; the pictures that were done come back."""
    made: list[webuiapi.WebUIApiResult] = []
    for stop in (api.interrupt, api.skip):
        waiting = threading.Thread(target=lambda: made.append(api.txt2img(prompt="a fox", n_iter=8, **SMALL)))
        waiting.start()
        admin = webuiapi.WebUIApi(host=studio.host, port=studio.port, username=LOGIN, password=PASSWORD)
        until(lambda client=admin: client.get_progress()["state"]["job_no"] >= 1, "a picture")
        seen = admin.get_progress()
        assert 0 < seen["progress"] < 1
        assert seen["state"]["job_count"] == 8
        assert stop() == {}
        waiting.join(10)
        until(lambda client=admin: client.get_progress()["state"]["job_count"] == 0, "the end")
        admin.session.close()
    assert [1 <= len(one.images) < 8 for one in made] == [True, True]
    assert all(len(one.images) == len(one.info["all_seeds"]) for one in made)
    assert progress(studio)["state"]["job_count"] == 0


@pytest.mark.compatible(A1111, CLIENT, "lists: models, samplers, schedulers, upscalers, styles, embeddings, memory …")
def test_the_lists(api: webuiapi.WebUIApi) -> None:
    """Each with what its readers look for."""
    assert "Euler a" in api.util_get_sampler_names()
    assert {"automatic", "karras"} <= set(api.util_get_scheduler_names())
    assert api.get_upscalers()[0]["name"] == "None"
    assert "Latent (nearest-exact)" in [mode["name"] for mode in api.get_latent_upscale_modes()]
    assert [lora["name"] for lora in api.get_loras()] == ["heart"]
    assert api.get_prompt_styles() == [
        {"name": "ink", "prompt": "ink drawing of {prompt}", "negative_prompt": "colour"}
    ]
    embeddings = api.get_embeddings()
    assert (set(embeddings["loaded"]), set(embeddings["skipped"])) == ({"fine"}, {"old"})
    assert api.get_scripts() == {"txt2img": [], "img2img": []}
    assert api.get_memory()["ram"]["total"] > api.get_memory()["ram"]["used"] > 0
    assert api.get_memory()["cuda"]["system"]["total"] == 4 << 30
    assert api.get_cmd_flags()["api"] is True
    for empty in (api.get_sd_vae, api.get_hypernetworks, api.get_face_restorers, api.get_realesrgan_models):
        assert empty() == []
    assert api.refresh_checkpoints() is None
    assert len(api.get_sd_models()) == 2


@pytest.mark.compatible(A1111, CLIENT, "probing for ControlNet: none, and nothing breaks")
def test_controlnet_is_probed_for(api: webuiapi.WebUIApi) -> None:
    """Its helpers read that there is none; asked for in earnest, it is refused by name."""
    assert api.controlnet_version() == 0
    assert api.controlnet_model_list() == []
    assert api.controlnet_module_list() == ["none"]
    assert api.has_controlnet is False
    # The scripts are given here because the client writes its units into a default that all of its calls share.
    unit = webuiapi.ControlNetUnit(image=picture(), module="canny", model="canny [0123]")
    with pytest.raises(RuntimeError, match=r"501, .*alwayson_scripts: ControlNet"):
        api.txt2img(prompt="a fox", controlnet_units=[unit], alwayson_scripts={}, **SMALL)
    with pytest.raises(RuntimeError, match=r"501, .*controlnet"):
        api.controlnet_detect(images=[picture()])


@pytest.mark.incompatible(A1111, "interrogate, restore_faces, tiling", "501 with the reason: no model for it runs here")
def test_what_is_not_here_says_so(api: webuiapi.WebUIApi) -> None:
    """The client raises with the status and the reason."""
    for model in ("clip", "deepdanbooru"):
        with pytest.raises(RuntimeError, match=r"501, .*no model that describes pictures"):
            api.interrogate(picture(), model=model)
    with pytest.raises(RuntimeError, match=r"404, .*blip-9"):
        api.interrogate(picture(), model="blip-9")
    for field in ("restore_faces", "tiling"):
        with pytest.raises(RuntimeError, match=rf"501, .*{field}"):
            api.txt2img(prompt="a fox", **{field: True}, **SMALL)


@pytest.mark.compatible(A1111, CLIENT, "errors: RuntimeError with status and reason")
def test_errors_are_raised_with_their_reason(api: webuiapi.WebUIApi, studio: Service) -> None:
    """A wrong field by its name, a wrong password by its status."""
    with pytest.raises(RuntimeError, match=r"422, .*steps"):
        api.txt2img(prompt="a fox", steps=0, width=64, height=64)
    with pytest.raises(RuntimeError, match=r"404, .*tiny"):
        api.txt2img(prompt="a fox", override_settings={"sd_model_checkpoint": "nothing"}, **SMALL)
    stranger = webuiapi.WebUIApi(host=studio.host, port=studio.port, username=LOGIN, password="Wrong-horse-7")
    with pytest.raises(RuntimeError, match=r"401"):
        stranger.txt2img(prompt="a fox", **SMALL)
    stranger.session.close()


@pytest.mark.compatible(A1111, CLIENT, "strengths and masks as A1111 means them, seen on pictures of a real model")
def test_what_is_seen(painting: Service) -> None:
    """Words are followed, a little strength stays at the picture and much leaves it, and white is what is repainted."""
    api = webuiapi.WebUIApi(host=painting.host, port=painting.port, sampler="Euler", steps=8)
    asked = {"cfg_scale": 4, "seed": 3, "width": 128, "height": 128}
    circle = api.txt2img(prompt=CIRCLE, **asked)
    assert matches(CIRCLE, numpy.asarray(circle.image))
    for strength, shape in ((0.05, "circle"), (0.95, "star")):
        again = api.img2img([circle.image], prompt=STAR, denoising_strength=strength, **asked)
        assert check_picture(numpy.asarray(again.image)).shape == shape
    mask = Image.new("L", (128, 128), 0)
    mask.paste(255, (64, 0, 128, 128))
    half = api.img2img(
        [circle.image], prompt=STAR, mask_image=mask, denoising_strength=1, inpainting_fill=1, mask_blur=0,
        inpaint_full_res=False, **asked,
    )  # fmt: skip
    changed = numpy.asarray(half.image) != numpy.asarray(circle.image)
    assert (changed[:, 64:].any(), changed[:, :64].any()) == (True, False)
    pasted = painting.call("POST", "/sdapi/v1/txt2img", {"infotext": circle.info["infotexts"][0]})
    assert pasted.json["images"] == circle.json["images"]
    api.session.close()
