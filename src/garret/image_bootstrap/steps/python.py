"""The step about the interpreter: a virtual environment with exactly the packages that the bundle's locks name."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.steps.node import BUNDLE, Node
from garret.image_bootstrap.steps.retry import retried

VENV = "/opt/garret/venv"
"""A link to the environment in use; a half-made one is never behind it."""
VENVS = "/opt/garret/venvs"
LOCKS = f"{BUNDLE}/garret/image_bootstrap/requirements"
IMAGE_WHEELS = "/usr/share/garret/wheels"
DOWNLOADED = "/var/lib/garret/wheels"
PYTHONS = ((3, 11), (3, 12), (3, 13))
NEEDED_GB = {"cpu": 2.0, "cuda": 9.0}
"""Wheels and environment together, measured; the wheels are deleted in the end."""
AT_ONCE = 3
DOWNLOAD_S = 2400.0
SERVICE_MODULES = (
    "garret.service_runtime.app",
    "garret.service_runtime.engine.sdxl",
    "garret.service_runtime.page.blocks",
)
"""What the service imports: once as root, so that each start finds it compiled, and a package that is missing is told
here. Compiling all packages would take three times as long."""


def ensure_python(node: Node) -> None:
    """Have an interpreter with what the locks name, installed from the image's wheels or the index configured here."""
    host = node.host
    if host.environment.get("GARRET_PYTHON"):
        node.facts["python"] = _text(_version(node, host.python))
        raise StepSkipped(f"the image has it: {host.python}")
    if not host.is_whole_machine:
        raise StepFailed(f"no GARRET_PYTHON, and packages cannot be installed: {host.why_not_whole}")
    profile = profile_of(node)
    locks = locks_of(node, profile)
    folder = host.path(f"{VENVS}/{profile}-{_digest(locks)[:12]}")
    complete = (folder / ".complete").exists() and (folder / "bin/python").exists()
    if not complete:
        _make(node, profile, locks, folder)
    _use(node, folder)
    node.facts["python"] = _text(_version(node, host.python))


def locks_of(node: Node, profile: str) -> list[Path]:
    """The locks that this machine's Python needs: the last one is there for a version that lacks what others have."""
    version = _version(node, find_python(node))
    names = ("runtime", profile, f"python-{version[0]}.{version[1]}")
    paths = [node.host.path(f"{LOCKS}/{name}.lock") for name in names]
    return [*paths[:2], *(path for path in paths[2:] if path.exists())]


def profile_of(node: Node) -> str:
    """Which build of torch: "cuda" where `ensure_gpu` found a GPU, else "cpu"."""
    return "cuda" if str(node.facts.get("device", "")).startswith("cuda") else "cpu"


def _make(node: Node, profile: str, locks: Sequence[Path], folder: Path) -> None:
    """Make the environment in its own folder; `.complete` is written last."""
    host = node.host
    python = find_python(node)
    check_space(node, NEEDED_GB[profile])
    # --clear: what a broken attempt left may look whole and not be so. The wheels it brought are used again.
    host.run([python, "-m", "venv", "--clear", str(folder)], timeout_s=300)
    ours = str(folder / "bin/python")
    image = host.path(IMAGE_WHEELS)
    if not image.is_dir() or not _installed_from_image(node, ours, locks, image):
        wheels = host.path(DOWNLOADED)
        _download(node, ours, locks, wheels)
        _install(node, ours, locks, wheels)
    started = time.monotonic()
    compiled = ["env", "-u", "PYTHONDONTWRITEBYTECODE", f"PYTHONPATH={host.path(BUNDLE)}", ours]
    host.run([*compiled, "-c", f"import {', '.join(SERVICE_MODULES)}"], timeout_s=600)
    host.journal.log(f"what the service imports is compiled after {time.monotonic() - started:.1f} s")
    os.sync()  # a power cut must not keep the stamp and lose the files
    (folder / ".complete").touch()


def find_python(node: Node) -> str:
    """The name of this machine's own Python of a version that the locks serve."""
    host, seen = node.host, []
    for name in ("python3", *(f"python{major}.{minor}" for major, minor in reversed(PYTHONS))):
        if host.has(name):
            version = _version(node, name)
            if version[:2] in PYTHONS:
                return name
            seen.append(f"{name} is {_text(version)}")
    first, last = (f"{major}.{minor}" for major, minor in (PYTHONS[0], PYTHONS[-1]))
    raise StepFailed(
        f"{' and '.join(seen) or 'python3 is not on this machine'}, and the packages are locked for {first} to {last}: "
        "choose an image of Ubuntu 24.04 or Debian 12"
    )


def check_space(node: Node, needed_gb: float) -> None:
    """Refuse early where the packages have no room."""
    free = shutil.disk_usage(node.host.path("/opt/garret")).free / 1e9
    here = node.host.path(DOWNLOADED)
    have = sum(path.stat().st_size for path in here.glob("*.whl")) / 1e9 if here.is_dir() else 0.0
    if free + have < needed_gb:
        raise StepFailed(
            f"/opt/garret has {free:.1f} GB free, and the service's packages need {needed_gb:.0f} GB: "
            "delete something, or deploy with a larger disk (disk_size_gib)"
        )


