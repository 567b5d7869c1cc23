"""Finding devices without torch, and saying how a process ended."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from garret.service_runtime.batch import Picture
from garret.service_runtime.messages import Run, encode
from garret.service_runtime.passwords import hash_password
from garret.service_runtime.worker import EXIT_UNSAID
from garret.service_runtime.worker_process import count_devices, describe_exit
from tests.service_runtime.asking import batch_of
from tests.service_runtime.living import fake_settings, launch, wait


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


def test_a_worker_gets_none_of_the_services_credentials(tmp_path: Path) -> None:
    """Neither its own nor those of who collects its traces."""
    secret = f"whsec_{'QUJD' * 10}"
    settings = fake_settings(tmp_path, webhook_secret=secret, password_hash=hash_password("Correct-horse-7"))
    service = launch(settings, OTEL_EXPORTER_OTLP_HEADERS="authorization=hidden")
    try:
        wait(service.workers, 10, "a worker")
        (worker,) = service.workers()
        said = Path(f"/proc/{worker}/environ").read_bytes()
        assert b"GARRET_SERVICE_ENGINE=fake" in said
        assert not any(word in said for word in (secret.encode(), b"hidden", settings.password_hash.encode()))
    finally:
        service.kill()


_UNSPEAKABLE = """
import socket, sys
from garret.service_runtime.engine.base import Image
from garret.service_runtime.engine.fake import FakeEngine
from garret.service_runtime.worker import Worker

class Unspeakable(FakeEngine):
    def run(self, batch):
        yield Image(0, 1, 1, bytes(3), {"Mode": b"bytes"})

Worker(socket.socket(fileno=int(sys.argv[1])), Unspeakable).serve(None)
"""


def test_a_worker_that_cannot_say_something_ends() -> None:
    """An engine notes what no message can hold: the job is tried again at once, not after a silence of minutes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-c", _UNSPEAKABLE, str(theirs.fileno())]
        worker = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
        ours.sendall(encode(Run(1, batch_of("/demo", Picture("a", "", 1)))))
        _, said = worker.communicate(timeout=30)
        assert (worker.returncode, "a Made cannot be sent" in said) == (EXIT_UNSAID, True)
