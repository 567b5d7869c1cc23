"""The wheels for nodes are built once, by the real pip, from the locks; and the reason is told when they cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from garret.errors import OperationError
from garret.local_cloud.nodes.namespace.driver import CACHE
from garret.local_cloud.nodes.namespace.wheelhouse import (
    APART,
    CPU_LOCKS,
    NODE_GLIBC,
    NODE_PYTHON,
    Wheelhouse,
    build_wheelhouse,
    open_wheelhouse,
)
from tests.local_cloud.nodes.namespace.wheels import make_wheel, write_lock


def pip_of(folder: Path) -> tuple[str, ...]:
    """This machine's pip, with a folder of wheels and no index; it notes each call."""
    call = folder.parent / "pip.sh"
    calls = folder.parent / "calls"
    call.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        f'PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS={folder} exec {sys.executable} -m pip "$@"\n'
    )
    call.chmod(0o755)
    return (str(call),)


def calls_of(folder: Path) -> int:
    """How often that pip was called."""
    calls = folder.parent / "calls"
    return len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two packages' wheels."""
    folder = tmp_path / "source"
    make_wheel(folder, "first-thing")
    make_wheel(folder, "second", tag="cp311-cp311-manylinux_2_28_x86_64")
    return folder


def build(tmp_path: Path, source: Path, **wrong: str) -> Wheelhouse:
    """Build from a lock that names all of the source."""
    lock = write_lock(tmp_path / "all.lock", *sorted(source.glob("*.whl")), **wrong)
    return build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=pip_of(source))


def test_wheels_are_downloaded_once_and_kept(tmp_path: Path, source: Path) -> None:
    """Also for a node's Python that is not this machine's; a second call asks nobody."""
    house = build(tmp_path, source)
    assert sorted(house.files) == [
        "first_thing-1.0-py3-none-any.whl",
        "second-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    ]
    assert house.size == sum(path.stat().st_size for path in source.iterdir())
    assert build(tmp_path, source) == house == open_wheelhouse(house.folder)
    assert calls_of(source) == 1


def test_a_changed_lock_has_wheels_of_its_own_and_old_ones_go(tmp_path: Path, source: Path) -> None:
    """What a running server gives out stays where it is for a month."""
    first = build(tmp_path, source)
    make_wheel(source, "third")
    second = build(tmp_path, source)
    assert first.folder.is_dir()
    os.utime(first.folder, (1, time.time() - 40 * 86_400))
    make_wheel(source, "fourth")
    third = build(tmp_path, source)
    assert sorted(path.name for path in (tmp_path / "cache").glob("wheels-*")) == sorted(
        [second.folder.name, third.folder.name]
    )


def test_a_wheel_with_another_hash_is_refused_and_nothing_appears(tmp_path: Path, source: Path) -> None:
    """pip's own words; with the right lock it works afterwards."""
    with pytest.raises(OperationError, match="cannot be had here") as caught:
        build(tmp_path, source, second="0" * 64)
    assert "second" in caught.value.message or "HASH" in caught.value.message.upper()
    assert not [path for path in (tmp_path / "cache").glob("wheels-*") if open_wheelhouse(path)]
    assert len(build(tmp_path, source).files) == 2


def test_a_package_that_nobody_has_is_named(tmp_path: Path, source: Path) -> None:
    """With the way out."""
    lock = write_lock(tmp_path / "all.lock", *source.glob("*.whl"))
    (source / "first_thing-1.0-py3-none-any.whl").unlink()
    with pytest.raises(OperationError, match=r"first-thing==1\.0") as caught:
        build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=pip_of(source))
    assert "process" in caught.value.hint


def test_a_missing_cpu_build_of_torch_is_told_as_such(tmp_path: Path, source: Path) -> None:
    """An index has CUDA builds only; the reason says where to put the other."""
    wheel = make_wheel(tmp_path / "elsewhere", "torch", "2.13.0+cpu", tag="cp311-cp311-manylinux_2_28_x86_64")
    lock = write_lock(tmp_path / "all.lock", wheel)
    with pytest.raises(OperationError, match=r"no torch==2\.13\.0\+cpu for Python 3\.11: .*PIP_FIND_LINKS"):
        build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=pip_of(source))


def test_what_a_broken_attempt_left_is_gone_over(tmp_path: Path, source: Path) -> None:
    """A half-written file is fetched again; a strange one is not given out."""
    lock = write_lock(tmp_path / "all.lock", *source.glob("*.whl"))
    house = build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=pip_of(source))
    broken = house.folder.with_name(house.folder.name + ".new")
    house.folder.rename(broken)
    (broken / "index.json").unlink()
    torn = broken / "first_thing-1.0-py3-none-any.whl"
    torn.write_bytes(torn.read_bytes()[:50])
    assert build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=pip_of(source)).files == house.files
    broken.mkdir()
    make_wheel(broken, "strange")
    house.folder.joinpath("index.json").unlink()
    with pytest.raises(OperationError, match=r"strange-1\.0-py3-none-any\.whl is in no lock"):
        build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=pip_of(source))


def test_without_pip_it_says_so(tmp_path: Path, source: Path) -> None:
    """An environment that another tool made may have none."""
    lock = write_lock(tmp_path / "all.lock", *source.glob("*.whl"))
    with pytest.raises(OperationError, match="pip does not start"):
        build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=(str(tmp_path / "none"),))
    with pytest.raises(OperationError, match="No module named nothing"):
        build_wheelhouse(tmp_path / "cache", locks=[lock], apart=(), pip=(sys.executable, "-m", "nothing"))


def test_pip_takes_the_real_locks_whole_from_the_real_wheels() -> None:
    """Every requirement of every package is in them, with the hash of the file: pip resolves and checks, asking nobody.

    The wheels are those that whole nodes use; the first time brings 264 MB.
    """
    if os.geteuid() != 0:
        pytest.skip(f"the wheels of whole nodes lie in {CACHE}, which is root's")
    try:
        house = build_wheelhouse(CACHE)
    except OperationError as error:
        pytest.skip(f"no wheels for whole nodes: {error.message}")
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(NODE_GLIBC, 4, -1)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--require-hashes"),
        *("--no-index", "--find-links", str(house.folder), "--target", "/nonexistent", "--only-binary", ":all:"),
        *("--python-version", NODE_PYTHON, *(word for one in platforms for word in ("--platform", one))),
    ]
    environment = {"PATH": "/usr/bin:/bin", "PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for locks in (CPU_LOCKS, *([lock] for lock in APART)):
        named = [word for lock in locks for word in ("--requirement", str(lock))]
        done = subprocess.run(
            [*command, *named], env=environment, capture_output=True, text=True, check=False, timeout=250
        )
        assert done.returncode == 0, done.stderr
