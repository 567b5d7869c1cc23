"""The locks are whole: what the project's service extra names and all that this needs, each with its hashes."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from garret.image_bootstrap.bundle import LOCKS

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
PYTHONS = ("3.11", "3.12", "3.13")
LINE = re.compile(r"([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)")


def locked(name: str) -> dict[str, str]:
    """Name to version of one lock."""
    text = (LOCKS / f"{name}.lock").read_text()
    return {line[1]: line[2] for line in LINE.finditer(text)}


def wanted() -> list[Requirement]:
    """What the project's service extra names."""
    extra = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]["service"]
    return [Requirement(line) for line in extra]


@pytest.mark.parametrize("name", ["runtime", "cuda", "cpu", "acme", "python-3.13"])
def test_each_line_is_a_pin_with_its_hashes_and_nothing_else(name: str) -> None:
    """No marker, so for all Pythons that it is for; no host of an index; pip asks for the hash of every line."""
    text = (LOCKS / f"{name}.lock").read_text()
    rest = LINE.sub("", text).splitlines()
    assert [line for line in rest if line and not line.startswith("# ")] == []
    assert not re.search(r"https?:|--index|--find|[a-z]\.(org|com|io|cn)\b", text)
    names = re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)
    assert names == sorted(set(names)) == list(locked(name))


@pytest.mark.parametrize("profile", ["cuda", "cpu"])
def test_each_pin_is_within_the_service_extras_range(profile: str) -> None:
    """Whatever the project names is locked, at a version that it allows."""
    versions = locked("runtime") | locked(profile)
    for one in wanted():
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), one


def test_the_profiles_share_nothing_with_what_every_node_installs() -> None:
    """pip refuses a name that comes twice; torch is the same version in both builds."""
    runtime, cuda, cpu = locked("runtime"), locked("cuda"), locked("cpu")
    assert not runtime.keys() & (cuda.keys() | cpu.keys())
    assert list(cpu) == ["torch"]
    assert cpu["torch"] == f"{cuda['torch']}+cpu"
    assert [name for name in cuda if not name.startswith(("torch", "triton", "nvidia-", "cuda-"))] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_needed_for_what_is_needed_is_locked_too(python: str) -> None:
    """The closure over what is installed here: on each Python, and with either build of torch, nothing is left out."""
    where = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    beside = locked(f"python-{python}") if (LOCKS / f"python-{python}.lock").exists() else {}
    for profile in ("cuda", "cpu"):
        versions = locked("runtime") | locked(profile) | beside
        left = wanted()
        seen: set[str] = set()
        while left:
            one = left.pop()
            name = canonicalize_name(one.name)
            assert name in versions, f"{name} is needed, and no lock names it"
            if name in seen or name in beside or name.startswith(("nvidia-", "cuda-", "triton")):
                continue
            seen.add(name)
            needed = [Requirement(line) for line in distribution(name).requires or ()]
            extras = [where, *({**where, "extra": extra} for extra in one.extras)]
            left += [need for need in needed if not need.marker or any(map(need.marker.evaluate, extras))]


def test_cuda_packages_are_no_newer_than_the_images_driver() -> None:
    """Driver 580 carries CUDA 13.0; torch leaves the upper ends open, and an index has newer ones."""
    cuda = locked("cuda")
    assert Version(cuda["cuda-toolkit"]).release[:2] == (13, 0)
    for name in ("nvidia-cuda-runtime", "nvidia-cuda-nvrtc", "nvidia-nvjitlink", "cuda-bindings"):
        assert Version(cuda[name]).release[:2] == (13, 0), name


def test_the_client_for_certificates_knows_addresses_and_is_locked_by_itself() -> None:
    """certbot takes addresses with files in a folder as the challenge from 5.4 on; all that it needs is in its lock."""
    locked_here = locked("acme")
    assert Version(locked_here["certbot"]) >= Version("5.4")
    assert {"acme", "configargparse", "cryptography", "josepy", "requests", "certifi"} <= locked_here.keys()
