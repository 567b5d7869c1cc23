"""Where the weights of a checkpoint's parts lie: in one file under the original's names, or in diffusers' folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from garret.service_runtime.engine import keys
from garret.service_runtime.engine.keys import Source
from garret.service_runtime.engine.weights import WeightFile
from garret.service_runtime.errors import ModelError
from garret.service_runtime.families import find_configuration
from garret.service_runtime.safetensors_header import Header, NotSafetensors, read_header
from garret.service_runtime.tensor_families import REFINER, SDXL, family_of, title_of

# What VAEs were saved as before diffusers had one attention for all.
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Origin:
    """One part: its configuration, the files of its weights, and how its weights' names become theirs."""

    config: Mapping[str, Any]
    files: Sequence[WeightFile]
    sources: Callable[[Iterable[str]], Mapping[str, Source]]


@dataclass(frozen=True)
class Layout:
    """A checkpoint's parts, its folder of configurations and tokenizers, the pipeline's and scheduler's settings."""

    folder: Path
    config: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    unet: Origin
    vae: Origin
    text_encoder: Origin | None
    text_encoder_2: Origin

    @property
    def tokenizer_2(self) -> Path:
        """The second tokenizer's folder: a refiner's configuration lies below the one whose tokenizer it shares."""
        own = self.folder / "tokenizer_2"
        return own if own.is_dir() else self.folder.parent / "tokenizer_2"


def lay_out(path: Path, config_dir: Path) -> Layout:
    """Find out where a checkpoint's weights lie; `config_dir` holds the configurations of single files.

    Raises:
        ModelError: says what the file is instead.
    """
    return _folder(path) if path.is_dir() else _file(path, config_dir)


def vae_file(path: Path, config: Mapping[str, Any]) -> Origin:
    """Return the origin of a VAE in a file of its own, under the original's names or diffusers'."""
    _checked(path)
    file = WeightFile(path)
    if any(name.startswith((keys.VAE, "decoder.mid.block_1.")) for name in file.entries):
        prefix = keys.VAE if any(name.startswith(keys.VAE) for name in file.entries) else ""
        return Origin(config, [file], partial(keys.vae_sources, config=config, prefix=prefix))
    return Origin(config, [file], partial(_own_names, names=file.entries.keys()))


def _file(path: Path, config_dir: Path) -> Layout:
    header = _checked(path)
    family = family_of(header)
    if family not in (SDXL, REFINER):
        raise ModelError(
            f"{path.name} is a model of the family {family!r} ({title_of(family)}); "
            "this service makes pictures with SDXL only"
        )
    folder = find_configuration(header, config_dir)
    if folder is None:
        raise ModelError(
            f"{path.name}: no configuration folder below {config_dir} has this model's sizes",
            "Put the model's diffusers folder without weights there",
        )
    files = [WeightFile(path)]
    unet, vae, second = (_read(folder / name / "config.json") for name in ("unet", "vae", "text_encoder_2"))
    first = None
    if family == SDXL:
        first = Origin(
            _read(folder / "text_encoder" / "config.json"), files, partial(keys.same_sources, prefix=keys.FIRST)
        )
    prefix = keys.SECOND if first else keys.REFINER_SECOND
    return Layout(
        folder,
        _read(folder / "model_index.json"),
        _as_trained(_read(folder / "scheduler" / "scheduler_config.json"), header),
        Origin(unet, files, partial(keys.unet_sources, config=unet)),
        Origin(vae, files, partial(keys.vae_sources, config=vae)),
        first,
        Origin(second, files, partial(keys.open_clip_sources, layers=second["num_hidden_layers"], prefix=prefix)),
    )


def _folder(path: Path) -> Layout:
    index = _read(path / "model_index.json")
    if not str(index.get("_class_name")).startswith("StableDiffusionXL"):
        raise ModelError(f"{path.name} is a {index.get('_class_name')}; this service makes pictures with SDXL only")
    has_first = (index.get("text_encoder") or [None])[0] is not None
    return Layout(
        path,
        index,
        _read(path / "scheduler" / "scheduler_config.json"),
        _part(path / "unet"),
        _part(path / "vae"),
        _part(path / "text_encoder") if has_first else None,
        _part(path / "text_encoder_2"),
    )


def _part(folder: Path) -> Origin:
    files = [WeightFile(path) for path in weight_files(folder)]
    names = {name for file in files for name in file.entries}
    return Origin(_read(folder / "config.json"), files, partial(_own_names, names=names))


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a part's weights: half precision where there is a choice, and every shard of it.

    Raises:
        ModelError: there are none.
    """
    every = sorted(folder.glob(f"*{_SUFFIX}"))
    # A shard's name is NAME.fp16-00001-of-00002.safetensors or NAME-00001-of-00002.fp16.safetensors.
    half = [path for path in every if ".fp16" in path.name]
    chosen = half or every
    whole = [path for path in chosen if "-of-" not in path.name]
    if not chosen:
        raise ModelError(f"{folder.parent.name}: {folder.name} has no safetensors file")
    for path in whole or chosen:
        _checked(path)
    return whole[:1] or chosen


def _own_names(targets: Iterable[str], names: Iterable[str]) -> dict[str, Source]:
    """Return sources of the same names, or of those that older and newer versions of the libraries save."""
    there = set(names)
    sources = {}
    for target in targets:
        source = target
        if source not in there:
            source = target.removeprefix("text_model.")
        if source not in there:
            for new, old in _OLD_ATTENTION.items():
                source = source.replace(f".{new}.", f".{old}.")
        sources[target] = Source(source if source in there else target)
    return sources


def _as_trained(scheduler: dict[str, Any], header: Header) -> dict[str, Any]:
    """Return the scheduler's settings with what a checkpoint's maker marked by empty tensors of these names."""
    if "v_pred" in header.tensors:
        scheduler = {**scheduler, "prediction_type": "v_prediction"}
    if "ztsnr" in header.tensors:
        scheduler = {**scheduler, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return scheduler


def _checked(path: Path) -> Header:
    try:
        return read_header(path)
    except NotSafetensors as error:
        raise ModelError(f"{path.name} {error}") from error


def _read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return values
