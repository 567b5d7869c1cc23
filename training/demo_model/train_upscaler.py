"""Train the demo upscaler: a compact network for twice the size, on drawings and on colours that run together."""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from garret.demo_model.shapes import Pixels, Placement, coverage, draw, random_scene
from garret.service_runtime.engine.networks import Compact
from garret.service_runtime.upscaler_file import COMPACT, Network
from training.demo_model.common import Progress, add_run_options, begin, descend, load_checkpoint, save_checkpoint

NETWORK = Network(COMPACT, 2, width=20, depth=6)
PEAK_RATE = 2e-3
SIDE = 96
"""Of the large pictures, in pixels."""
BATCH = 12
KEPT = 400
SNAPSHOT_SECONDS = 60.0
# How pictures are made smaller before the network makes them larger again: by all that people make them smaller with.
REDUCTIONS = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)
NAME = "demo-2x"
METADATA = {"modelspec.title": "garret demo upscaler", "modelspec.license": "Apache-2.0"}


def drawing(random: np.random.Generator, side: int = SIDE, *, unseen: bool = False) -> Pixels:
    """Return a picture: shapes over each other, colours that run, grain now and then."""
    picture = _running(random, side) if random.random() < 0.6 else np.full((side, side, 3), random.integers(0, 256, 3))
    rows: Pixels = picture.astype(np.uint8)
    for _ in range(int(random.integers(1, 6))):
        scene = random_scene(random, unseen)
        place = Placement(*(float(at) for at in random.uniform(-0.1, 1.1, 2) * side), _radius(random, side))
        cover = coverage(scene.shape, place, side, side)[..., None] * random.uniform(0.5, 1)
        rows = _blended(rows, cover, np.array(random.integers(0, 256, 3), np.float32))
    if random.random() < 0.3:
        rows = np.clip(rows + random.normal(0, random.uniform(1, 5), rows.shape), 0, 255).astype(np.uint8)
    return rows


def plain_drawing(random: np.random.Generator, side: int = SIDE) -> Pixels:
    """Return what the demo model draws: one shape, in colours and at a place that training never sees together."""

    return draw(random_scene(random, True), side, side, random)


def smaller(picture: Pixels, how: Image.Resampling) -> Pixels:
    """Return a picture of half the size."""
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width // 2, height // 2), how))


def _radius(random: np.random.Generator, side: int) -> float:
    return float(side * np.exp(random.uniform(np.log(0.03), np.log(0.6))))


def _blended(rows: Pixels, cover: np.ndarray, colour: np.ndarray) -> Pixels:
    return np.asarray(np.rint(rows + cover * (colour - rows)), np.uint8)


def _running(random: np.random.Generator, side: int) -> np.ndarray:
    """Return smooth noise at several scales, which fades the finer it is."""
    total = np.zeros((side, side, 3), np.float32)
    fade = random.uniform(0.5, 1.5)
    for cells in (2, 3, 6, 12, 24, 48):
        noise = random.standard_normal((cells, cells, 3)).astype(np.float32)
        planes = [Image.fromarray(noise[..., at]).resize((side, side), Image.Resampling.BICUBIC) for at in range(3)]
        total += np.stack([np.asarray(plane) for plane in planes], -1) / cells**fade
    span = total.max() - total.min()
    low, high = sorted(random.uniform(0, 255, 2))
    return np.asarray((total - total.min()) / span * (high - low) + low)


