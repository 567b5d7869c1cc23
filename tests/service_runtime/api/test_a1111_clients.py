"""What programs for A1111's API send, as they send it, and what they read of the answers.

SillyTavern, Open WebUI, the Krita plug-in of cyanic, Auto-Photoshop, and the sample program of the service that garret
follows. What they send was read in their sources: fields of their own, sides of any size, seeds as text.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
import requests
from PIL import Image, PngImagePlugin

from tests.service_runtime.api.studio import other
from tests.service_runtime.conftest import LOGIN, PASSWORD, basic
from tests.service_runtime.living import Answer, Service

A1111 = "A1111"
SMALL = {"width": 64, "height": 64, "steps": 2}


def picture_text(mode: str = "RGB", colour: Any = "red") -> str:
    """Return a picture as bare base64."""
    file = io.BytesIO()
    Image.new(mode, (64, 64), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def opened(answer: Answer) -> Image.Image:
    """Return a reply's first picture."""
    assert answer.status == 200, answer.json
    return Image.open(io.BytesIO(answer.pictures[0]))


@pytest.mark.compatible(A1111, "sample program of the Compute Nest service", "Basic login, txt2img, png-info")
def test_the_sample_program(studio: Service) -> None:
    """Its steps in its order; the tag of a data URI is neither there nor missed, and png-info's text is one."""
    url = f"http://{studio.host}:{studio.port}"
    headers = {"Authorization": basic(LOGIN, PASSWORD)}
    body = {"prompt": "puppy dog", "steps": 5, "width": 64, "height": 64}
    reply = requests.post(f"{url}/sdapi/v1/txt2img", json=body, headers=headers, timeout=30).json()
    for text in reply["images"]:
        image = Image.open(io.BytesIO(base64.b64decode(text.split(",", 1)[0])))
        asked = {"image": "data:image/png;base64," + text}
        told = requests.post(f"{url}/sdapi/v1/png-info", json=asked, headers=headers, timeout=30).json()
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", told.get("info"))
        kept = io.BytesIO()
        image.save(kept, "PNG", pnginfo=info)
        assert told["info"].startswith("puppy dog\nSteps: 5")
    assert requests.get(f"{url}/docs", headers=headers, timeout=30).status_code == 200
    assert requests.post(f"{url}/sdapi/v1/png-info", json=asked, timeout=30).status_code == 401


@pytest.mark.compatible(A1111, "SillyTavern", "ping, lists, model choice, generation, interrupt")
def test_sillytavern(studio: Service) -> None:
    """Its calls at the start, its choice of a model, and its body with fields of its own for the proxy."""
    for path in ("options", "upscalers", "latent-upscale-modes", "sd-vae", "samplers", "schedulers", "sd-models"):
        assert studio.call("GET", f"/sdapi/v1/{path}").status == 200
    (title,) = [one["title"] for one in studio.call("GET", "/sdapi/v1/sd-models").json if "second" in one["title"]]
    caller = other(studio)
    assert caller.call("POST", "/sdapi/v1/options", {"sd_model_checkpoint": title}).json is None
    idle = caller.call("GET", "/sdapi/v1/progress").json
    assert (idle["progress"], idle["state"]["job_count"]) == (0.0, 0)
    body = {
        "url": "http://127.0.0.1:7860", "auth": "user:pass", "prompt": "a fox", "negative_prompt": "",
        "sampler_name": "Euler a", "scheduler": "Karras", "steps": 2, "cfg_scale": 7, "width": 64, "height": 64,
        "restore_faces": False, "enable_hr": False, "hr_upscaler": "Latent", "hr_scale": 2, "hr_additional_modules": [],
        "denoising_strength": 0.7, "hr_second_pass_steps": 0, "clip_skip": 1,
        "override_settings": {"CLIP_stop_at_last_layers": 1}, "save_images": True, "send_images": True,
        "do_not_save_grid": False, "do_not_save_samples": False,
    }  # fmt: skip
    answer = caller.call("POST", "/sdapi/v1/txt2img", body)
    assert opened(answer).size == (64, 64)
    assert json.loads(answer.json["info"])["sd_model_name"] == "second"
    assert caller.call("POST", "/sdapi/v1/interrupt").status == 200
    caller.call("POST", "/sdapi/v1/options", {"sd_model_checkpoint": ""})


@pytest.mark.compatible(A1111, "Open WebUI", "whole dictionary of options sent back, generation")
def test_open_webui(studio: Service) -> None:
    """It reads all options, changes the model, and sends them all back; its header of no login is none."""
    caller = other(studio)
    options = caller.call("GET", "/sdapi/v1/options").json
    names = {one["model_name"]: one["title"] for one in caller.call("GET", "/sdapi/v1/sd-models").json}
    options["sd_model_checkpoint"] = names["second"]
    assert caller.call("POST", "/sdapi/v1/options", options).status == 200
    assert caller.call("GET", "/sdapi/v1/options").json == {
        **options, "sd_checkpoint_hash": caller.call("GET", "/sdapi/v1/sd-models").json[0]["sha256"]
    }  # fmt: skip
    answer = caller.call("POST", "/sdapi/v1/txt2img", {"prompt": "a fox", "batch_size": 1, **SMALL})
    assert json.loads(answer.json["info"])["sd_model_name"] == "second"
    caller.call("POST", "/sdapi/v1/options", {"sd_model_checkpoint": ""})
    assert studio.call("GET", "/sdapi/v1/options", Authorization="").status == 401


CYANIC_LISTS = (
    "options", "sd-models", "sd-vae", "samplers", "upscalers", "face-restorers", "prompt-styles", "scripts", "loras",
    "embeddings", "hypernetworks",
)  # fmt: skip


