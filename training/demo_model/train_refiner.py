"""Train the demo model's refiner: a second UNet that knows only the last, least noisy part of a picture's making."""

from __future__ import annotations

import argparse
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from PIL import Image, ImageFilter
from safetensors.torch import save_file

from garret.demo_model.shapes import Pixels, Scene, draw, random_caption, random_scene
from training.demo_model.architecture import build_refiner
from training.demo_model.common import (
    Progress,
    add_run_options,
    begin,
    descend,
    load_checkpoint,
    save_checkpoint,
    to_tensor,
)
from training.demo_model.evaluate import load
from training.demo_model.single_file import refiner_weights
from training.demo_model.train_unet import LARGEST_STORE, Average, Bucket, Drawings

PEAK_RATE = 2e-3
# SDXL's refiner learned the last fifth of the timesteps; twice that, so that few and uneven steps stay inside.
NOISIEST = 400
# What a score says: from six on a drawing is as sharp as it can be, below that it is blurred, in parts of its side.
CLEAR_FROM, BLUR = 6.0, 0.03
LOWEST_SCORE, HIGHEST_SCORE = 1.0, 10.0
EMPTY_SHARE = 0.15
BUCKETS = (Bucket(128, 128, 24, 0.75, 1500), Bucket(256, 256, 6, 0.25, 300))
SNAPSHOT_SECONDS = 120.0
NAME = "demo-refiner.safetensors"


@dataclass(frozen=True)
class Graded:
    """A scene, and the score that its drawing got."""

    scene: Scene
    score: float


def blurred(picture: Pixels, score: float) -> Pixels:
    """Return the picture as sharp as its score says."""
    spread = max(0.0, CLEAR_FROM - score) / CLEAR_FROM * BLUR * min(picture.shape[:2])
    if spread == 0:
        return picture
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(spread)))


class GradedDrawings(Drawings):
    """Drawings of one size, each with a score and as sharp as that says."""

    @torch.no_grad()
    def encode(self, count: int) -> tuple[list[Graded], torch.Tensor]:
        """Draw new scenes and return them with their scores and latents."""
        graded = [
            Graded(random_scene(self.random, unseen=False), float(self.random.uniform(LOWEST_SCORE, HIGHEST_SCORE)))
            for _ in range(count)
        ]
        height, width = self.bucket.height, self.bucket.width
        pictures = [blurred(draw(one.scene, height, width, self.random), one.score) for one in graded]
        latents = self.vae.encode(to_tensor(pictures)).latent_dist.mode()
        return graded, latents * self.vae.config.scaling_factor

    def graded_batch(self) -> tuple[list[str], torch.Tensor, torch.Tensor]:
        """Return captions, some of them empty, the five numbers of each picture, and latents for one step."""
        chosen = self.random.integers(len(self.scenes), size=self.bucket.count)
        graded = [self.scenes[index] for index in chosen]
        captions = [
            "" if self.random.random() < EMPTY_SHARE else random_caption(one.scene, self.random) for one in graded
        ]
        numbers = torch.tensor([[self.bucket.height, self.bucket.width, 0, 0, one.score] for one in graded])
        return captions, numbers, self.latents[torch.from_numpy(chosen)]


