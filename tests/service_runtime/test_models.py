"""The registry tells models by their tensors, sees new files, and keeps hashes by the very file."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret import demo_model
from garret.service_runtime.errors import NotFound
from garret.service_runtime.families import find_configuration, native_size
from garret.service_runtime.models import HashCache, Models
from garret.service_runtime.safetensors_header import Header, Tensor, read_header
from garret.service_runtime.tensor_families import UNET, family_of
from garret.service_runtime.widths import Widths
from tests.service_runtime.living import checkpoint, safetensors_bytes


@pytest.fixture
def hashes(tmp_path: Path) -> Iterator[HashCache]:
    """A cache of its own."""
    cache = HashCache(tmp_path / "models.sqlite")
    yield cache
    cache.close()


@pytest.fixture
def models(tmp_path: Path, hashes: HashCache) -> Models:
    """A registry of an empty folder."""
    return Models(tmp_path / "models", demo_model.CONFIG.parent, hashes)


def header_of(**shapes: tuple[int, ...]) -> Header:
    """Return a header with these tensors; __ in a name stands for a dot."""
    tensors = {name.replace("__", "."): Tensor("F16", shape) for name, shape in shapes.items()}
    return Header(tensors, {}, 0, 0)


@pytest.mark.parametrize(
    ("names", "family"),
    [
        ([UNET + "out.0.weight", "conditioner.embedders.0.transformer.x", "conditioner.embedders.1.model.x"], "sdxl"),
        ([UNET + "out.0.weight", "conditioner.embedders.0.model.x"], "sdxl-refiner"),
        ([UNET + "out.0.weight", "cond_stage_model.transformer.x"], "sd1"),
        ([UNET + "out.0.weight", "cond_stage_model.model.x"], "sd2"),
        ([UNET + "joint_blocks.0.x"], "sd3"),
        ([UNET + "double_blocks.0.x"], "flux"),
        (["double_blocks.0.img_attn.x"], "flux"),
        ([UNET + "out.0.weight"], "unknown"),
        (["lora_te2_text_model.lora_down.weight"], "lora-sdxl"),
        (["unet.down_blocks.0.lora_A.weight"], "lora"),
        (["first_stage_model.decoder.conv_in.weight"], "vae"),
        (["decoder.conv_in.weight", "encoder.conv_in.weight"], "vae"),
        (["clip_g", "clip_l"], "embedding-sdxl"),
        (["emb_params"], "embedding"),
        (["weight"], "unknown"),
        ([], "unknown"),
    ],
)
def test_a_family_is_told_by_its_tensors(names: list[str], family: str) -> None:
    """Names alone for most."""
    assert family_of(Header({name: Tensor("F16", (1,)) for name in names}, {}, 0, 0)) == family


@pytest.mark.parametrize(("width", "family"), [(2048, "lora-sdxl"), (768, "lora-sd1"), (1024, "lora-sd2"), (5, "lora")])
def test_a_lora_is_told_by_the_words_it_reads(width: int, family: str) -> None:
    """The width of the text embedding."""
    assert family_of(header_of(lora_unet_attn2_to_k__lora_down__weight=(4, width))) == family


def test_the_demo_model_finds_its_configuration() -> None:
    """By its sizes, from each folder that settings may name; a file of other sizes finds none."""
    header = read_header(demo_model.WEIGHTS)
    for root in (demo_model.CONFIG, demo_model.CONFIG.parent, demo_model.CONFIG.parent.parent):
        assert find_configuration(header, root) == demo_model.CONFIG
    assert native_size(demo_model.CONFIG) == 128
    tensors = {**header.tensors, UNET + "input_blocks.0.0.weight": Tensor("F16", (320, 4, 3, 3))}
    assert find_configuration(Header(tensors, {}, 0, 0), demo_model.CONFIG) is None
    assert find_configuration(header, demo_model.CONFIG / "unet") is None


def test_a_file_is_listed_where_it_lies(models: Models, tmp_path: Path) -> None:
    """By the type of its folder, with what is wrong with it; half-done downloads are not there."""
    root = tmp_path / "models"
    checkpoint(root, "good")
    for folder, name, content in (
        ("Lora", "style.safetensors", safetensors_bytes({"lora_te2_x.lora_down.weight": (1,)})),
        ("Stable-diffusion", "broken.safetensors", b"<html>"),
        ("Stable-diffusion", ".half.safetensors.part", b"x"),
        ("Stable-diffusion", "old.ckpt", b"\x80\x02"),
        ("Stable-diffusion", "\udcff.safetensors", b"<html>"),
        ("ControlNet", "canny.safetensors", safetensors_bytes({"weight": (1,)})),
    ):
        (root / folder).mkdir(exist_ok=True, parents=True)
        (root / folder / name).write_bytes(content)
    found = {model.name: (model.type, model.family, bool(model.problem)) for model in models.all()}
    assert found == {
        "good": ("checkpoint", "sdxl", False),
        "broken": ("checkpoint", "unknown", True),
        "style": ("lora", "lora-sdxl", False),
        "canny": ("other", "unknown", False),
    }


def test_a_diffusers_folder_is_one_model(models: Models, tmp_path: Path) -> None:
    """Its parts are not listed as models of their own."""
    folder = tmp_path / "models" / "Stable-diffusion" / "mine"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline"}), encoding="utf-8")
    (folder / "unet" / "model.safetensors").write_bytes(safetensors_bytes({"a": (1,)}))
    (folder / "loose.safetensors").write_bytes(safetensors_bytes({"a": (1,)}))
    assert [(model.name, model.family) for model in models.all()] == [("mine", "sdxl")]


@pytest.mark.parametrize(
    ("index", "family"),
    [
        ({"_class_name": "StableDiffusionXLPipeline", "text_encoder": ["transformers", "CLIPTextModel"]}, "sdxl"),
        ({"_class_name": "StableDiffusionXLImg2ImgPipeline", "text_encoder": [None, None]}, "sdxl-refiner"),
        ({"_class_name": "StableDiffusionPipeline"}, "sd1"),
        ({"_class_name": "FluxPipeline"}, "flux"),
        ({"_class_name": "AudioPipeline"}, "unknown"),
        ({"_class_name": "StableDiffusionXLPipeline", "text_encoder": 3}, "unknown"),
    ],
)
def test_a_folder_s_family_is_told_by_its_index(
    models: Models, tmp_path: Path, index: dict[str, object], family: str
) -> None:
    """The refiner's has no first text encoder."""
    folder = tmp_path / "models" / "Stable-diffusion" / "mine"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    assert [model.family for model in models.all()] == [family]


