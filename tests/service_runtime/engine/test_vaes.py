"""Another VAE for a checkpoint: in each form of its file, of the right kind, and where half precision needs one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from garret import demo_model
from garret.service_runtime.batch import Used
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.engine.vaes import Vaes
from garret.service_runtime.errors import ModelError

PREFIX = "first_stage_model."
CPU = torch.device("cpu")
SHIFT = 0.25
Tensors = dict[str, torch.Tensor]


@dataclass
class Files:
    """A VAE like the demo model's, but for a little more of every colour, in three forms; and the demo's parts."""

    original: Path
    prefixed: Path
    diffusers: Path
    parts: Parts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Written once."""
    folder = tmp_path_factory.mktemp("vaes")
    weights = {name: value for name, value in load_file(demo_model.WEIGHTS).items() if name.startswith(PREFIX)}
    weights[f"{PREFIX}decoder.conv_out.bias"] = weights[f"{PREFIX}decoder.conv_out.bias"] + SHIFT
    save_file(weights, folder / "prefixed.safetensors")
    save_file({name.removeprefix(PREFIX): value for name, value in weights.items()}, folder / "original.safetensors")
    own = AutoencoderKL.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), subfolder="vae", local_files_only=True
    )
    other = {name: value.clone() for name, value in own.state_dict().items()}
    other["decoder.conv_out.bias"] += SHIFT
    save_file(other, folder / "diffusers.safetensors")
    nothing: Any = None
    parts = Parts(
        "demo", nothing, own.requires_grad_(False), nothing, nothing, nothing, nothing, scheduler_config={}, config={}
    )
    paths = [folder / f"{name}.safetensors" for name in ("original", "prefixed", "diffusers")]
    return Files(*paths, parts)


def decoded(vae: Any) -> torch.Tensor:
    """Return what a VAE makes of fixed latents."""
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        picture: torch.Tensor = vae.decode(latents.to(vae.dtype), return_dict=False)[0].float()
    return picture


@pytest.mark.parametrize("form", ["original", "prefixed", "diffusers"])
def test_a_vae_is_read_in_each_form(files: Files, form: str) -> None:
    """As checkpoints name its tensors, with and without their prefix, and as diffusers does."""
    vaes = Vaes(CPU, torch.float32)
    own = files.parts.vae
    vae = vaes.choose(files.parts, Used("demo", vae=str(getattr(files, form))))
    assert torch.allclose(decoded(vae), decoded(own) + SHIFT, atol=2e-3)
    assert vaes.choose(files.parts, Used("demo", vae=str(getattr(files, form)))) is vae, "kept"
    assert vaes.choose(files.parts, Used("demo")) is own


def test_a_vae_replaced_under_its_name_is_loaded_anew(files: Files, tmp_path: Path) -> None:
    """And one that is gone is named."""
    vaes, path = Vaes(CPU, torch.float32), tmp_path / "mine.safetensors"
    save_file(load_file(files.original), path)
    used = Used("demo", vae=str(path))
    first = decoded(vaes.choose(files.parts, used))
    weights = load_file(path)
    save_file({**weights, "decoder.conv_out.bias": weights["decoder.conv_out.bias"] + SHIFT}, path, {"again": "yes"})
    assert torch.allclose(decoded(vaes.choose(files.parts, used)), first + SHIFT, atol=2e-3)
    path.unlink()
    with pytest.raises(ModelError, match=r"vae: mine\.safetensors: No such file"):
        vaes.choose(files.parts, used)


def test_a_vae_is_scaled_as_each_checkpoint_says(files: Files) -> None:
    """What its file does not say comes from the checkpoint that is asked for now, not from the one before."""
    vaes, used = Vaes(CPU, torch.float32), Used("demo", vae=str(files.original))
    first = vaes.choose(files.parts, used)
    other = AutoencoderKL.from_config({**files.parts.vae.config, "scaling_factor": 0.5})
    assert vaes.choose(replace(files.parts, vae=other), used).config.scaling_factor == 0.5
    assert vaes.choose(files.parts, used) is first


def test_what_is_no_vae_of_this_kind_is_refused_by_name(files: Files, tmp_path: Path) -> None:
    """Other tensors, other sizes, no safetensors file."""
    vaes, path = Vaes(CPU, torch.float32), tmp_path / "other.safetensors"
    weights = load_file(files.original)
    for content, words in (
        ({"decoder.x": torch.zeros(1)}, "has no weights named"),
        ({**weights, "decoder.conv_in.bias": torch.zeros(3)}, "has the sizes"),
    ):
        save_file(content, path)
        with pytest.raises(ModelError, match=rf"vae: other\.safetensors.*{words}"):
            vaes.choose(files.parts, Used("demo", vae=str(path)))
    path.write_bytes(b"<html>")
    with pytest.raises(ModelError, match=r"vae: other\.safetensors is a web page"):
        vaes.choose(files.parts, Used("demo", vae=str(path)))


@pytest.mark.parametrize(
    ("dtype", "upcast", "takes_half"),
    [(torch.float16, True, True), (torch.float16, False, False), (torch.float32, True, False)],
)
def test_the_half_precision_vae_is_taken_only_where_it_is_needed(
    files: Files, dtype: torch.dtype, upcast: bool, takes_half: bool
) -> None:
    """In half precision, for a checkpoint whose own VAE would overflow; a named one comes first, in full."""
    own = AutoencoderKL.from_config({**files.parts.vae.config, "force_upcast": upcast})
    parts = replace(files.parts, vae=own)
    vaes = Vaes(CPU, dtype)
    vae = vaes.choose(parts, Used("demo", half_vae=str(files.original)))
    assert (vae is not own) == takes_half
    if takes_half:
        assert (vae.dtype, vae.config.force_upcast) == (torch.float16, False)
        named = vaes.choose(parts, Used("demo", vae=str(files.diffusers), half_vae=str(files.original)))
        assert (named.dtype, named.config.force_upcast) == (torch.float32, True)
        safe = vaes.choose(parts, Used("demo", vae=str(files.original), half_vae=str(files.original)))
        assert safe is vae, "named, and known to be safe"
