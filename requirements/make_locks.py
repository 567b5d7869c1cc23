"""Make the hashed locks of what a node's service runs on; `make lock` runs it, with uv beside it.

uv resolves the project's `service` extra once, for CPython 3.11 to 3.13 on Linux x86_64, and tells each wheel's
SHA-256 from the index without downloading it. From that come files in src/garret/image_bootstrap/requirements:

runtime.lock  what every node installs
cuda.lock     torch's CUDA build and what it brings, for nodes with a GPU
cpu.lock      torch's CPU build, for all others
python-3.13.lock  what only Python 3.13 needs beside them, which has no audioop of its own any more

and, resolved for itself because it is installed for itself:

acme.lock     certbot, on nodes that are to have a trusted certificate

A CPU build is nothing that an ordinary index has: pip looks for it where its own configuration says, once for each
Python version. A version for which none is found here keeps the hash that an earlier run found elsewhere.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "src/garret/image_bootstrap/requirements"
PYTHONS = ((3, 11), (3, 12), (3, 13))
TORCH = "2.13.0"
CPU_TORCH = f"{TORCH}+cpu"
# torch asks for these without an upper bound, and they may not be newer than the CUDA that the image's driver carries;
# the last one is what the tests' environment can have beside boto3, so that nodes run what is tested.
CONSTRAINTS = ("nvidia-nvjitlink<13.1", "cuda-bindings<13.1", "python-dateutil<3")
# Older ones know no certificates for addresses with files in a folder as the challenge.
ACME = ("certbot>=5.4,<6",)
GPU_ONLY = ("torch", "triton", "nvidia-", "cuda-")
GLIBC = 35
"""The newest manylinux tag that is taken: 2.35 is older than the C library of every supported image."""
PLATFORMS = [
    *(f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC, 4, -1)),
    *(f"manylinux{name}_x86_64" for name in ("2014", "2010", "1")),
    "linux_x86_64",
]
HEAD = """\
# {what}
# CPython 3.11 to 3.13 on Linux x86_64. Made by `make lock`; not edited by hand.
"""


@dataclass(frozen=True)
class Pin:
    """A version, SHA-256s of its wheels, and whether only the newest of our Pythons needs it."""

    version: str
    hashes: list[str]
    only_last: bool = False


def main() -> int:
    """Write the files."""
    extra = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["service"]
    packages = resolve([*(line for line in extra if not line.startswith("torch")), f"torch=={TORCH}"], CONSTRAINTS)
    FOLDER.mkdir(exist_ok=True)
    write(
        "acme.lock", "What gets and renews a trusted certificate: certbot, in an environment of its own.", resolve(ACME)
    )
    last = {name: one for name, one in packages.items() if one.only_last}
    common = {name: one for name, one in packages.items() if not name.startswith(GPU_ONLY) and name not in last}
    cuda = {name: one for name, one in packages.items() if name not in common and name not in last}
    hashes, found = cpu_hashes()
    if not hashes:
        print(f"pip finds no torch {CPU_TORCH} here: give it a folder of wheels in PIP_FIND_LINKS", file=sys.stderr)
        return 1
    pythons = ", ".join(found) or "none"
    write("runtime.lock", "What every node's service runs on, but torch.", common)
    newest = "{}.{}".format(*PYTHONS[-1])
    write(f"python-{newest}.lock", f"What Python {newest} needs beside runtime.lock.", last)
    write("cuda.lock", "torch's CUDA build and what it brings: for nodes with a GPU, beside runtime.lock.", cuda)
    about = f"torch's CPU build: for nodes without a GPU, beside runtime.lock. Builds found: {pythons}."
    write("cpu.lock", about, {"torch": Pin(CPU_TORCH, hashes)})
    print(f"{len(common)} packages for every node, {len(cuda)} for CUDA; CPU builds of torch: {pythons}")
    return 0


def resolve(wanted: Sequence[str], constraints: Sequence[str] = ()) -> dict[str, Pin]:
    """Name to version and SHA-256s of the wheels that a node can use."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Only a project's own file may say for which environments a universal resolution is made.
        (folder / "pyproject.toml").write_text(
            '[project]\nname = "node"\nversion = "0"\nrequires-python = ">=3.11,<3.14"\n[tool.uv]\n'
            "environments = [\"sys_platform == 'linux' and platform_machine == 'x86_64' "
            "and implementation_name == 'cpython'\"]\n"
        )
        (folder / "wanted.txt").write_text("\n".join(wanted) + "\n")
        (folder / "constraints.txt").write_text("\n".join(constraints) + "\n")
        command = [
            *("uv", "pip", "compile", "--quiet", "--universal", "--fork-strategy", "fewest"),
            *("--python-version", "3.11", "--only-binary", ":all:", "--system-certs", "--no-sources"),
            *("--constraints", "constraints.txt", "--format", "pylock.toml", "--output-file", "pylock.toml"),
            "wanted.txt",
        ]
        subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True)
        packages = tomllib.loads((folder / "pylock.toml").read_text())["packages"]
    names = [package["name"] for package in packages]
    assert len(names) == len(set(names)), "one version of each package is wanted for all Python versions"
    return {package["name"]: pin_of(package) for package in packages}


