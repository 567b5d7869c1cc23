"""Train the demo model's UNet together with both text encoders, on latents of drawn and captioned shapes."""

from __future__ import annotations

import argparse
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionXLPipeline

from garret.demo_model import CONFIG
from garret.demo_model.shapes import Scene, draw, random_caption, random_scene
from training.demo_model.architecture import NATIVE_SIZE, build_pipeline
from training.demo_model.common import (
    Progress,
    add_run_options,
    begin,
    descend,
    load_checkpoint,
    save_checkpoint,
    to_tensor,
)

PEAK_RATE = 1.2e-3
AVERAGING = 0.996
EMPTY_SHARE = 0.1
NOISE_OFFSET = 0.05
# SDXL's schedule never reaches pure noise, yet every picture starts from it. Some late timesteps are therefore
# trained on pure noise, with the target that leads straight to the picture; without this, colours come out pale.
PURE_FROM, PURE_SHARE = 700, 0.15
SNAPSHOT_SECONDS = 120.0
LARGEST_STORE = 4000


@dataclass(frozen=True)
class Bucket:
    """Pictures of one size: how many a step takes, how often a step takes them and how many are kept ready."""

    height: int
    width: int
    count: int
    share: float
    kept: int


LARGE = Bucket(256, 256, 8, 0.20, 800)
BUCKETS = (
    Bucket(128, 128, 40, 0.56, 4000),
    Bucket(128, 192, 24, 0.10, 1000),
    Bucket(192, 128, 24, 0.10, 1000),
    Bucket(512, 512, 2, 0.04, 100),
)


def ordinary(random: np.random.Generator) -> Scene:
    """Return a scene of those that training may see."""
    return random_scene(random, unseen=False)


class Drawings:
    """Scenes of one size with their latents, a few of which are drawn anew now and then."""

    def __init__(
        self,
        bucket: Bucket,
        vae: AutoencoderKL,
        random: np.random.Generator,
        kept: int,
        pick: Callable[[np.random.Generator], Scene] = ordinary,
    ) -> None:
        """Draw and encode the first scenes, each of which `pick` chooses."""
        self.bucket, self.vae, self.random, self.pick = bucket, vae, random, pick
        self.oldest = 0
        self.scenes: list[Scene] = []
        parts = []
        while len(self.scenes) < kept:
            scenes, latents = self.encode(min(bucket.count, kept))
            self.scenes += scenes
            parts.append(latents)
        self.latents = torch.cat(parts)

    @torch.no_grad()
    def encode(self, count: int) -> tuple[list[Scene], torch.Tensor]:
        """Draw new scenes and return them with their latents."""
        scenes = [self.pick(self.random) for _ in range(count)]
        pictures = [draw(scene, self.bucket.height, self.bucket.width, self.random) for scene in scenes]
        latents = self.vae.encode(to_tensor(pictures)).latent_dist.mode()
        return scenes, latents * self.vae.config.scaling_factor

    def refresh(self, count: int) -> None:
        """Replace the oldest scenes, so that a long run does not learn the same drawings by heart."""
        count = min(count, len(self.scenes))
        start = self.oldest if self.oldest + count <= len(self.scenes) else 0
        self.scenes[start : start + count], self.latents[start : start + count] = self.encode(count)
        self.oldest = start + count

    def batch(self) -> tuple[list[str], torch.Tensor]:
        """Return captions, some of them empty, and latents for one step."""
        chosen = self.random.integers(len(self.scenes), size=self.bucket.count)
        captions = [
            "" if self.random.random() < EMPTY_SHARE else random_caption(self.scenes[index], self.random)
            for index in chosen
        ]
        return captions, self.latents[torch.from_numpy(chosen)]


