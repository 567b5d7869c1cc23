"""Train the demo model's autoencoder on drawn shapes."""

from __future__ import annotations

import argparse

import numpy as np
import torch
from diffusers import AutoencoderKL

from garret.demo_model.shapes import COLOURS, SHAPES, Pixels, Placement, coverage, draw, paint, random_scene
from training.demo_model.architecture import LATENT_SCALE, build_vae
from training.demo_model.common import (
    Progress,
    add_run_options,
    begin,
    load_checkpoint,
    save_checkpoint,
    to_tensor,
)

PEAK_RATE = 2e-3
# Height, width, pictures per step, and how often: small pictures teach fast, large ones keep the sizes honest.
BATCHES = ((64, 64, 16, 0.3), (128, 128, 4, 0.45), (128, 192, 3, 0.07), (192, 128, 3, 0.07), (256, 256, 1, 0.11))
# Noise on the latents while training, so that small errors of the UNet do not show.
LATENT_NOISE = 0.06
# The first three latent channels are drawn towards the picture itself, reduced eightfold: such latents are
# smooth and their colours plain, which makes the UNet's work easy.
PLAIN_WEIGHT = 0.3
SMALL_WEIGHT = 1e-3
# The log-variance that the trained encoder reports: low, so that image-to-image starts from clean latents.
QUIET = -20.0


def random_colour(random: np.random.Generator) -> tuple[int, int, int]:
    """Return one of the named colours or any other."""
    if random.random() < 0.4:
        return list(COLOURS.values())[int(random.integers(len(COLOURS)))]
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue


def random_collage(height: int, width: int, random: np.random.Generator) -> Pixels:
    """Return a picture of several shapes in any colours, for an autoencoder that copes with more than one shape."""
    picture = paint(np.zeros((height, width), np.float32), (0, 0, 0), random_colour(random)).astype(np.float32)
    if random.random() < 0.3:
        slope = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
        picture = picture + slope * (np.array(random_colour(random), np.float32) - picture)
    for _ in range(int(random.integers(1, 5))):
        spot = Placement(
            random.uniform(0.1, 0.9) * width,
            random.uniform(0.1, 0.9) * height,
            random.uniform(0.1, 0.42) * min(height, width),
        )
        cover = coverage(SHAPES[int(random.integers(len(SHAPES)))], spot, height, width)[..., None]
        picture = picture + cover * (np.array(random_colour(random), np.float32) - picture)
    return np.asarray(np.rint(picture), dtype=np.uint8)


def random_batch(random: np.random.Generator) -> torch.Tensor:
    """Return a batch of drawings, half of them scenes and half of them collages."""
    chance = np.array([share for *_, share in BATCHES])
    height, width, count, _ = BATCHES[int(random.choice(len(BATCHES), p=chance / chance.sum()))]
    pictures = [
        draw(random_scene(random, unseen=False), height, width, random)
        if random.random() < 0.5
        else random_collage(height, width, random)
        for _ in range(count)
    ]
    return to_tensor(pictures)


def loss_of(vae: AutoencoderKL, pictures: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the training loss and the mean squared error of the copies."""
    with torch.autocast("cpu", torch.bfloat16):
        latents = vae.encode(pictures).latent_dist.mode().float()
        copies = vae.decode(latents + LATENT_NOISE * torch.randn_like(latents)).sample.float()
    plain = torch.nn.functional.avg_pool2d(pictures, LATENT_SCALE)
    squared = (copies - pictures).square().mean()
    loss = (copies - pictures).abs().mean() + squared
    loss = loss + PLAIN_WEIGHT * (latents[:, :3] - plain).square().mean() + SMALL_WEIGHT * latents[:, 3].square().mean()
    return loss, float(squared.detach())


def train(vae: AutoencoderKL, progress: Progress, arguments: argparse.Namespace) -> None:
    """Train until the steps or the seconds are over, writing a checkpoint every minute."""
    optimizer = torch.optim.AdamW(vae.parameters(), PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    path = arguments.output / "vae.checkpoint"
    if arguments.resume:
        checkpoint = load_checkpoint(path, progress)
        vae.load_state_dict(checkpoint["vae"])
        optimizer.load_state_dict(checkpoint["optimizer"])
    random = np.random.default_rng((arguments.seed, progress.step))
    running, saved = 0.1, progress.elapsed()
    while progress.fraction() < 1:
        optimizer.param_groups[0]["lr"] = progress.rate(PEAK_RATE)
        loss, squared = loss_of(vae, random_batch(random))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        progress.step += 1
        running += 0.02 * (squared - running)
        if progress.step % 50 == 0:
            decibels = 10 * np.log10(4 / running)
            print(f"step {progress.step} {progress.elapsed():.0f} s loss {loss:.4f} {decibels:.1f} dB", flush=True)
        if progress.elapsed() - saved > 60:
            saved = progress.elapsed()
            save_checkpoint(path, progress, vae=vae.state_dict(), optimizer=optimizer.state_dict())
    save_checkpoint(path, progress, vae=vae.state_dict(), optimizer=optimizer.state_dict())


@torch.no_grad()
def settle_latents(vae: AutoencoderKL, random: np.random.Generator) -> None:
    """Fold the latents' mean and spread into the autoencoder, so that its scaling factor is SDXL's and right."""
    pictures = [draw(random_scene(random, unseen=False), 128, 128, random) for _ in range(256)]
    latents = torch.cat([vae.encode(part).latent_dist.mode() for part in to_tensor(pictures).split(32)])
    mean = latents.mean((0, 2, 3))
    spread = latents.std((0, 2, 3)) * vae.config.scaling_factor
    channels = len(mean)
    into, out_of = vae.quant_conv, vae.post_quant_conv
    into.weight[:channels] /= spread[:, None, None, None]
    into.bias[:channels] = (into.bias[:channels] - mean) / spread
    into.weight[channels:] = 0
    into.bias[channels:] = QUIET
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= spread[None, :, None, None]


@torch.no_grad()
def quality(vae: AutoencoderKL, height: int, width: int) -> float:
    """Return the peak signal-to-noise ratio, in decibels, of copies of scenes never trained on."""
    random = np.random.default_rng(1)
    errors = []
    for _ in range(32):
        picture = to_tensor([draw(random_scene(random, unseen=True), height, width, random)])
        copy = vae.decode(vae.encode(picture).latent_dist.mode()).sample.clamp(-1, 1)
        errors.append(float((copy - picture).square().mean()))
    return float(10 * np.log10(4 / np.mean(errors)))


def main(words: list[str] | None = None) -> None:
    """Train the autoencoder and save it as the diffusers folder vae/ in the output folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser, seconds=900)
    arguments = parser.parse_args(words)
    progress = begin(arguments)
    vae = build_vae().to(memory_format=torch.channels_last)
    train(vae, progress, arguments)
    vae.eval()
    settle_latents(vae, np.random.default_rng(2))
    for height, width in ((128, 128), (256, 256), (128, 192)):
        print(f"{width}x{height}: {quality(vae, height, width):.1f} dB")
    vae.save_pretrained(arguments.output / "vae")


if __name__ == "__main__":
    main()
