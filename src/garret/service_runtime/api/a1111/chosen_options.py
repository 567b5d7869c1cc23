"""The options that callers have chosen: each caller's own, on the disk, so that they outlive a restart."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from garret.service_runtime.api import fields
from garret.service_runtime.asked import Output
from garret.service_runtime.chosen import AUTOMATIC, OWN
from garret.service_runtime.errors import UnknownChoice
from garret.service_runtime.files import write_atomically
from garret.service_runtime.limits import check_number, check_whole
from garret.service_runtime.models import Models
from garret.service_runtime.results import storage_error

logger = logging.getLogger(__name__)

FORMATS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
DEFAULTS: Mapping[str, Any] = {
    "sd_model_checkpoint": "",
    "sd_vae": "Automatic",
    "CLIP_stop_at_last_layers": 1,
    "samples_format": "png",
    "jpeg_quality": Output().quality,
    "enable_pnginfo": True,
    "initial_noise_multiplier": 1.0,
}
"""The options that change pictures, by A1111's names; an empty checkpoint is the node's own choice."""


class ChosenOptions:
    """What each caller has chosen of `DEFAULTS`; one file for all of them, read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._chosen = _read(path)

    def adopt(self, owner: str, names: Iterable[str]) -> None:
        """Let a caller who has chosen nothing begin with what was chosen under another name of theirs."""
        with self._lock:
            if owner not in self._chosen:
                earlier = next((self._chosen[name] for name in sorted(names) if name in self._chosen), {})
                self._chosen = {**self._chosen, **({owner: earlier} if earlier else {})}

    def of(self, owner: str) -> dict[str, Any]:
        """Return what a caller has chosen; what is not there is as `DEFAULTS` has it."""
        return dict(self._chosen.get(owner, {}))

    def change(self, owner: str, values: Mapping[str, Any]) -> None:
        """Keep a caller's new choices; one that is the default's is forgotten.

        Raises:
            InsufficientStorage: the disk is full.
        """
        with self._lock:
            mine = {**self._chosen.get(owner, {}), **values}
            mine = {name: value for name, value in mine.items() if value != DEFAULTS[name]}
            if mine != self._chosen.get(owner, {}):
                chosen = {one: kept for one, kept in {**self._chosen, owner: mine}.items() if kept}
                try:
                    write_atomically(self._path, json.dumps(chosen).encode(), 0o640)
                except OSError as error:
                    raise storage_error(error) from error
                self._chosen = chosen


def read_options(values: Mapping[str, Any], models: Models) -> dict[str, Any]:
    """Return those of a body's settings that change pictures, as they are kept; null and all others are left alone.

    Raises:
        BadRequest, UnknownChoice, NotFound, ModelError: name the setting.
    """
    return {name: _READERS[name](values, models) for name in DEFAULTS if values.get(name) is not None}


def _checkpoint(values: Mapping[str, Any], models: Models) -> str:
    title = fields.text(values, "sd_model_checkpoint")
    return models.usable_checkpoint(title).name if title else ""


def _vae(values: Mapping[str, Any], models: Models) -> str:
    name = fields.text(values, "sd_vae")
    if name.lower() in AUTOMATIC:
        return "Automatic"
    return "None" if name.lower() == OWN else models.usable("vae", name, "sd_vae").path.name


def _whole(name: str, low: int, high: int) -> Callable[[Mapping[str, Any], Models], int]:
    def read(values: Mapping[str, Any], _: Models) -> int:
        value = fields.integer(values, name, low)
        check_whole(name, value, low, high)
        return value

    return read


def _format(values: Mapping[str, Any], _: Models) -> str:
    name = fields.text(values, "samples_format")
    if name.lower() not in FORMATS:
        raise UnknownChoice("samples_format", f"{name[:40]!r} is not there", f"Known: {', '.join(FORMATS)}")
    return name.lower()


def _noise(values: Mapping[str, Any], _: Models) -> float:
    value = fields.number(values, "initial_noise_multiplier", 1.0)
    check_number("initial_noise_multiplier", value, 0, 1.5)
    return value


_READERS: Mapping[str, Callable[[Mapping[str, Any], Models], Any]] = {
    "sd_model_checkpoint": _checkpoint,
    "sd_vae": _vae,
    "CLIP_stop_at_last_layers": _whole("CLIP_stop_at_last_layers", 1, 12),
    "samples_format": _format,
    "jpeg_quality": _whole("jpeg_quality", 1, 100),
    "enable_pnginfo": lambda values, _: fields.boolean(values, "enable_pnginfo", True),
    "initial_noise_multiplier": _noise,
}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(owner): {name: value for name, value in chosen.items() if name in DEFAULTS}
            for owner, chosen in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        logger.warning("%s cannot be read, and everybody begins with the defaults: %s", path, error)
        return {}