class Learner(torch.nn.Module):
    """The parts that learn: the UNet and both text encoders."""

    def __init__(self, pipeline: StableDiffusionXLPipeline) -> None:
        """Take the parts from the pipeline."""
        super().__init__()
        self.tokenizers = (pipeline.tokenizer, pipeline.tokenizer_2)
        self.unet = pipeline.unet.to(memory_format=torch.channels_last)
        self.text_encoder = pipeline.text_encoder
        self.text_encoder_2 = pipeline.text_encoder_2
        noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        self.signal = noise.alphas_cumprod

    def encode_text(self, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the conditioning of captions as SDXL makes it, with zeros for empty ones."""
        outputs = []
        for tokenizer, encoder in zip(self.tokenizers, (self.text_encoder, self.text_encoder_2), strict=True):
            tokens = tokenizer(captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
            outputs.append(encoder(tokens.input_ids, output_hidden_states=True))
        words = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        said = torch.tensor([caption != "" for caption in captions], dtype=words.dtype)
        return words * said[:, None, None], outputs[1].text_embeds * said[:, None]

    def forward(self, captions: list[str], latents: torch.Tensor, bucket: Bucket) -> torch.Tensor:
        """Return the loss of one batch."""
        count = len(captions)
        timesteps = random_timesteps(count, bucket, len(self.signal))
        signal = self.signal[timesteps][:, None, None, None]
        noise = torch.randn_like(latents) + NOISE_OFFSET * torch.randn(count, 4, 1, 1)
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        pure = ((timesteps >= PURE_FROM) & (torch.rand(count) < PURE_SHARE))[:, None, None, None]
        noisy = torch.where(pure, noise, noisy)
        target = torch.where(pure, (noise - signal.sqrt() * latents) / (1 - signal).sqrt(), noise)
        words, summary = self.encode_text(captions)
        sizes = torch.tensor([[bucket.height, bucket.width, 0, 0, bucket.height, bucket.width]] * count)
        conditions = {"text_embeds": summary, "time_ids": sizes}
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        guess = self.unet(noisy, timesteps, words, added_cond_kwargs=conditions).sample
        squared = (guess.float() - target).square().mean((1, 2, 3))
        return (squared * loss_weight(signal.flatten() / (1 - signal.flatten()))).mean()


def random_timesteps(count: int, bucket: Bucket, steps: int) -> torch.Tensor:
    """Return random timesteps, the noisier the larger the picture, whose shape shows through more noise."""
    scale = max(1.0, math.sqrt(bucket.height * bucket.width) / NATIVE_SIZE)
    even = torch.rand(count)
    return (steps * scale * even / (1 + (scale - 1) * even)).long().clamp(max=steps - 1)


def loss_weight(ratio: torch.Tensor) -> torch.Tensor:
    """Return each timestep's weight: less for fine detail, more for high noise, where colours are decided."""
    return torch.clamp(5 / ratio, max=1.0) * torch.clamp(ratio.rsqrt(), min=1.0, max=8.0)


class Average:
    """A moving average of a model's weights, which draws better than the weights of the last step."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Start from the model's weights."""
        self.model = model
        self.values = [parameter.detach().clone() for parameter in model.parameters()]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move towards the model's weights, faster while the run is young."""
        pace = 1 - min(AVERAGING, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [parameter.detach() for parameter in self.model.parameters()], pace)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the average and the model's weights."""
        for parameter, value in zip(self.model.parameters(), self.values, strict=True):
            kept = parameter.clone()
            parameter.copy_(value)
            value.copy_(kept)


class Run:
    """One training run: what learns, what moves it, and what is written down of it."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, progress: Progress, output: Path) -> None:
        """Prepare to train the pipeline's parts."""
        self.pipeline, self.progress = pipeline, progress
        self.checkpoint, self.snapshot = output / "unet.checkpoint", output / "pipeline"
        self.learner = Learner(pipeline)
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
        """Write a checkpoint, and the pipeline with averaged weights."""
        state = {"learner": self.learner.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_checkpoint(self.checkpoint, self.progress, **state, average=self.average.values)
        self.average.swap()
        self.pipeline.save_pretrained(self.snapshot)
        self.average.swap()

    def step(self, captions: list[str], latents: torch.Tensor, bucket: Bucket) -> float:
        """Learn from one batch and return its loss."""
        self.optimizer.param_groups[0]["lr"] = self.progress.rate(PEAK_RATE)
        # Half-precision products halve the time on processors that have them.
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.learner(captions, latents, bucket)
        lost = descend(self.optimizer, loss, self.learner.parameters(), self.progress)
        self.average.follow(self.progress.step)
        return lost


def train(run: Run, drawings: list[Drawings], random: np.random.Generator) -> None:
    """Train until the steps or the seconds are over, writing a checkpoint and a snapshot every few minutes."""
    chance = np.array([source.bucket.share for source in drawings])
    progress = run.progress
    losses: deque[float] = deque(maxlen=100)
    saved = progress.elapsed()
    while progress.fraction() < 1:
        source = drawings[int(random.choice(len(drawings), p=chance / chance.sum()))]
        captions, latents = source.batch()
        losses.append(run.step(captions, latents, source.bucket))
        if progress.step % 20 == 0:
            source.refresh(source.bucket.count // 2)
        if progress.step % 50 == 0:
            print(f"step {progress.step} {progress.elapsed():.0f} s loss {np.mean(losses):.4f}", flush=True)
        if progress.elapsed() - saved > SNAPSHOT_SECONDS:
            saved = progress.elapsed()
            run.save()
    run.save()


def main(words: list[str] | None = None) -> None:
    """Train with the autoencoder in the output folder and save the diffusers folder pipeline/ there."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser, seconds=3700)
    parser.add_argument("--tokenizers", type=Path, default=CONFIG, help="the folder with the tokenizers")
    parser.add_argument("--large-share", type=float, default=LARGE.share, help="the weight of 256x256 among the sizes")
    parser.add_argument(
        "--kept", type=int, default=LARGEST_STORE, help="keep at most this many drawings of each size ready"
    )
    arguments = parser.parse_args(words)
    progress = begin(arguments)
    pipeline = build_pipeline(arguments.tokenizers)
    vae = AutoencoderKL.from_pretrained(arguments.output / "vae", local_files_only=True)
    pipeline.register_modules(vae=vae.eval().to(memory_format=torch.channels_last))
    run = Run(pipeline, progress, arguments.output)
    if arguments.resume:
        run.load()
    random = np.random.default_rng((arguments.seed, progress.step))
    large = replace(LARGE, share=arguments.large_share)
    drawings = [Drawings(bucket, vae, random, min(bucket.kept, arguments.kept)) for bucket in (large, *BUCKETS)]
    # The clock starts when the first drawings are ready.
    progress.started = time.monotonic()
    train(run, drawings, random)


if __name__ == "__main__":
    main()
