"""The real engine on the demo model: loading, seeds, samplers, switching, stopping."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.demo_model.check import matches
from garret.service_runtime.asked import Hires, Refiner, Variation
from garret.service_runtime.batch import Batch, Picture, Used
from garret.service_runtime.engine.base import Image, Step
from garret.service_runtime.errors import ModelError
from garret.service_runtime.samplers import SAMPLERS
from tests.service_runtime.asking import batch_of, other
from tests.service_runtime.living import SDXL_TENSORS, fake_settings, safetensors_bytes, serving

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")

BATCH = batch_of(demo_model.WEIGHTS, Picture("a red circle", "", 1), steps=3)
WORDS = (
    Picture("a red circle on a blue background", "", 11),
    Picture("a green star", "blue", 12),
    Picture("", "", 13),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An engine on the CPU with the demo model's configuration."""
    from garret.service_runtime.engine.sdxl import SdxlEngine

    engine = SdxlEngine("cpu", demo_model.CONFIG)
    assert engine.setup(demo_model.WEIGHTS) == "cpu"
    yield engine
    engine.close()


def pictures(engine: Any, batch: Batch) -> list[Any]:
    """Return a batch's pictures as arrays, in order."""
    images = [event for event in engine.run(batch) if isinstance(event, Image)]
    assert [image.index for image in images] == list(range(len(batch.pictures)))
    return [
        numpy.frombuffer(image.rgb, numpy.uint8).reshape(image.height, image.width, 3).astype(int) for image in images
    ]


def loaded_paths(engine: Any) -> list[str]:
    """Return the paths of the models in memory, the one used last at the end."""
    return list(engine.loaded())


def difference(one: Any, other: Any) -> int:
    """Return the largest difference of two pictures in levels of 255."""
    return int(abs(one - other).max())


def test_it_is_what_the_plain_pipeline_makes(engine: Any) -> None:
    """The same picture as diffusers' own pipeline, asked the usual way."""
    import torch
    from diffusers import StableDiffusionXLPipeline

    plain = StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, add_watermarker=False
    )
    plain.set_progress_bar_config(disable=True)
    for picture in WORDS:
        expected = plain(
            picture.prompt,
            negative_prompt=picture.negative_prompt or None,
            width=128,
            height=64,
            num_inference_steps=3,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(picture.seed),
            output_type="np",
        ).images[0]
        (made,) = pictures(engine, other(BATCH, width=128, pictures=(picture,)))
        assert made.shape == (64, 128, 3)
        assert difference(made, (expected * 255).round().astype(int)) <= 1


def test_a_picture_is_the_same_alone_and_in_a_batch(engine: Any) -> None:
    """Also beside others with a negative prompt, and with a sampler that draws noise at every step."""
    for sampler in ("Euler", "Euler a"):
        batch = other(BATCH, sampler=sampler, pictures=WORDS)
        together = pictures(engine, batch)
        for index, picture in enumerate(WORDS):
            (alone,) = pictures(engine, other(batch, pictures=(picture,)))
            assert difference(together[index], alone) <= 2
    assert difference(together[0], together[1]) > 20


@pytest.mark.parametrize("sampler", [entry.name for entry in SAMPLERS])
def test_every_sampler_of_the_table_draws_what_was_asked(engine: Any, sampler: str) -> None:
    """Steps are counted to their total, and the picture shows the words."""
    picture = Picture("a green star on a white background", "", 2)
    batch = other(BATCH, sampler=sampler, width=128, height=128, steps=16, pictures=(picture,))
    events = list(engine.run(batch))
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.done for step in steps] == list(range(1, steps[-1].total + 1))
    image = events[-1]
    assert isinstance(image, Image)
    pixels = numpy.frombuffer(image.rgb, numpy.uint8).reshape(image.height, image.width, 3)
    assert matches(picture.prompt, pixels)


def test_a_variation_is_the_nearer_the_smaller_its_share(engine: Any) -> None:
    """Of another seed's noise; all of it is the other seed's picture."""
    plain, far = (pictures(engine, other(BATCH, pictures=(Picture("a circle", "", seed),)))[0] for seed in (1, 9))

    def varied(share: float) -> Any:
        changed = other(BATCH, variation=Variation(9, share), pictures=(Picture("a circle", "", 1, 9),))
        return pictures(engine, changed)[0]

    assert difference(varied(1.0), far) <= 1
    near, middle = (float(abs(varied(share) - plain).mean()) for share in (0.05, 0.5))
    assert 0 < near < middle


def test_karras_spacing_is_another_picture(engine: Any) -> None:
    """The schedule reaches the scheduler."""
    plain, karras = (pictures(engine, other(BATCH, sampler="DPM++ 2M", schedule=name)) for name in ("normal", "karras"))
    assert difference(plain[0], karras[0]) > 2


def test_no_guidance_means_no_negative_prompt(engine: Any) -> None:
    """At a guidance of 1 half the work is left out."""
    first, second = (
        pictures(engine, other(BATCH, cfg_scale=1.0, pictures=(Picture("a circle", negative, 1),)))
        for negative in ("", "blue")
    )
    assert difference(first[0], second[0]) == 0


