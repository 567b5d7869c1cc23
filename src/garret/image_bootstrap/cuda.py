"""Which NVIDIA driver a build of torch needs: the one table of it, for the node's steps and the plan. Stdlib only."""

from __future__ import annotations

GPU_FAMILY = "acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"
"""The vendor's images with driver and CUDA that garret takes when no image is named."""
TORCH_CUDA = "13.0"
"""The CUDA that the torch of our lock is built for, where the package index offers a GPU build."""
DRIVERS = {13: "580.65.06", 12: "525.60.13", 11: "450.80.02"}
"""CUDA's major version and the oldest driver for all of it, from the release notes on minor version compatibility."""


def driver_for(cuda: str) -> str:
    """Return the oldest driver for a version of CUDA ("13.0"); the newest that is known for one that is not."""
    major, _, _ = cuda.partition(".")
    return DRIVERS.get(int(major) if major.isdigit() else 0, DRIVERS[max(DRIVERS)])


def is_enough(driver: str, needed: str) -> bool:
    """Say whether a driver ("580.126.09") is at least as new as another."""
    return _numbers(driver) >= _numbers(needed)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.strip().split("."))
