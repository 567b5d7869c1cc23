"""Which models a deployment begins with: what may be said of them, and whether they fit; pure.

Their names, sizes and sources are the runtime's: `garret.service_runtime.known_models` and `model_sources`.
"""

from __future__ import annotations

from collections.abc import Callable

from garret.service_runtime.known_models import KNOWN, SDXL, gigabytes, known_files
from garret.service_runtime.model_sources import OSS, WrongSource, parse_model, parse_source

TAKEN_GIB = 60
"""About what the GPU image, the packages of the lock and the service's pictures take of a disk."""
_LONGEST_SOURCES = 300
_LEAST_INBOUND_MBPS = 10
"""What the cloud lets in through an address whose own limit is lower."""


def model_text(text: str) -> str:
    """A known model's name, or the address of a checkpoint."""
    return _tried(parse_model, text)


def source_text(text: str) -> str:
    """A source of the known models."""
    return _tried(parse_source, text)


def download_bytes(model: str, refiner: bool) -> int:
    """How much the node fetches for its first models, in bytes; 0 where that is not known."""
    return sum(file.size for file in known_files(model, refiner))


def download_s(size: int, bandwidth_mbps: int) -> float:
    """How long that takes at best through the public address, in seconds."""
    return size * 8 / 1e6 / max(_LEAST_INBOUND_MBPS, bandwidth_mbps)


def disagreement(
    model: str,
    sha256: str | None,
    sources: tuple[str, ...],
    refiner: bool,
    *,
    region: str,
    disk_size_gib: int,
    bandwidth_mbps: int,
    wait_timeout_s: int,
) -> tuple[str, str] | None:
    """The field that does not go with the others, and why; None when all do."""
    if sha256 and model in KNOWN:
        return "model_sha256", f"the hashes of {model} are known; this is for a checkpoint of your own"
    if sources and model != SDXL:
        what = "comes with garret" if model in KNOWN else "says itself where it is"
        return "model_source", f"{model} {what}; a source is for --model sdxl"
    together = sum(map(len, sources))
    if together > _LONGEST_SOURCES:
        return "model_source", f"{together} characters in all, and user-data has room for {_LONGEST_SOURCES}"
    size = download_bytes(model, refiner)
    if size > max(0, disk_size_gib - TAKEN_GIB) << 30:
        return "disk_size_gib", f"{model} is {gigabytes(size)}, and image and packages take {TAKEN_GIB} GiB"
    inside = bool(sources) and parse_source(sources[0]).kind == OSS and parse_source(sources[0]).region in ("", region)
    best = download_s(size, bandwidth_mbps)
    if not inside and best > wait_timeout_s:
        least = max(_LEAST_INBOUND_MBPS, bandwidth_mbps)
        return "wait_timeout_s", f"{gigabytes(size)} of {model} take {best / 60:.0f} minutes at {least} Mbit/s"
    return None


def _tried(parse: Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except WrongSource as error:
        raise ValueError(error.reason) from None
    return text
