"""Teach the demo model one word that it does not know, by a LoRA in the form that kohya's scripts write."""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline

from garret.demo_model.shapes import TAUGHT, Scene, random_scene
from training.demo_model.common import Progress, add_run_options, begin, descend, load_checkpoint, save_checkpoint
from training.demo_model.evaluate import load
from training.demo_model.low_rank import Changes
from training.demo_model.train_unet import LARGEST_STORE, Bucket, Drawings, Learner

PEAK_RATE = 2e-3
RANK, TEXT_RANK = 8, 2
ALPHA = 0.5
"""The scale of a change at weight 1: alpha divided by rank."""
# Shapes that the model knows are drawn as well, so that it keeps knowing them.
TAUGHT_SHARE = 0.65
BUCKETS = (Bucket(128, 128, 16, 0.75, 600), Bucket(256, 256, 4, 0.25, 160))
SNAPSHOT_SECONDS = 60.0
METADATA = {
    "ss_network_module": "networks.lora",
    "ss_network_dim": str(RANK),
    "ss_network_alpha": str(ALPHA * RANK),
    "ss_base_model_version": "sdxl_base_v1-0",
    "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
    "modelspec.title": "garret demo LoRA",
    "modelspec.trigger_phrase": TAUGHT,
}


def taught_or_known(random: np.random.Generator) -> Scene:
    """Return a scene with the new shape, or now and then one with a known shape."""
    if random.random() < TAUGHT_SHARE:
        return random_scene(random, False, (TAUGHT,))
    return random_scene(random, False)


class Run:
    """One training run of the changes to a frozen pipeline."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, progress: Progress, output: Path) -> None:
        """Attach the changes."""
        self.progress, self.output = progress, output
        self.checkpoint = output / "lora.checkpoint"
        self.changes = Changes(pipeline, RANK, TEXT_RANK, ALPHA)
        self.learner = Learner(pipeline)
        self.optimizer = torch.optim.AdamW(self.changes.learning(), PEAK_RATE, betas=(0.9, 0.98), weight_decay=1e-2)

    def load(self) -> None:
        """Go on from the checkpoint."""
        checkpoint = load_checkpoint(self.checkpoint, self.progress)
        self.changes.load_state_dict(checkpoint["changes"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        torch.manual_seed(self.progress.step)

    def save(self) -> None:
        """Write a checkpoint, and the LoRA as it is now."""
        state = {"changes": self.changes.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_checkpoint(self.checkpoint, self.progress, **state)
        self.changes.write(self.output / f"{TAUGHT}.safetensors", METADATA)

    def step(self, source: Drawings) -> float:
        """Learn from one batch and return its loss."""
        captions, latents = source.batch()
        self.optimizer.param_groups[0]["lr"] = self.progress.rate(PEAK_RATE)
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.learner(captions, latents, source.bucket)
        return descend(self.optimizer, loss, self.changes.learning(), self.progress)


def train(run: Run, drawings: list[Drawings], random: np.random.Generator) -> None:
    """Train until the steps or the seconds are over."""
    progress, saved = run.progress, run.progress.elapsed()
    losses: deque[float] = deque(maxlen=100)
    while progress.fraction() < 1:
        source = drawings[int(random.choice(len(drawings), p=[one.bucket.share for one in drawings]))]
        losses.append(run.step(source))
        if progress.step % 40 == 0:
            source.refresh(source.bucket.count)
        if progress.step % 25 == 0:
            print(f"step {progress.step} {progress.elapsed():.0f} s loss {np.mean(losses):.4f}", flush=True)
        if progress.elapsed() - saved > SNAPSHOT_SECONDS:
            saved = progress.elapsed()
            run.save()
    run.save()


def main(words: list[str] | None = None) -> None:
    """Train on the model in the package and write the LoRA into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser, seconds=900)
    parser.add_argument(
        "--kept", type=int, default=LARGEST_STORE, help="keep at most this many drawings of each size ready"
    )
    arguments = parser.parse_args(words)
    progress = begin(arguments)
    pipeline = load(None)
    vae = pipeline.vae.requires_grad_(False).eval().to(memory_format=torch.channels_last)
    run = Run(pipeline, progress, arguments.output)
    if arguments.resume:
        run.load()
    random = np.random.default_rng((arguments.seed, progress.step))
    drawings = [Drawings(bucket, vae, random, min(bucket.kept, arguments.kept), taught_or_known) for bucket in BUCKETS]
    progress.started += 0.0 if arguments.resume else progress.elapsed()
    train(run, drawings, random)


if __name__ == "__main__":
    main()
