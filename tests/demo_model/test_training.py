"""The training scripts: a few steps of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

from garret.demo_model import CONFIG
from garret.service_runtime.safetensors_header import read_header
from garret.service_runtime.tensor_families import family_of
from training.demo_model import train_lora, train_refiner, train_unet, train_vae
from training.demo_model.architecture import build_pipeline
from training.demo_model.common import Progress
from training.demo_model.train_unet import Bucket, Drawings, Run


def test_a_few_steps_of_both_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both scripts train, the second resumes, and what comes out is a pipeline that draws."""
    train_vae.main(["--steps", "2", "--output", str(tmp_path)])
    assert "dB" in capsys.readouterr().out
    options = ["--kept", "2", "--output", str(tmp_path)]
    train_unet.main(["--steps", "1", *options])
    before = torch.load(tmp_path / "unet.checkpoint", weights_only=True)
    train_unet.main(["--steps", "2", "--resume", *options])
    after = torch.load(tmp_path / "unet.checkpoint", weights_only=True)
    assert (before["step"], after["step"]) == (1, 2)
    changed = [not torch.equal(before["learner"][name], after["learner"][name]) for name in before["learner"]]
    assert sum(changed) > 0.9 * len(changed)
    pipeline = StableDiffusionXLPipeline.from_pretrained(tmp_path / "pipeline", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline("a red circle", num_inference_steps=1, height=64, width=64).images[0].size == (64, 64)


def test_a_lora_and_a_refiner_are_trained_on_the_shipped_model(tmp_path: Path) -> None:
    """A few steps of either, resumed; their files are of the families that the service tells them by."""
    options = ["--kept", "2", "--output", str(tmp_path)]
    for script, name, family in (
        (train_lora, "heart", "lora-sdxl"),
        (train_refiner, "demo-refiner", "sdxl-refiner"),
    ):
        script.main(["--steps", "1", *options])
        first = load_file(tmp_path / f"{name}.safetensors")
        script.main(["--steps", "2", "--resume", *options])
        second = load_file(tmp_path / f"{name}.safetensors")
        assert first.keys() == second.keys()
        assert any(not torch.equal(first[key], second[key]) for key in first)
        assert family_of(read_header(tmp_path / f"{name}.safetensors")) == family


def test_the_loss_falls(tmp_path: Path) -> None:
    """On a few small drawings, a few dozen steps lower the loss."""
    torch.manual_seed(0)
    bucket = Bucket(32, 32, 8, 1.0, 8)
    pipeline = build_pipeline(CONFIG)
    run = Run(pipeline, Progress(steps=1000, seconds=None), tmp_path)
    drawings = Drawings(bucket, pipeline.vae.eval(), np.random.default_rng(0), bucket.kept)
    losses = [run.step(*drawings.batch(), bucket) for _ in range(40)]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    run.average.swap()
    assert all(bool(value.isfinite().all()) for value in run.learner.state_dict().values())
