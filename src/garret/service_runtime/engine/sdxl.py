"""The engine on diffusers' models and schedulers: what a batch asks for, stage by stage."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch
from diffusers.utils import logging as diffusers_logging

from garret.service_runtime.asked import Upscale
from garret.service_runtime.batch import Batch, Picture, Used
from garret.service_runtime.engine.base import Event, Facts, Fatal, Image, Rest
from garret.service_runtime.engine.canvas import read_rows
from garret.service_runtime.engine.compiled import CompileCache, fingerprint_of
from garret.service_runtime.engine.painting import Painting, Workshop
from garret.service_runtime.engine.previews import Colours
from garret.service_runtime.engine.residency import Residency
from garret.service_runtime.engine.speedups import Speedups
from garret.service_runtime.engine.stepping import Emit, Stopped, stepwise
from garret.service_runtime.engine.upscale import Enlarger
from garret.service_runtime.engine.vaes import Vaes
from garret.service_runtime.engine.words import WordEncoder
from garret.service_runtime.errors import OutOfMemory, ServiceError
from garret.service_runtime.request import ImageRequest

logger = logging.getLogger(__name__)
diffusers_logging.set_verbosity_error()
diffusers_logging.disable_progress_bar()


@dataclass(frozen=True)
class Tuning:
    """How the engine works rather than what it draws; see the settings of the same names."""

    precision: str = "auto"
    memory_bytes: int = 0
    compile: str = "auto"
    compiled_dir: Path | None = None
    compiled_seed: Path | None = None


class SdxlEngine:
    """One object that touches the device, from one thread: a second thread would bring a second pool of OpenMP's."""

    def __init__(
        self, device: str, config_dir: Path, tuning: Tuning = Tuning(), residency: Residency | None = None
    ) -> None:
        self._device = torch.device(choose_device(device))
        self._dtype = choose_dtype(self._device, tuning.precision)
        self._residency = residency or self._empty(config_dir, tuning)
        self._speedups = self._residency.speedups
        self._vaes = Vaes(self._device, self._dtype)
        self._words = WordEncoder()
        self._enlarger = Enlarger(self._device, choose_network_dtype(self._device, self._dtype))
        self._workshop = Workshop(self._residency, self._vaes, self._words, Colours(), self._device, self._enlarger)
        self._side: torch.cuda.Stream | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")

    def _empty(self, config_dir: Path, tuning: Tuning) -> Residency:
        cache = None
        if tuning.compiled_dir is not None:
            name = fingerprint_of(self._device, self._dtype)
            cache = CompileCache(tuning.compiled_dir, tuning.compiled_seed, name)
        speedups = Speedups(self._device, tuning.compile, cache)
        return Residency(self._device, self._dtype, config_dir, tuning.memory_bytes, speedups)

    @property
    def compiles(self) -> bool:
        """Say whether setting up compiles."""
        return self._speedups.compiles

    def setup(self, checkpoint: Path | None) -> str:
        """Load the checkpoint to begin with and return the device's name."""
        if checkpoint is not None:
            self._thread.submit(self._guarded, self._residency.take, str(checkpoint)).result()
            if self._speedups.compiles:
                self._thread.submit(self._guarded, self._warm, str(checkpoint)).result()
        if self._device.type == "cuda":
            return f"{self._device} {torch.cuda.get_device_name(self._device)}"
        return str(self._device)

    def close(self) -> None:
        """End the engine's thread and let its models go."""
        self._thread.submit(self._unload).result()
        self._thread.shutdown()

    def run(self, batch: Batch) -> Iterator[Event]:
        """Make a batch; closing the generator stops the work at the next step."""
        yield from stepwise(lambda emit: self._guarded(self._make, batch, emit), self._thread)

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
            "compiled": self._speedups.is_compiled,
            "torch": str(torch.__version__),
            "cuda": torch.version.cuda,
        }

    def _unload(self) -> None:
        with self._residency.decoding:
            self._words.cache.clear()
            self._vaes.unload()
            self._enlarger.unload()
            self._residency.unload()

    def _warm(self, checkpoint: str) -> None:
        """Draw one picture of the model's own size, so that what it takes is compiled before anybody waits for it."""
        if self._speedups.cache is not None:
            self._speedups.cache.load()
        with torch.no_grad():
            parts, _ = self._residency.take(checkpoint)
            side = parts.unet.config.sample_size * parts.scale
            request = ImageRequest(checkpoint, "", width=side, height=side, steps=4, cfg_scale=5.0, seed=1)
            painting = Painting(self._workshop, Batch(request, Used(checkpoint), (Picture("", "", 1),)))
            for _ in painting.images(painting.paint(lambda _: None)):
                pass
        self._speedups.compiled()

    def _make(self, batch: Batch, emit: Emit) -> None:
        # Not inference_mode: tensors made in it cannot be used outside, and LoRAs change weights in between.
        with torch.no_grad():
            if not batch.request.paints:
                self._only_upscale(batch, emit)
                return
            painting = Painting(self._workshop, batch)
            if batch.request.upscale is not None:
                self._paint_and_upscale(painting, batch, batch.request.upscale, emit)
                return
            latents = painting.paint(emit)
            if self._device.type == "cuda" and not self._residency.low:
                emit(Rest(partial(self._finish, painting, latents, mark(self._device))))
                return
            for image in painting.images(latents):
                emit(image)

    def _only_upscale(self, batch: Batch, emit: Emit) -> None:
        """Make a picture that is there larger; where there was too little memory for that, alone in it."""
        upscale, networks = batch.request.upscale, batch.used.upscalers
        if upscale is None:
            return
        if batch.memory == "low":
            self._unload()
        rows = read_rows(batch.used.picture)
        size = rows.shape[1], rows.shape[0]
        counter = self._enlarger.counter(emit, upscale, networks, size, 1)
        made = self._enlarger.apply(rows, upscale, networks, counter)
        emit(Image(0, made.shape[1], made.shape[0], made.tobytes()))

    def _paint_and_upscale(self, painting: Painting, batch: Batch, upscale: Upscale, emit: Emit) -> None:
        """Make pictures, then make them larger; in one go, since the device is busy to the end."""
        networks, count = batch.used.upscalers, len(batch.pictures)
        counter = self._enlarger.counter(emit, upscale, networks, batch.request.painted_size, count)
        latents = painting.paint(emit, counter.steps)
        counter.before = painting.steps
        for image in painting.images(latents):
            rows = numpy.frombuffer(image.rgb, numpy.uint8).reshape(image.height, image.width, 3)
            made = self._enlarger.apply(rows, upscale, networks, counter)
            emit(replace(image, width=made.shape[1], height=made.shape[0], rgb=made.tobytes()))

    def _finish(self, painting: Painting, latents: torch.Tensor, made: torch.cuda.Event) -> Iterator[Image]:
        """Decode a batch on a stream of its own, in the thread of who reads the images."""
        side = self._side = self._side or torch.cuda.Stream(self._device)
        side.wait_event(made)
        latents.record_stream(side)
        images = painting.images(latents)
        while True:
            with torch.no_grad(), torch.cuda.stream(side):
                image = self._guarded(next, images, None)
            if image is None:
                return
            yield image

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
                text = shortage(str(error), *self._residency.memory(), self._residency.mode)
                self._speedups.forget()
                self._residency.release()
                raise OutOfMemory(text, "Ask for a smaller picture") from None
            raise


def mark(device: torch.device) -> torch.cuda.Event:
    """Return an event behind all that is queued on the device."""
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event


def choose_network_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """Return the type that networks which enlarge work in: half precision where the engine has any, on a GPU."""
    return torch.float16 if device.type == "cuda" and dtype != torch.float32 else torch.float32


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


def shortage(said: str, used: int, total: int, mode: str) -> str:
    """Return what is told of a device whose memory, in bytes, did not suffice; `said` is what PyTorch says of it."""
    asked = re.search(r"tried to allocate ([\d.]+ (?:bytes|[KMGT]iB))", said, re.IGNORECASE)
    more = f": {asked[1]} more were asked for" if asked else ""
    there = f" of {total / 2**30:.2f}" if total else ""
    return f"the device's memory does not suffice in {mode} mode{more}, with {used / 2**30:.2f}{there} GiB in use"


def classify(error: Exception) -> type[Exception] | None:
    """Return Fatal for a lost device, OutOfMemory for a full one, None for anything else."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return OutOfMemory
    lost = getattr(torch, "AcceleratorError", None)
    if (lost is not None and isinstance(error, lost)) or "CUDA error" in text or "cuDNN error" in text:
        return Fatal
    return None
