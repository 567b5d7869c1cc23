"""Pebble, the test server of Let's Encrypt's authors, on loopback with a DNS that says what a test wants."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.image_bootstrap.machine import free_port

PEBBLE, NAMES = shutil.which("pebble"), shutil.which("pebble-challtestsrv")
needs_pebble = pytest.mark.skipif(
    not (PEBBLE and NAMES), reason="pebble is not on this machine: apt-get install pebble"
)


@dataclass(frozen=True)
class Pebble:
    """An authority that runs: its directory, who vouches for its own server (PEM), where it looks for challenges."""

    directory: str
    ca: str
    challenge_port: int
    management: str
    names: str

    def root(self) -> str:
        """The root of what it issues, another one than that of its server."""
        context = ssl.create_default_context(cadata=self.ca)
        with urllib.request.urlopen(f"{self.management}/roots/0", context=context, timeout=10) as answer:
            return str(answer.read().decode("ascii"))

    def point(self, name: str, address: str) -> None:
        """Let the authority's DNS say that a name is at an address."""
        for verb in ("clear-a", "add-a"):
            body = json.dumps({"host": name, "addresses": [address]}).encode()
            urllib.request.urlopen(f"{self.names}/{verb}", body, timeout=10).close()


@contextmanager
def running_pebble(folder: Path) -> Iterator[Pebble]:
    """Run it until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)
    api, management, challenge, dns, names = (free_port() for _ in range(5))
    settings = {
        "listenAddress": f"127.0.0.1:{api}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": challenge,
        "tlsPort": free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    (folder / "config.json").write_text(json.dumps({"pebble": settings}))
    off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "", "-defaultIPv6", ""]
    dns_command = [str(NAMES), *off, "-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{names}"]
    command = [str(PEBBLE), "-config", str(folder / "config.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    # Without the waits and the chance refusals that it has for the tests of clients.
    quick = os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with (folder / "out").open("wb") as out:
        processes = [subprocess.Popen(one, env=quick, stdout=out, stderr=out) for one in (dns_command, command)]
    pebble = Pebble(
        f"https://127.0.0.1:{api}/dir", (folder / "cert.pem").read_text(), challenge,
        f"https://127.0.0.1:{management}", f"http://127.0.0.1:{names}",
    )  # fmt: skip
    try:
        _wait_for(pebble, processes, folder / "out")
        yield pebble
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=20)


def _wait_for(pebble: Pebble, processes: list[subprocess.Popen[bytes]], out: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert all(process.poll() is None for process in processes), out.read_text()
        try:
            pebble.root()
            pebble.point("localhost.example.com", "127.0.0.1")
            return
        except OSError:
            assert time.monotonic() < deadline, out.read_text()
            time.sleep(0.05)