def begun() -> Compact:
    """Return a network that begins as plain interpolation: three of its channels carry the colours to the end."""
    module = Compact(NETWORK)
    convs = [layer for layer in module.body if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for layer in module.body:
            if isinstance(layer, nn.PReLU):
                layer.weight[:3] = 1.0
        for conv in convs:
            conv.bias.zero_()  # type: ignore[union-attr]
        for conv in convs[:-1]:
            conv.weight[:3] = 0.0
            for colour in range(3):
                conv.weight[colour, colour, 1, 1] = 1.0
        convs[-1].weight[:] *= 0.1
        convs[-1].weight[:, :3] = 0.0
        for colour in range(3):
            for phase in range(4):
                convs[-1].weight[4 * colour + phase, colour] = _between(phase // 2, phase % 2)
    return module


def _between(down: int, across: int) -> Tensor:
    """Return what a pixel's quarter gets of the pixels around it, less the pixel itself, which is added anyway."""
    rows = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
    kernel = rows[down][:, None] * rows[across][None]
    kernel[1, 1] -= 1
    return kernel


class Pairs:
    """Pictures drawn ahead, of which some are drawn anew as training goes on."""

    def __init__(self, random: np.random.Generator, kept: int) -> None:
        """Draw them."""
        self._random = random
        self._kept = [self._draw() for _ in range(kept)]

    def _draw(self) -> Pixels:
        # A third of what the demo model draws, which is what is mostly made larger with it.
        chance = self._random.random()
        if chance < 0.35:
            side = int(self._random.integers(1, 4)) * SIDE
            picture = draw(random_scene(self._random, False), side, side, self._random)
            top, left = self._random.integers(0, side - SIDE + 1, 2)
            return picture[top : top + SIDE, left : left + SIDE]
        if chance < 0.5:
            return np.asarray(np.clip(_running(self._random, SIDE), 0, 255).astype(np.uint8))
        return drawing(self._random)

    def refresh(self, count: int) -> None:
        """Draw some anew."""
        for _ in range(count):
            self._kept[int(self._random.integers(len(self._kept)))] = self._draw()

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return small pictures and the large ones that they were, turned and mirrored at random."""
        large = []
        for at in self._random.integers(len(self._kept), size=BATCH):
            picture = np.rot90(self._kept[int(at)], int(self._random.integers(4)))
            large.append(np.ascontiguousarray(picture[:, ::-1] if self._random.random() < 0.5 else picture))
        how = [REDUCTIONS[int(at)] for at in self._random.integers(len(REDUCTIONS), size=BATCH)]
        small = [smaller(picture, one) for picture, one in zip(large, how, strict=True)]
        return as_numbers(small), as_numbers(large)


def as_numbers(pictures: list[Pixels]) -> Tensor:
    """Return pictures of one size as a batch of numbers from 0 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def write(module: nn.Module, folder: Path) -> None:
    """Write the weights in half precision, as one file that the service knows the network by."""
    state = {name: value.half().contiguous() for name, value in module.state_dict().items()}
    save_file(state, folder / f"{NAME}.safetensors", METADATA)


def train(module: nn.Module, progress: Progress, pairs: Pairs, optimizer: torch.optim.Optimizer, output: Path) -> None:
    """Train until the steps or the seconds are over."""
    saved = progress.elapsed()
    losses: deque[float] = deque(maxlen=200)
    while progress.fraction() < 1:
        small, large = pairs.batch()
        optimizer.param_groups[0]["lr"] = progress.rate(PEAK_RATE)
        # In decibels, so that a picture that is easy, which most flat ones are, counts as much as one that is not.
        loss = 10 * ((module(small) - large).square().mean((1, 2, 3)) + 1e-6).log10().mean()
        losses.append(descend(optimizer, loss, module.parameters(), progress))
        pairs.refresh(4)
        if progress.step % 100 == 0:
            print(f"step {progress.step} {progress.elapsed():.0f} s loss {np.mean(losses):.2f} dB", flush=True)
        if progress.elapsed() - saved > SNAPSHOT_SECONDS:
            saved = progress.elapsed()
            save(module, optimizer, progress, output)
    save(module, optimizer, progress, output)


def save(module: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, output: Path) -> None:
    """Write a checkpoint, and the network as it is now."""
    state = {"network": module.state_dict(), "optimizer": optimizer.state_dict()}
    save_checkpoint(output / "upscaler.checkpoint", progress, **state)
    write(module, output)


def main(words: list[str] | None = None) -> None:
    """Train and write the upscaler into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser, seconds=1000)
    parser.add_argument("--kept", type=int, default=KEPT, help="keep this many drawings ready (default %(default)s)")
    arguments = parser.parse_args(words)
    progress = begin(arguments)
    module = begun()
    optimizer = torch.optim.Adam(module.parameters(), PEAK_RATE, betas=(0.9, 0.99))
    if arguments.resume:
        checkpoint = load_checkpoint(arguments.output / "upscaler.checkpoint", progress)
        module.load_state_dict(checkpoint["network"])
        optimizer.load_state_dict(checkpoint["optimizer"])
    pairs = Pairs(np.random.default_rng((arguments.seed, progress.step)), arguments.kept)
    train(module, progress, pairs, optimizer, arguments.output)


if __name__ == "__main__":
    main()
