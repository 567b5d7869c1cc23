"""The engine on diffusers' models and schedulers: what a batch asks for, stage by stage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging

from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.base import Event, Facts, Fatal, Image
from garret.service_runtime.engine.canvas import open_canvas
from garret.service_runtime.engine.decode import decode
from garret.service_runtime.engine.denoise import Pass, denoise
from garret.service_runtime.engine.guidance import Guide
from garret.service_runtime.engine.ids import base_ids
from garret.service_runtime.engine.noise import Noises
from garret.service_runtime.engine.residency import Residency
from garret.service_runtime.engine.stepping import Emit, Stopped, stepwise
from garret.service_runtime.engine.vaes import Vaes
from garret.service_runtime.engine.walk import build_walk
from garret.service_runtime.engine.watch import Watch
from garret.service_runtime.engine.words import WordEncoder
from garret.service_runtime.errors import BadRequest, OutOfMemory, ServiceError

logger = logging.getLogger(__name__)
diffusers_logging.set_verbosity_error()
diffusers_logging.disable_progress_bar()


class SdxlEngine:
    """One object that touches the device, from one thread: a second thread would bring a second pool of OpenMP's."""

    def __init__(self, device: str, config_dir: Path, precision: str = "auto", memory_bytes: int = 0) -> None:
        self._device = torch.device(choose_device(device))
        self._dtype = choose_dtype(self._device, precision)
        self._residency = Residency(self._device, self._dtype, config_dir, memory_bytes)
        self._vaes = Vaes(self._device, self._dtype)
        self._words = WordEncoder()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")

    def setup(self, checkpoint: Path | None) -> str:
        """Load the checkpoint to begin with and return the device's name."""
        if checkpoint is not None:
            self._thread.submit(self._guarded, self._residency.take, str(checkpoint)).result()
        if self._device.type == "cuda":
            return f"{self._device} {torch.cuda.get_device_name(self._device)}"
        return str(self._device)

    def close(self) -> None:
        """End the engine's thread and let its models go."""
        self._thread.submit(self._unload).result()
        self._thread.shutdown()

    def run(self, batch: Batch) -> Iterator[Event]:
        """Make a batch; closing the generator stops the work at the next step."""
        yield from stepwise(lambda emit: self._guarded(self._without_gradients, batch, emit), self._thread)

    def loaded(self) -> tuple[str, ...]:
        """Return the paths of the checkpoints in memory, the one used last at the end."""
        return self._residency.loaded()

    def unload(self) -> None:
        """Let every model leave the device."""
        self._thread.submit(self._unload).result()

    def facts(self) -> Facts:
        """Return what the engine says of itself."""
        used, total = self._residency.memory()
        return {
            "device": str(self._device),
            "memory_used": used,
            "memory_total": total,
            "mode": self._residency.mode,
            "dtype": str(self._dtype).removeprefix("torch."),
            "compiled": False,
        }

    def _unload(self) -> None:
        self._words.cache.clear()
        self._vaes.unload()
        self._residency.unload()

    def _without_gradients(self, batch: Batch, emit: Emit) -> None:
        # Not inference_mode: tensors made in it cannot be used outside, and LoRAs change weights in between.
        with torch.no_grad():
            self._make(batch, emit)

    def _make(self, batch: Batch, emit: Emit) -> None:
        asked, residency = batch.request, self._residency
        for name in ("hires", "refiner"):
            if getattr(asked, name) is not None:
                raise BadRequest(name, "is not there yet")
        residency.begin(batch)
        parts, loras = residency.take(batch.used.checkpoint)
        parts = parts.with_vae(self._vaes.choose(parts, batch.used))
        notes = loras.use(batch.used.loras)
        noises = noises_of(batch, self._device)
        with residency.using(parts.vae):
            canvas = open_canvas(parts, batch, tiled=residency.tiled)
        share = asked.start.denoise if asked.start else 1.0
        walk = build_walk(parts.scheduler_config, asked, asked.steps, self._device, noises, denoise=share)
        with residency.using(parts.text_encoder, parts.text_encoder_2):
            words = self._words.encode(
                parts,
                batch.pictures,
                asked,
                batch.used,
                self._device,
                steps=walk.total_steps,
                changes=loras.identity,
            )
        noise = noises.first((parts.channels, asked.height // parts.scale, asked.width // parts.scale))
        guide = Guide(parts.unet, base_ids(asked, asked.width, asked.height), asked.cfg_scale, self._device)
        one = Pass("denoise", guide, walk, words, asked.cfg_scale, walk.total_steps, shortcuts=asked.shortcuts)
        with residency.using(parts.unet):
            latents = canvas.begin(walk, noise) if canvas else walk.begin(noise)
            blend = canvas.blending(walk, noise) if canvas else None
            latents = denoise(one, latents, Watch(emit, walk.total_steps), blend)
        if residency.low:
            notes["Mode"] = "low-vram"
        with residency.using(parts.vae):
            for index, picture in enumerate(decode(parts.vae, latents, tiled=residency.tiled)):
                made = canvas.finish(picture) if canvas else picture
                height, width = made.shape[:2]
                emit(Image(index, width, height, made.tobytes(), {**walk.notes, **notes}))

    def _guarded(self, function: Any, *arguments: Any) -> Any:
        """Call a function, turning what torch raises into the service's errors."""
        try:
            return function(*arguments)
        except (ServiceError, Stopped):
            raise
        except Exception as error:
            kind = classify(error)
            if kind is Fatal:
                raise Fatal(f"the device is lost: {error}"[:300]) from error
            if kind is OutOfMemory:
                self._residency.release()
                raise OutOfMemory("the device's memory does not suffice", "Ask for a smaller picture") from None
            raise


def noises_of(batch: Batch, device: torch.device) -> Noises:
    """Return the noise of a batch's pictures by their seeds."""
    others = [picture.variation_seed for picture in batch.pictures]
    seeds = [picture.seed for picture in batch.pictures]
    return Noises(seeds, device, variation=batch.request.variation, variation_seeds=others)


def choose_device(setting: str) -> str:
    """Return the device that a setting means; "auto" is the GPU where there is one."""
    if setting != "auto":
        return setting
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def choose_dtype(device: torch.device, precision: str = "auto") -> torch.dtype:
    """Return the type that a setting means; "auto" is fp16 on a GPU, which SDXL is published in, and fp32 on a CPU."""
    if precision != "auto":
        return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    return torch.float16 if device.type == "cuda" else torch.float32


def classify(error: Exception) -> type[Exception] | None:
    """Return Fatal for a lost device, OutOfMemory for a full one, None for anything else."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return OutOfMemory
    lost = getattr(torch, "AcceleratorError", None)
    if (lost is not None and isinstance(error, lost)) or "CUDA error" in text or "cuDNN error" in text:
        return Fatal
    return None
