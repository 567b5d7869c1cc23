"""What the training scripts share: their clock, their learning rate and their checkpoints."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from garret.demo_model.shapes import Pixels

WARM_UP_STEPS = 100
LOWEST_RATE = 0.01


@dataclass
class Progress:
    """How far a run is, counted in steps or in seconds, over all the times that it was resumed."""

    steps: int | None
    seconds: float | None
    step: int = 0
    spent: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Return the seconds of training so far."""
        return self.spent + time.monotonic() - self.started

    def fraction(self) -> float:
        """Return the part of the run that is done, from 0 to 1."""
        if self.steps is not None:
            return min(1.0, self.step / self.steps)
        return min(1.0, self.elapsed() / (self.seconds or 1.0))

    def rate(self, peak: float) -> float:
        """Return the learning rate now: a short warm-up, then half a cosine."""
        cosine = 0.5 * (1 + math.cos(math.pi * self.fraction()))
        return peak * min(1.0, (self.step + 1) / WARM_UP_STEPS) * max(LOWEST_RATE, cosine)


def add_run_options(parser: argparse.ArgumentParser, seconds: float) -> None:
    """Add the options that every training script has."""
    parser.add_argument("--steps", type=int, help="stop after this many steps, instead of after some time")
    parser.add_argument("--seconds", type=float, default=seconds, help="stop after this long (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads that torch uses (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the seed of weights and data (default %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="the folder for checkpoints and results")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")


def begin(arguments: argparse.Namespace) -> Progress:
    """Set threads and seeds and return the clock of the run."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    return Progress(arguments.steps, None if arguments.steps is not None else arguments.seconds)


def save_checkpoint(path: Path, progress: Progress, **parts: Any) -> None:
    """Write a checkpoint whole, so that a run stopped while writing keeps the previous one."""
    partial = path.with_suffix(".partial")
    torch.save({"step": progress.step, "spent": progress.elapsed(), **parts}, partial)
    partial.replace(path)


def load_checkpoint(path: Path, progress: Progress) -> dict[str, Any]:
    """Read a checkpoint and set the clock to where it was written."""
    checkpoint: dict[str, Any] = torch.load(path, weights_only=True)
    progress.step, progress.spent = checkpoint["step"], checkpoint["spent"]
    progress.started = time.monotonic()
    return checkpoint


def descend(
    optimizer: torch.optim.Optimizer, loss: torch.Tensor, parameters: Iterable[Any], progress: Progress
) -> float:
    """Take one step down the loss, its gradient bounded, and return the loss."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    progress.step += 1
    return float(loss.detach())


def to_tensor(pictures: list[Pixels]) -> torch.Tensor:
    """Return pictures of one size as a batch of numbers from -1 to 1."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (batch.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