def _installed_from_image(node: Node, python: str, locks: Sequence[Path], wheels: Path) -> bool:
    """Whether the wheels that the image brings were all that is needed."""
    try:
        _install(node, python, locks, wheels)
    except StepFailed as failed:
        node.host.journal.log(f"the image's own wheels do not do: {failed}")
        return False
    return True


def _download(node: Node, python: str, locks: Sequence[Path], wheels: Path) -> None:
    """Bring the wheels, several at once; each that is there already, whole, is not fetched again."""
    wheels.mkdir(parents=True, exist_ok=True, mode=0o700)
    started, groups = time.monotonic(), list(_groups(locks, wheels))
    scratch = wheels / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    pip = [
        # A machine's /tmp may be memory, and smaller than a wheel.
        *(
            "env",
            f"TMPDIR={scratch}",
            *configured(node, python),
            python,
            "-m",
            "pip",
            "download",
            "--disable-pip-version-check",
            "--no-input",
        ),
        *("--quiet", "--progress-bar", "off", "--no-cache-dir", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--dest", str(wheels), "--requirement"),
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = {pool.submit(_fetch, node, [*pip, str(group)]): name for name, group in groups}
        try:
            for count, done in enumerate(as_completed(under_way), 1):
                done.result()
                seconds = time.monotonic() - started
                node.host.journal.log(
                    f"{under_way[done]} is here after {seconds:.0f} s ({count} of {len(groups)}): {_size(wheels)}"
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def configured(node: Node, python: str) -> list[str]:
    """Return what this machine's pip is configured to do in `install`, as variables: `download` does not read that.

    The vendor's images name their mirror for every command, and trust its plain http for `install` only.
    """
    said = node.host.run([python, "-m", "pip", "config", "list"], quiet=True)
    found = [
        (one[1], ast.literal_eval(one[2])) for one in re.finditer(r"^install\.([a-z-]+)=('.*')$", said, re.MULTILINE)
    ]
    names = [(f"PIP_{key.upper().replace('-', '_')}", value) for key, value in found]
    return [f"{name}={value}" for name, value in names if name not in node.host.environment]


def _groups(locks: Sequence[Path], wheels: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of what one pip brings: the large packages first, each alone; then the many small ones together."""
    runtime, profile = locks
    for entry in re.findall(r"^[a-z0-9].*\n(?:[ ].*\n)*", profile.read_text("utf-8"), re.MULTILINE):
        name = entry.split("==")[0]
        (wheels / f"{name}.txt").write_text(entry, "utf-8")
        yield name, wheels / f"{name}.txt"
    yield "everything else", runtime


def _fetch(node: Node, command: Sequence[str]) -> None:
    started = node.host.journal.log_path.stat().st_size
    try:
        retried(node, command, DOWNLOAD_S)
    except StepFailed as failed:
        with node.host.journal.log_path.open("rb") as file:
            file.seek(started)
            raise StepFailed(why(file.read().decode("utf-8", "replace")) or str(failed)) from failed


def why(said: str) -> str:
    """What pip's output says in so many lines; "" when it is nothing that we know."""
    wrong = re.search(r"DO NOT MATCH THE HASHES.*?\n\s*(\S+==\S+)", said, re.DOTALL)
    if wrong:
        return f"{wrong[1]} from the index has another SHA-256 than the lock says; nothing of it is installed"
    missing = re.search(r"No matching distribution found for (\S+)", said)
    if missing:
        return (
            f"the index configured on this machine (`pip config list`) has no {missing[1]} for it, or cannot be reached"
        )
    return ""


def _install(node: Node, python: str, locks: Sequence[Path], wheels: Path) -> None:
    started = time.monotonic()
    # Of these wheels only: a folder that the machine's pip is configured for may hold the same version built otherwise.
    pip = ["env", "-u", "PIP_FIND_LINKS", "PIP_CONFIG_FILE=/dev/null"]
    pip += [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "--no-cache-dir"]
    pip += ["--no-index", "--find-links", str(wheels), "--no-deps", "--require-hashes", "--no-compile"]
    node.host.run([*pip, *(word for lock in locks for word in ("--requirement", str(lock)))], timeout_s=1200)
    node.host.journal.log(f"the packages are installed after {time.monotonic() - started:.1f} s")


def _use(node: Node, folder: Path) -> None:
    """Point to this environment, and forget others and the wheels."""
    link = node.host.path(VENV)
    if not link.is_symlink() or link.readlink() != folder:
        fresh = link.with_name("venv.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(folder)
        fresh.replace(link)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    shutil.rmtree(node.host.path(DOWNLOADED), ignore_errors=True)


def _digest(locks: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()


def _size(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.glob('*.whl')) / 1e6:.0f} MB"


def _version(node: Node, python: str) -> tuple[int, ...]:
    text = node.host.run([python, "-c", "import platform; print(platform.python_version())"]).strip()
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