def pin_of(package: dict[str, Any]) -> Pin:
    """A package's pin. A lock has no markers: pip reads them with the Python that it runs on, not the node's."""
    needed = pythons_of(package)
    only_last = needed == [PYTHONS[-1]]
    return Pin(package["version"], usable(package, needed if only_last else PYTHONS), only_last)


def pythons_of(package: dict[str, Any]) -> list[tuple[int, int]]:
    """Those of our Pythons that a package is needed on."""
    here = {"sys_platform": "linux", "platform_machine": "x86_64", "implementation_name": "cpython"}
    found = []
    for major, minor in PYTHONS:
        version = {"python_version": f"{major}.{minor}", "python_full_version": f"{major}.{minor}.0"}
        if "marker" not in package or Marker(package["marker"]).evaluate({**here, **version}):
            found.append((major, minor))
    return found


def usable(package: dict[str, Any], pythons: Sequence[tuple[int, int]]) -> list[str]:
    """SHA-256s of a package's wheels that one of the Pythons takes; each of them must take one."""
    chosen: set[str] = set()
    for python in pythons:
        tags = set(tags_of(python))
        wheels = {
            wheel["hashes"]["sha256"]
            for wheel in package["wheels"]
            if tags & parse_wheel_filename(wheel["url"].rpartition("/")[2])[3]
        }
        assert wheels, f"{package['name']} {package['version']} has no wheel for Python {python}"
        chosen |= wheels
    return sorted(chosen)


def tags_of(python: tuple[int, int]) -> Iterator[Tag]:
    """The wheel tags that a CPython on our platforms takes."""
    yield from cpython_tags(python, platforms=PLATFORMS)
    yield from compatible_tags(python, f"cp{python[0]}{python[1]}", PLATFORMS)


def cpu_hashes() -> tuple[list[str], list[str]]:
    """SHA-256s of torch's CPU builds, and the Python versions they were found for on this machine."""
    lock = FOLDER / "cpu.lock"
    before = lock.read_text() if lock.exists() else ""
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", before)) if f"=={CPU_TORCH} " in before else set()
    found = []
    for major, minor in PYTHONS:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                *("pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder),
                *("--python-version", f"{major}.{minor}", "--platform", "manylinux_2_28_x86_64"),
                f"torch=={CPU_TORCH}",
            ]
            done = subprocess.run([sys.executable, "-m", *command], check=False, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                (wheel,) = Path(folder).iterdir()
                hashes.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
                found.append(f"{major}.{minor}")
    return sorted(hashes), found


def write(name: str, what: str, packages: dict[str, Pin]) -> None:
    """Write one lock: a line for each package, and under it its hashes."""
    text = HEAD.format(what=what)
    for package, pin in sorted(packages.items()):
        text += " \\\n    ".join([f"{package}=={pin.version}", *(f"--hash=sha256:{one}" for one in pin.hashes)]) + "\n"
    (FOLDER / name).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
