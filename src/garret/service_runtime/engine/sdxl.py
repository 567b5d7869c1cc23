"""The engine on diffusers' StableDiffusionXLPipeline: loads checkpoints on demand and keeps the last two."""

from __future__ import annotations

import gc
import logging
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import StableDiffusionXLPipeline

from garret.service_runtime.batch import Batch, Picture
from garret.service_runtime.engine.base import Event, Facts, Fatal, Image, Step
from garret.service_runtime.engine.stepping import Emit, Stopped, stepwise
from garret.service_runtime.errors import ModelError, OutOfMemory, ServiceError
from garret.service_runtime.families import find_configuration
from garret.service_runtime.safetensors_header import NotSafetensors, read_header
from garret.service_runtime.samplers import find_sampler, scheduler_options
from garret.service_runtime.tensor_families import SDXL, family_of

logger = logging.getLogger(__name__)
diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()

KEPT = 2
Key = tuple[str, int, int]


class SdxlEngine:
    """One object that touches the device, from one thread: a second thread would bring a second pool of OpenMP's."""

    def __init__(self, device: str, config_dir: Path) -> None:
        self._device = torch.device(choose_device(device))
        self._dtype = choose_dtype(self._device)
        self._config_dir = config_dir
        self._loaded: OrderedDict[Key, Any] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")

    def setup(self, checkpoint: Path | None) -> str:
        """Load the checkpoint to begin with and return the device's name."""
        if checkpoint is not None:
            self._thread.submit(self._guarded, self._pipeline, checkpoint).result()
        if self._device.type == "cuda":
            return f"{self._device} {torch.cuda.get_device_name(self._device)}"
        return str(self._device)

    def close(self) -> None:
        """End the engine's thread and let its models go."""
        self._thread.shutdown()
        self._loaded.clear()

    def run(self, batch: Batch) -> Iterator[Event]:
        """Make a batch; closing the generator stops the work at the next step."""
        yield from stepwise(lambda emit: self._guarded(self._make, batch, emit), self._thread)

    def loaded(self) -> tuple[str, ...]:
        """Return the paths of the checkpoints in memory, the one used last at the end."""
        return tuple(path for path, _, _ in list(self._loaded))

    def unload(self) -> None:
        """Let every model leave the device."""
        self._loaded.clear()
        self._thread.submit(self._release).result()

    def facts(self) -> Facts:
        """Return what the engine says of itself."""
        used, total = 0, 0
        if self._device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self._device)
            used = total - free
        return {
            "device": str(self._device),
            "memory_used": used,
            "memory_total": total,
            "mode": "normal",
            "dtype": str(self._dtype).removeprefix("torch."),
            "compiled": False,
        }

    def _make(self, batch: Batch, emit: Emit) -> None:
        asked = batch.request
        pipeline = self._pipeline(Path(batch.used.checkpoint))
        sampler, schedule = find_sampler(asked.sampler, asked.schedule)
        scheduler_class = getattr(diffusers, sampler.scheduler_class)
        pipeline.scheduler = scheduler_class.from_config(
            pipeline.original_scheduler_config, **scheduler_options(sampler, schedule)
        )

        def after_step(pipe: Any, index: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            emit(Step(index + 1, pipe.num_timesteps))
            return values

        # Not inference_mode: a decoder that must go to full precision for a moment changes its own weights in between.
        with torch.no_grad():
            pixels = pipeline(
                **encode(pipeline, batch),
                width=asked.width,
                height=asked.height,
                num_inference_steps=asked.steps,
                guidance_scale=asked.cfg_scale,
                # One generator for each picture, on the CPU: the same seed gives the same noise alone, in a batch
                # and on any device.
                generator=[torch.Generator("cpu").manual_seed(picture.seed) for picture in batch.pictures],
                callback_on_step_end=after_step,
                output_type="pt",
            ).images
            rows = (pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        for index, picture in enumerate(rows):
            notes = cut_words(pipeline, batch.pictures[index])
            emit(Image(index, asked.width, asked.height, picture.tobytes(), notes))

    def _pipeline(self, path: Path) -> Any:
        try:
            status = path.stat()
        except OSError as error:
            raise ModelError(f"{path.name}: {error.strerror}") from error
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key in self._loaded:
            self._loaded.move_to_end(key)
            return self._loaded[key]
        while len(self._loaded) >= KEPT:
            self._loaded.popitem(last=False)
            self._release()
        self._loaded[key] = load(path, self._config_dir, self._device, self._dtype)
        return self._loaded[key]

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
                self._release()
                raise OutOfMemory("the device's memory does not suffice", "Ask for a smaller picture") from None
            raise

    def _release(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def choose_device(setting: str) -> str:
    """Return the device that a setting means; "auto" is the GPU where there is one."""
    if setting != "auto":
        return setting
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def choose_dtype(device: torch.device) -> torch.dtype:
    """Return half precision on a GPU, which SDXL is published in, and full precision on a CPU."""
    return torch.float16 if device.type == "cuda" else torch.float32


def load(path: Path, config_dir: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a checkpoint file or a diffusers folder; safetensors only, nothing from the network."""
    try:
        pipeline = _load_folder(path, dtype) if path.is_dir() else _load_file(path, config_dir, dtype)
    except (ServiceError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ModelError(f"{path.name} does not load: {type(error).__name__}: {error}"[:400]) from error
    pipeline.set_progress_bar_config(disable=True)
    pipeline.watermark = None
    pipeline.to(device)
    # Convolutions over channels that lie together: a third off the decoder's time on a CPU, some on a GPU.
    pipeline.unet.to(memory_format=torch.channels_last)
    pipeline.vae.to(memory_format=torch.channels_last)
    # One picture at a time through the decoder, whose memory would else bound the batch.
    pipeline.vae.enable_slicing()
    # Kept aside, since every batch puts its own sampler in this one's place.
    pipeline.original_scheduler_config = pipeline.scheduler.config
    return pipeline


def encode(pipeline: Any, batch: Batch) -> dict[str, Any]:
    """Return the pipeline's arguments for the batch's words, each picture's the same as if it were alone."""
    negatives = [picture.negative_prompt for picture in batch.pictures]
    guided = batch.request.cfg_scale > 1
    embeddings, negative, pooled, negative_pooled = pipeline.encode_prompt(
        prompt=[picture.prompt for picture in batch.pictures],
        negative_prompt=negatives if any(negatives) else None,
        device=pipeline._execution_device,
        do_classifier_free_guidance=guided,
    )
    if not guided:
        return {"prompt_embeds": embeddings, "pooled_prompt_embeds": pooled}
    if any(negatives) and pipeline.config.force_zeros_for_empty_prompt:
        # What the pipeline does for a prompt alone: an empty negative prompt means zeros, not the empty text.
        for index, words in enumerate(negatives):
            if not words:
                negative[index] = 0
                negative_pooled[index] = 0
    return {
        "prompt_embeds": embeddings,
        "pooled_prompt_embeds": pooled,
        "negative_prompt_embeds": negative,
        "negative_pooled_prompt_embeds": negative_pooled,
    }


def cut_words(pipeline: Any, picture: Picture) -> dict[str, str]:
    """Return a note for each text that CLIP reads only the beginning of; the pipeline cuts without a word."""
    tokenizer = pipeline.tokenizer or pipeline.tokenizer_2
    # The count and the limit both hold the marks of beginning and end, which no word of the caller's is in.
    limit = tokenizer.model_max_length
    texts = {"Prompt cut": picture.prompt, "Negative prompt cut": picture.negative_prompt}
    return {name: f"to {limit - 2} tokens" for name, text in texts.items() if len(tokenizer(text).input_ids) > limit}


def classify(error: Exception) -> type[Exception] | None:
    """Return Fatal for a lost device, OutOfMemory for a full one, None for anything else."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return OutOfMemory
    lost = getattr(torch, "AcceleratorError", None)
    if (lost is not None and isinstance(error, lost)) or "CUDA error" in text or "cuDNN error" in text:
        return Fatal
    return None


def _load_file(path: Path, config_dir: Path, dtype: torch.dtype) -> Any:
    try:
        header = read_header(path)
    except NotSafetensors as error:
        raise ModelError(f"{path.name} {error}") from error
    family = family_of(header)
    if family != SDXL:
        raise ModelError(f"{path.name} is a model of the family {family!r}; this service makes pictures with SDXL only")
    configuration = find_configuration(header, config_dir)
    if configuration is None:
        raise ModelError(
            f"{path.name}: no configuration folder below {config_dir} has this model's sizes",
            "Put the model's diffusers folder without weights there",
        )
    return StableDiffusionXLPipeline.from_single_file(
        str(path), config=str(configuration), local_files_only=True, torch_dtype=dtype, add_watermarker=False
    )


def _load_folder(path: Path, dtype: torch.dtype) -> Any:
    half = any(path.glob("unet/*.fp16.safetensors"))
    return StableDiffusionXLPipeline.from_pretrained(
        str(path),
        local_files_only=True,
        torch_dtype=dtype,
        use_safetensors=True,
        variant="fp16" if half else None,
        add_watermarker=False,
    )