def test_a_folder_s_widths_and_size_are_those_of_its_parts(models: Models, tmp_path: Path) -> None:
    """Other weights under the same names make it another model."""
    folder = tmp_path / "models" / "Stable-diffusion" / "mine"
    shutil.copytree(demo_model.CONFIG, folder, ignore=shutil.ignore_patterns("refiner"))
    weights = folder / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    weights.write_bytes(safetensors_bytes({"a": (1,)}))
    (before,) = models.all()
    assert (before.widths, before.native_size) == (Widths(112, 64, 56), 128)
    weights.write_bytes(safetensors_bytes({"a": (2,)}))
    (after,) = models.all()
    assert after.size == before.size + 2


def test_the_demo_model_brings_its_defaults(models: Models, tmp_path: Path) -> None:
    """Small and quick; a full-size SDXL gets 1024 pixels."""
    folder = tmp_path / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "demo.safetensors").symlink_to(demo_model.WEIGHTS)
    checkpoint(tmp_path / "models", "large")
    demo, large = models.find_checkpoint("demo").defaults, models.find_checkpoint("large").defaults
    assert (demo.size, demo.steps, demo.cfg_scale) == (128, 8, 3.0)
    assert (large.size, large.steps, large.cfg_scale) == (1024, 30, 6.0)


def test_embeddings_are_known_with_their_hashes(tmp_path: Path, hashes: HashCache) -> None:
    """From a folder of their own, and from the one that A1111's users have among their models."""
    content = safetensors_bytes({"clip_g": (2, 8), "clip_l": (2, 4)})
    for path in ("embeddings/styles/ink.safetensors", "models/embeddings/fog.safetensors"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "embeddings/ink.png").write_bytes(b"picture")
    models = Models(tmp_path / "models", demo_model.CONFIG, hashes, embeddings=tmp_path / "embeddings")
    models.hash_all()
    found = models.all("embedding")
    assert [(one.name, one.family) for one in found] == [("fog", "embedding-sdxl"), ("ink", "embedding-sdxl")]
    assert {one.sha256 for one in found} == {hashlib.sha256(content).hexdigest()}
    assert models.all("lora") == []


def test_a_changed_file_is_read_again(models: Models, tmp_path: Path) -> None:
    """New content, new hash; the hash is known once computed, and computed once."""
    path = checkpoint(tmp_path / "models", "a")
    assert models.find_checkpoint("a").sha256 == ""
    models.hash_all()
    assert models.find_checkpoint("a").sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    checkpoint(tmp_path / "models", "a", fill=b"longer")
    path.write_bytes(path.read_bytes() + b"!")
    changed = models.find_checkpoint("a")
    assert changed.sha256 == ""
    assert "not whole" in changed.problem


def test_a_checkpoint_is_found_by_each_of_its_names(models: Models, tmp_path: Path) -> None:
    """Name, file name, title, hash; else the error lists what there is."""
    checkpoint(tmp_path / "models", "a")
    checkpoint(tmp_path / "models", "b", fill=b"b")
    models.hash_all()
    model = models.find_checkpoint("b")
    for text in ("b.safetensors", model.title, f"b [{model.sha256[:10]}]", model.sha256, model.sha256[:10].upper()):
        assert models.find_checkpoint(text) == model
    for text in ("c", model.sha256[:9], "../b", "b/"):
        with pytest.raises(NotFound, match="no checkpoint is called") as caught:
            models.find_checkpoint(text)
        assert "a, b" in caught.value.hint


def test_the_chosen_checkpoint_is_the_default(models: Models, tmp_path: Path) -> None:
    """Without a choice it is the first that can be used."""
    with pytest.raises(NotFound, match="there is no checkpoint"):
        models.find_checkpoint()
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    (tmp_path / "models" / "Stable-diffusion" / "a.safetensors").write_bytes(b"<html>")
    for name in "bc":
        checkpoint(tmp_path / "models", name)
    assert models.find_checkpoint().name == "b"
    models.choose(models.find_checkpoint("c"))
    assert models.find_checkpoint().name == "c"
    (tmp_path / "models/Stable-diffusion/c.safetensors").unlink()
    assert models.find_checkpoint().name == "b", "the chosen one was removed"
