"""Finding devices without torch, and saying how a process ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.worker_process import count_devices, describe_exit


@pytest.mark.parametrize(
    ("visible", "count"), [(None, 2), ("", 0), ("-1", 0), ("0", 1), ("0,1", 2), ("GPU-5a,GPU-6b", 2)]
)
def test_gpus_are_counted_by_their_device_files(tmp_path: Path, visible: str | None, count: int) -> None:
    """What CUDA_VISIBLE_DEVICES says goes before."""
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-modeset"):
        (tmp_path / name).touch()
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert count_devices(environment, tmp_path) == count


def test_an_end_is_told_in_words() -> None:
    """As a log's reader wants it."""
    assert describe_exit(-9) == "signal SIGKILL"
    assert describe_exit(70) == "code 70"
    assert describe_exit(None) == "code None"