def test_words_of_any_length_are_read(engine: Any) -> None:
    """The last of a hundred words makes another picture."""
    first, second = (drawn(engine, "a circle, " * 40 + last) for last in ("red", "blue"))
    assert difference(first, second) > 20


def drawn(engine: Any, prompt: str, negative: str = "") -> Any:
    """Return the picture of these words."""
    return pictures(engine, other(BATCH, steps=4, pictures=(Picture(prompt, negative, 5),)))[0]


def test_prompts_are_read_as_they_are_meant(engine: Any) -> None:
    """Changes come at their steps, turns are taken, AND adds guidance, weights weigh; negative prompts do, too."""
    red, blue = (drawn(engine, words) for words in ("a red circle", "a blue star"))
    assert difference(drawn(engine, "[a red circle:a blue star:0]"), blue) == 0
    assert difference(drawn(engine, "[a red circle:a blue star:1.0]"), red) == 0
    assert difference(drawn(engine, "[a red circle|a red circle]"), red) == 0
    assert difference(drawn(engine, "a red circle AND a blue star:0"), red) == 0
    assert difference(drawn(engine, "a red circle", "[green:green:2]"), drawn(engine, "a red circle", "green")) == 0
    for prompt in (
        "[a red circle:a blue star:0.5]",
        "[a red circle|a blue star]",
        "a red circle AND a blue star",
        "a (red:1.6) circle",
    ):
        made = drawn(engine, prompt)
        assert difference(made, red) > 2
        assert difference(made, blue) > 2
    many = tuple(Picture(prompt, "", 5) for prompt in ("a [red|blue] circle", "a star AND a circle, " * 30, "a star"))
    together = pictures(engine, other(BATCH, pictures=many))
    for picture, beside in zip(many, together, strict=True):
        assert difference(pictures(engine, other(BATCH, pictures=(picture,)))[0], beside) <= 2


def test_a_second_pass_reads_what_is_meant_for_it(engine: Any) -> None:
    """Shares from 1 and steps after the first pass's are its own; they say the same as words of its own."""
    twice = other(BATCH, steps=3, hires=Hires(scale=1.5, steps=4, denoise=0.6))

    def second(prompt: str, again: str = "", negative_again: str = "") -> Any:
        picture = Picture(prompt, "", 5, hires_prompt=again, hires_negative_prompt=negative_again)
        return pictures(engine, other(twice, pictures=(picture,)))[0]

    changed = second("a red circle", "a blue star")
    assert changed.shape == (96, 96, 3)
    assert difference(second("[a red circle:a blue star:1.0]"), changed) == 0
    assert difference(second("[a red circle:a blue star:3]"), changed) == 0
    same = second("a red circle")
    assert difference(second("[a red circle:a blue star:2.0]"), same) == 0
    assert difference(same, changed) > 2
    assert difference(second("a red circle", "a red circle", "red"), same) > 2


def test_closing_the_generator_stops_between_two_steps(engine: Any) -> None:
    """And the engine makes the next picture as if nothing had been."""
    (before,) = pictures(engine, BATCH)
    run = engine.run(other(BATCH, steps=100))
    assert next(run) == Step(1, 100)
    run.close()
    assert difference(pictures(engine, BATCH)[0], before) == 0


def test_the_last_two_models_are_kept(engine: Any, tmp_path: Path) -> None:
    """A third one takes the place of the one not used longest; a changed file is loaded anew."""
    copies = []
    for name in "abc":
        copies.append(tmp_path / f"{name}.safetensors")
        shutil.copyfile(demo_model.WEIGHTS, copies[-1])
    expected = pictures(engine, BATCH)[0]
    for path in copies:
        (made,) = pictures(engine, other(BATCH, checkpoint=str(path)))
        # The first one's words may have been read in a batch with others, on a CPU in another order of sums.
        assert difference(made, expected) <= 1
    assert loaded_paths(engine) == [str(path) for path in copies[1:]]
    pictures(engine, other(BATCH, checkpoint=str(copies[1])))
    assert loaded_paths(engine) == [str(copies[2]), str(copies[1])]


def test_a_diffusers_folder_makes_the_same_picture(engine: Any, tmp_path: Path) -> None:
    """The other form in which SDXL is handed on."""
    import torch
    from diffusers import StableDiffusionXLPipeline

    StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, torch_dtype=torch.float16
    ).save_pretrained(tmp_path / "folder")
    (made,) = pictures(engine, other(BATCH, checkpoint=str(tmp_path / "folder")))
    assert difference(made, pictures(engine, BATCH)[0]) <= 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"<html>", "HTML"),
        (safetensors_bytes(SDXL_TENSORS), "no configuration folder"),
        (safetensors_bytes({"model.diffusion_model.x": (1,), "cond_stage_model.transformer.y": (1,)}), "'sd1'"),
    ],
)
def test_a_file_that_is_no_sdxl_says_what_it_is(
    engine: Any, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """And the engine goes on."""
    path = tmp_path / "wrong.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        list(engine.run(other(BATCH, checkpoint=str(path))))
    assert len(pictures(engine, BATCH)) == 1


def write_embedding(engine: Any, path: Path, words: str) -> None:
    """Write an embedding whose vectors are those of words."""
    import torch
    from safetensors.torch import save_file

    parts, _ = engine._residency.take(str(demo_model.WEIGHTS))
    tables = {}
    for table, tokenizer, encoder in (
        ("clip_l", parts.tokenizer, parts.text_encoder),
        ("clip_g", parts.tokenizer_2, parts.text_encoder_2),
    ):
        ids = tokenizer(words, add_special_tokens=False).input_ids
        tables[table] = encoder.text_model.embeddings.token_embedding.weight[torch.tensor(ids)].detach().clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tables, path)