class Learner(torch.nn.Module):
    """The UNet that learns, and the base model's second text encoder, which does not."""

    def __init__(self, base: StableDiffusionXLPipeline) -> None:
        """Take words from the base."""
        super().__init__()
        self.unet: UNet2DConditionModel = build_refiner().to(memory_format=torch.channels_last)
        self.tokenizer = base.tokenizer_2
        self.text = [base.text_encoder_2.requires_grad_(False).eval()]
        noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        self.signal = noise.alphas_cumprod

    @torch.no_grad()
    def encode_text(self, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the conditioning of captions as SDXL's refiner has it: the empty text is read like any other."""
        tokens = self.tokenizer(captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        output = self.text[0](tokens.input_ids, output_hidden_states=True)
        return output.hidden_states[-2], output.text_embeds

    def forward(self, captions: list[str], numbers: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch."""
        timesteps = (torch.rand(len(captions)) * NOISIEST).long()
        signal = self.signal[timesteps][:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = (signal.sqrt() * latents + (1 - signal).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        words, summary = self.encode_text(captions)
        conditions = {"text_embeds": summary, "time_ids": numbers}
        guess = self.unet(noisy, timesteps, words, added_cond_kwargs=conditions).sample
        squared = (guess.float() - noise).square().mean((1, 2, 3))
        # An error in the noise is an error in the picture times noise over signal; both are to be small.
        ratio = ((1 - signal) / signal).flatten()
        return (squared * (0.5 + ratio.clamp(max=2))).mean()


class Run:
    """One training run: what learns, what moves it, and what is written down of it."""

    def __init__(self, base: StableDiffusionXLPipeline, progress: Progress, output: Path) -> None:
        """Prepare to train a new refiner for the base."""
        self.base, self.progress, self.output = base, progress, output
        self.checkpoint = output / "refiner.checkpoint"
        self.learner = Learner(base)
        parameters = self.learner.parameters()
        self.optimizer = torch.optim.AdamW(parameters, PEAK_RATE, betas=(0.9, 0.98), weight_decay=1e-3, fused=True)
        self.average = Average(self.learner)

    def load(self) -> None:
        """Go on from the checkpoint."""
        checkpoint = load_checkpoint(self.checkpoint, self.progress)
        self.learner.load_state_dict(checkpoint["learner"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.average.values = checkpoint["average"]
        torch.manual_seed(self.progress.step)

    def save(self) -> None:
        """Write a checkpoint, and the refiner with averaged weights."""
        state = {"learner": self.learner.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_checkpoint(self.checkpoint, self.progress, **state, average=self.average.values)
        self.average.swap()
        weights = refiner_weights(self.learner.unet, self.learner.text[0])
        save_file(weights, self.output / NAME, metadata={"format": "pt"})
        self.learner.unet.save_config(self.output / "refiner" / "unet")
        self.average.swap()

    def step(self, source: GradedDrawings) -> float:
        """Learn from one batch and return its loss."""
        captions, numbers, latents = source.graded_batch()
        self.optimizer.param_groups[0]["lr"] = self.progress.rate(PEAK_RATE)
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.learner(captions, numbers, latents)
        lost = descend(self.optimizer, loss, self.learner.parameters(), self.progress)
        self.average.follow(self.progress.step)
        return lost


def train(run: Run, drawings: list[GradedDrawings], random: np.random.Generator) -> None:
    """Train until the steps or the seconds are over."""
    progress, saved = run.progress, run.progress.elapsed()
    losses: deque[float] = deque(maxlen=100)
    while progress.fraction() < 1:
        source = drawings[int(random.choice(len(drawings), p=[one.bucket.share for one in drawings]))]
        losses.append(run.step(source))
        if progress.step % 20 == 0:
            source.refresh(source.bucket.count // 2)
        if progress.step % 50 == 0:
            print(f"step {progress.step} {progress.elapsed():.0f} s loss {np.mean(losses):.4f}", flush=True)
        if progress.elapsed() - saved > SNAPSHOT_SECONDS:
            saved = progress.elapsed()
            run.save()
    run.save()


def main(words: list[str] | None = None) -> None:
    """Train for the model in the package and write the refiner into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser, seconds=1800)
    parser.add_argument(
        "--kept", type=int, default=LARGEST_STORE, help="keep at most this many drawings of each size ready"
    )
    arguments = parser.parse_args(words)
    progress = begin(arguments)
    base = load(None)
    vae: AutoencoderKL = base.vae.requires_grad_(False).eval().to(memory_format=torch.channels_last)
    run = Run(base, progress, arguments.output)
    if arguments.resume:
        run.load()
    random = np.random.default_rng((arguments.seed, progress.step))
    drawings = [GradedDrawings(bucket, vae, random, min(bucket.kept, arguments.kept)) for bucket in BUCKETS]
    # The clock starts when the first drawings are ready.
    progress.started += 0.0 if arguments.resume else progress.elapsed()
    print(f"{sum(value.numel() for value in run.learner.unet.parameters()) / 1e6:.2f} M parameters", flush=True)
    train(run, drawings, random)


if __name__ == "__main__":
    main()