@pytest.mark.compatible(A1111, "Krita plug-in (cyanic)", "queue probe, lists, txt2img, img2img with a mask, progress")
def test_krita(studio: Service) -> None:
    """Behind a proxy that adds the login; settings come with each request, and are to stay."""
    caller = other(studio)
    assert caller.call("GET", "/queue/status").json["queue_size"] == 0
    for path in CYANIC_LISTS:
        assert caller.call("GET", f"/sdapi/v1/{path}").status == 200
    assert "deepbooru_sort_alpha" in caller.call("GET", "/sdapi/v1/options").json
    common = {
        "prompt": "a fox", "negative_prompt": "", "sampler_name": "DPM++ 2M", "seed": -1, "subseed": -1,
        "subseed_strength": 0.0, "CYANIC": {"results_below_layer_uuid": "5"}, "refiner": "None",
        "batch_size": 1, "n_iter": 1, "cfg_scale": 7.0, "restore_faces": False, "tiling": False,
        "styles": [], "override_settings": {
            "sd_model_checkpoint": "second", "sd_vae": "Automatic", "img2img_color_correction": True
        }, "override_settings_restore_afterwards": False, "save_images": False, "send_images": True,
        "alwayson_scripts": {}, "refiner_switch_at": 0.8, "steps": 2, "width": 77, "height": 65,
    }  # fmt: skip
    answer = caller.call("POST", "/sdapi/v1/txt2img", common)
    # A selection has any size: the picture is the next smaller one, and is told of as what was asked for.
    assert opened(answer).size == (72, 64)
    assert [json.loads(answer.json["info"])[side] for side in ("width", "height")] == [77, 65]
    assert caller.call("GET", "/sdapi/v1/options").json["sd_model_checkpoint"].startswith("second")
    mask = picture_text("L", 255)
    answer = caller.call("POST", "/sdapi/v1/img2img", {
        **common, "init_images": [picture_text()], "mask": mask, "mask_blur": 4, "denoising_strength": 0.5,
        "inpainting_fill": 1, "inpaint_full_res": False, "inpaint_full_res_padding": 32, "inpainting_mask_invert": 0,
        "resize_mode": 1, "include_init_images": False,
    })  # fmt: skip
    assert opened(answer).size == (72, 64)
    state = caller.call("GET", "/sdapi/v1/progress").json["state"]
    assert (state["skipped"], state["interrupted"]) == (False, False)
    caller.call("POST", "/sdapi/v1/options", {"sd_model_checkpoint": ""})


@pytest.mark.compatible(A1111, "Auto-Photoshop", "png-info, progress, lists, ControlNet probes, units switched off")
def test_auto_photoshop(studio: Service) -> None:
    """It sends its ControlNet units with every request, switched off where none is used."""
    assert studio.call("GET", "/sdapi/v1/progress?skip_current_image=false").json["current_image"] is None
    for path in ("loras", "embeddings", "scripts"):
        assert studio.call("GET", f"/sdapi/v1/{path}").status == 200
    for path in ("version", "model_list", "module_list?alias_names=true", "control_types", "settings"):
        assert studio.call("GET", f"/controlnet/{path}").status == 200
    assert studio.call("POST", "/sdapi/v1/options", {"inpainting_mask_weight": 0.7}).status == 200
    unit = {
        "enabled": False, "input_image": "", "mask": "", "module": "none", "model": "None", "weight": 1.0,
        "resize_mode": "Crop and Resize", "lowvram": False, "processor_res": 512, "threshold_a": 0, "threshold_b": 0,
        "guidance_start": 0, "guidance_end": 1, "guessmode": False,
    }  # fmt: skip
    body = {
        "prompt": "a fox", "negative_prompt": "", "original_prompt": "a fox", "original_negative_prompt": "",
        "selection_info": {"left": 0, "right": 64}, "init_images": [picture_text()], "denoising_strength": 0.7,
        "clip_skip": 1, "sampler_index": "Euler a", "batch_size": 1, "cfg_scale": 7, "seed": "77", "mask_blur": 4,
        "use_sharp_mask": False, "use_prompt_shortcut": False, "prompt_shortcut_ui_dict": {}, "uniqueDocumentId": "u",
        "mode": "img2img", "restore_faces": False, "tiling": False, "subseed": -1, "override_settings": {},
        "override_settings_restore_afterwards": True, "controlnet_units": [unit, unit],
        "alwayson_scripts": {"controlnet": {"args": [unit, unit]}, "ADetailer": {"args": [False, {}]}}, **SMALL,
    }  # fmt: skip
    answer = studio.call("POST", "/sdapi/v1/img2img", body)
    assert json.loads(answer.json["info"])["seed"] == 77
    told = studio.call(
        "POST", "/sdapi/v1/png-info", {"image": "data:image/png;base64," + answer.json["images"][0]}
    ).json
    assert told["info"] == json.loads(answer.json["info"])["infotexts"][0]
    larger = {
        "image": picture_text(), "resize_mode": 0, "upscaling_resize": "1.5", "upscaler_1": "Lanczos",
        "upscaler_2": "None", "extras_upscaler_2_visibility": 0, "gfpgan_visibility": 0, "codeformer_visibility": "0",
        "codeformer_weight": 0, "show_extras_results": True, "upscale_first": False,
    }  # fmt: skip
    made = studio.call("POST", "/sdapi/v1/extra-single-image", larger)
    assert Image.open(io.BytesIO(base64.b64decode(made.json["image"]))).size == (96, 96)
    unit["enabled"] = True
    assert studio.call("POST", "/sdapi/v1/img2img", body).status == 501