def mask_of(file: Any) -> str:
    """Return a mask that is white on the right, as A1111's clients send it."""
    import base64

    from PIL import Image as Pillow

    mask = Pillow.new("L", (128, 128), 0)
    mask.paste(255, (64, 0, 128, 128))
    mask.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_the_service_draws_with_the_real_engine(engine: Any, tmp_path: Path) -> None:
    """Over HTTP, at the model's own size where none is given; a copy of the model is used while it runs."""
    import io
    import json

    from PIL import Image as Pillow

    settings = fake_settings(tmp_path, engine="sdxl", device="cpu", config_dir=demo_model.CONFIG.parent)
    folder = settings.models_dir / "Stable-diffusion"
    (folder / "tiny.safetensors").unlink()
    shutil.copyfile(demo_model.WEIGHTS, folder / "demo.safetensors")
    body = {"prompt": WORDS[0].prompt, "seed": 11, "steps": 3, "cfg_scale": 3}
    with serving(settings) as service:
        answer = service.call("POST", "/sdapi/v1/txt2img", body)
        picture = Pillow.open(io.BytesIO(answer.pictures[0]))
        assert picture.size == (128, 128)
        (expected,) = pictures(engine, other(BATCH, width=128, height=128, pictures=WORDS[:1]))
        assert difference(numpy.asarray(picture).astype(int), expected) <= 2
        assert json.loads(answer.json["info"])["extra_generation_params"] == {}
        write_embedding(engine, settings.embeddings_dir / "glorb.safetensors", "red circle")
        words = WORDS[0].prompt.replace("red circle", "(Glorb:1.0)")
        learned = Pillow.open(
            io.BytesIO(service.call("POST", "/sdapi/v1/txt2img", {**body, "prompt": words}).pictures[0])
        )
        assert difference(numpy.asarray(learned).astype(int), expected) <= 2
        start = {"init_images": answer.json["images"], "mask": mask_of(io.BytesIO()), "denoising_strength": 1.0}
        words = {"prompt": "a green star on a blue background", "inpaint_full_res": False, "mask_blur": 0}
        repainted = service.call("POST", "/sdapi/v1/img2img", {**body, **start, **words})
        changed = numpy.asarray(Pillow.open(io.BytesIO(repainted.pictures[0]))) != numpy.asarray(picture)
        assert changed[:, 64:].any()
        assert not changed[:, :64].any()
        (native,) = service.call("GET", "/sdapi/v1/sd-models").json
        assert native["garret_native_size"] == 128
        shutil.copyfile(demo_model.WEIGHTS, folder / "copy.safetensors")
        copied = service.call(
            "POST", "/sdapi/v1/txt2img", {**body, "override_settings": {"sd_model_checkpoint": "copy"}}
        )
        assert json.loads(copied.json["info"])["sd_model_name"] == "copy"
        again = Pillow.open(io.BytesIO(copied.pictures[0]))
        assert difference(numpy.asarray(again).astype(int), expected) <= 2
        shutil.copyfile(demo_model.REFINER, folder / "fine.safetensors")
        passes = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.5, "refiner_checkpoint": "fine"}
        refined = service.call("POST", "/sdapi/v1/txt2img", {**body, **passes, "refiner_switch_at": 0.5})
        larger = numpy.asarray(Pillow.open(io.BytesIO(refined.pictures[0]))).astype(int)
        used = Used(str(demo_model.WEIGHTS), refiner=str(demo_model.REFINER))
        hires, refiner = Hires(scale=1.5, denoise=0.5), Refiner(switch_at=0.5)
        again = batch_of("", WORDS[0], used=used, steps=3, width=128, height=128, hires=hires, refiner=refiner)
        assert larger.shape == (192, 192, 3)
        assert difference(pictures(engine, again)[0], larger) <= 2
        (folder / "page.safetensors").write_text("<html>", encoding="utf-8")
        wrong = service.call("POST", "/sdapi/v1/txt2img", {"override_settings": {"sd_model_checkpoint": "page"}})
        assert (wrong.status, wrong.json["error"]) == (422, "ModelError")
        assert "HTML" in wrong.json["errors"]
        (folder / "strange.safetensors").write_bytes(safetensors_bytes(SDXL_TENSORS))
        wrong = service.call("POST", "/sdapi/v1/txt2img", {"override_settings": {"sd_model_checkpoint": "strange"}})
        assert (wrong.status, wrong.json["error"]) == (422, "ModelError")
        assert "no configuration folder" in wrong.json["errors"]
