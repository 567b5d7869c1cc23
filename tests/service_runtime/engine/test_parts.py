"""Weights read by our own code, against what diffusers loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.errors import ModelError
from tests.service_runtime.engine.test_clip import own_name

torch = pytest.importorskip("torch")

CPU = torch.device("cpu")
MODULES = ("unet", "vae", "text_encoder", "text_encoder_2")


def load(path: Path, dtype: Any = torch.float32, config: Path = demo_model.CONFIG) -> Any:
    """Load a checkpoint's parts onto the CPU."""
    from garret.service_runtime.engine import parts

    return parts.load(path, config, CPU, dtype)


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """diffusers' own pipeline on the demo model."""
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, add_watermarker=False
    )


def assert_same_weights(ours: Any, theirs: Any, dtype: Any) -> None:
    """Every weight of every part is there, in the type, with the values that diffusers has."""
    for name in MODULES:
        expected = {
            own_name(key) if "text" in name else key: v for key, v in getattr(theirs, name).state_dict().items()
        }
        actual = getattr(ours, name).state_dict()
        assert actual.keys() == expected.keys()
        for key, value in actual.items():
            assert torch.equal(value, expected[key].to(value.dtype)), key
        full = name == "vae" and dtype == torch.float16 and theirs.vae.config.force_upcast
        assert {value.dtype for value in actual.values()} == {torch.float32 if full else dtype}
        assert not getattr(ours, name).training


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_single_file_is_loaded_as_diffusers_does(pipeline: Any, dtype: Any) -> None:
    """By the names of the original, in each precision; the scheduler is told the same."""
    parts = load(demo_model.WEIGHTS, dtype)
    assert_same_weights(parts, pipeline, dtype)
    assert parts.scheduler_config == dict(pipeline.scheduler.config)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_folder_is_loaded_as_diffusers_does(pipeline: Any, variant: str | None, tmp_path: Path) -> None:
    """Whole or in shards, and from the half precision variant where there is one."""
    pipeline.save_pretrained(tmp_path / "model", variant=variant, max_shard_size="1MB")
    assert list((tmp_path / "model/unet").glob("*-of-*"))
    assert_same_weights(load(tmp_path / "model"), pipeline, torch.float32)


def test_of_two_variants_the_one_of_half_the_size_is_read(pipeline: Any, tmp_path: Path) -> None:
    """As people keep folders from the hub."""
    from garret.service_runtime.engine.layout import weight_files

    folder = tmp_path / "model"
    for variant in (None, "fp16"):
        pipeline.save_pretrained(folder, variant=variant)
    assert [path.name for path in weight_files(folder / "unet")] == ["diffusion_pytorch_model.fp16.safetensors"]
    shutil.rmtree(folder / "vae")
    (folder / "vae").mkdir()
    with pytest.raises(ModelError, match="model: vae has no safetensors file"):
        load(folder)


def test_names_of_older_versions_are_understood(pipeline: Any, tmp_path: Path) -> None:
    """VAEs saved before diffusers had one attention for all have other names in it."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    pipeline.save_pretrained(folder)
    file = folder / "vae/diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    for new, name in old.items():
        tensors = {key.replace(f".{new}.", f".{name}."): value for key, value in tensors.items()}
    assert any(".query." in key for key in tensors)
    save_file(tensors, file)
    assert_same_weights(load(folder), pipeline, torch.float32)


def test_a_maker_s_mark_of_velocity_reaches_the_scheduler(tmp_path: Path) -> None:
    """Checkpoints trained to predict velocity from pure noise say so by two empty tensors."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(demo_model.WEIGHTS) | {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}
    save_file(tensors, tmp_path / "velocity.safetensors")
    told = load(tmp_path / "velocity.safetensors").scheduler_config
    assert (told["prediction_type"], told["rescale_betas_zero_snr"]) == ("v_prediction", True)


def test_a_file_that_lacks_weights_is_refused_by_their_names(tmp_path: Path) -> None:
    """With the first name and how many more there are."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(demo_model.WEIGHTS)
    lacking = {name: value for name, value in tensors.items() if ".out." not in name}
    save_file(lacking, tmp_path / "lacking.safetensors")
    with pytest.raises(ModelError, match=r"no weights named model.diffusion_model.out.0.bias and 3 more"):
        load(tmp_path / "lacking.safetensors")
    name = "model.diffusion_model.out.2.bias"
    save_file(tensors | {name: torch.zeros(9)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"out.2.bias has the sizes \[9\], not \[4\]"):
        load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("chunk", [1_000, 65_536, 64 << 20])
def test_several_threads_read_what_one_mapping_shows(chunk: int) -> None:
    """The way to a GPU, tried on the CPU: tensors smaller and larger than a buffer, and all of them at once."""
    from garret.service_runtime.engine.weights import WeightFile, read_to

    file = WeightFile(demo_model.WEIGHTS)
    names = sorted(file.entries)
    mapped, read = file.map(names), read_to(CPU, file, names, threads=3, chunk=chunk)
    assert all(torch.equal(mapped[name], read[name]) for name in names)


def test_a_tensor_that_lies_where_its_type_cannot_be_read_is_copied(tmp_path: Path) -> None:
    """Nothing in the format keeps a number of four bytes from beginning at an odd place."""
    from garret.service_runtime.engine.weights import WeightFile

    entries = {
        "odd": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "number": {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]},
    }
    header = json.dumps(entries).encode()
    data = len(header).to_bytes(8, "little") + header + b"\x07" + b"\x00\x00\x80\x3f"
    (tmp_path / "odd.safetensors").write_bytes(data)
    assert WeightFile(tmp_path / "odd.safetensors").map(["number"])["number"].tolist() == [1.0]
