"""The benchmark's own parts on a small file: real nginx, a real kill, the server's own count."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from benchmarks.download import killed, make_noise, ours
from benchmarks.nginx import nginx


def test_each_byte_is_sent_once(tmp_path: Path) -> None:
    """nginx counts what it sends, over all connections."""
    served = make_noise(tmp_path / "www", 30_000_000)
    served.to.mkdir()
    with nginx(served.root, tmp_path / "nginx") as server:
        said = subprocess.run(ours(served, server.url(served.name)), check=True, capture_output=True, text=True)
        assert int(said.stdout) == served.size
        assert server.sent() == served.size
    assert (served.to / served.name).stat().st_size == served.size


def test_connections_are_as_slow_as_they_should_be(tmp_path: Path) -> None:
    """Four of them, each with its own rate, whatever is asked over it."""
    served = make_noise(tmp_path / "www", 24_000_000)
    served.to.mkdir()
    with nginx(served.root, tmp_path / "nginx", bytes_per_s=4_000_000) as server:
        started = time.monotonic()
        subprocess.run(ours(served, server.url(served.name)), check=True, capture_output=True)
        assert time.monotonic() - started >= 24 / 16 * 0.9


def test_a_killed_download_is_counted_at_the_server(tmp_path: Path) -> None:
    """With what was on its way when it was cut, which weighs more in a small file."""
    served = make_noise(tmp_path / "www", 24_000_000)
    with nginx(served.root, tmp_path / "nginx", bytes_per_s=4_000_000) as server:
        report = killed(served, server, kills=1, rate=4_000_000)
    assert report.theirs == [served.size]
    assert served.size <= report.ours[0] <= 2 * served.size
