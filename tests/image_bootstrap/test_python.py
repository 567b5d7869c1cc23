"""The interpreter's step with real environments, real pip and a real index: whole or not at all, and once."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pip
import pytest

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.python import (
    DOWNLOADED,
    VENV,
    check_space,
    configured,
    ensure_python,
    find_python,
    profile_of,
    why,
)
from garret.local_cloud.nodes.namespace.mirror import Mirror
from garret.local_cloud.nodes.namespace.wheelhouse import Wheelhouse
from tests.image_bootstrap.machine import Machine
from tests.image_bootstrap.test_steps import WholeMachine, node_on, program
from tests.local_cloud.nodes.namespace.wheels import make_wheel, write_lock

LOCKS = "opt/garret/current/garret/image_bootstrap/requirements"

# A real environment with the real pip; unpacking pip's own wheel into each one takes most of such a test's time.
VENV_WITH_PIP = """
[ "$2" = venv ] || exec {python} "$@"
for folder; do :; done
{python} "$@" --without-pip || exit 1
for packages in "$folder"/lib/python*/site-packages; do echo {pip} > "$packages/pip.pth"; done
"""


def pip_alone(folder: Path) -> Path:
    """A folder with this environment's pip and nothing else."""
    folder.mkdir()
    (folder / "pip").symlink_to(Path(pip.__file__).parent)
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The folder of wheels that the index of `node` gives out."""
    folder = tmp_path / "index"
    make_wheel(folder, "small-one")
    make_wheel(folder, "torch", "2.13.0+cpu")
    return folder


@pytest.fixture
def node(machine: Machine, index: Path) -> Iterator[Node]:
    """A whole machine with a bundle, whose pip is configured for a mirror."""
    del machine.environment["GARRET_PYTHON"]
    program(machine, "python3", VENV_WITH_PIP.format(python=sys.executable, pip=pip_alone(machine.disk / "pip")))
    runtime = machine.disk / "opt/garret/current/garret/service_runtime"
    for folder in (runtime.parent, runtime, runtime / "engine", runtime / "page"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (runtime / "app.py").write_text("import small_one\n")
    (runtime / "engine/sdxl.py").write_text("import torch\n")
    (runtime / "page/blocks.py").touch()
    small, torch = sorted(index.iterdir())
    write_lock(machine.disk / LOCKS / "runtime.lock", small)
    write_lock(machine.disk / LOCKS / "cpu.lock", torch)
    house = Wheelhouse(index, {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in index.iterdir()})
    listening = socket.create_server(("127.0.0.1", 0))
    # As on the vendor's images, part of it stands where only `pip install` looks.
    configuration = machine.disk / "pip.conf"
    configuration.write_text(f"[install]\nindex-url = http://127.0.0.1:{listening.getsockname()[1]}/pypi/simple/\n")
    machine.environment |= {
        "HOME": str(machine.disk),
        "PIP_CONFIG_FILE": str(configuration),
        "PIP_RETRIES": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with Mirror(house) as mirror:
        mirror.serve(listening)
        yield node_on(machine, host_class=WholeMachine)


def log_of(node: Node) -> str:
    """All that was logged."""
    return node.host.journal.log_path.read_text()


def test_the_locks_are_installed_once_and_compiled(node: Node, tmp_path: Path) -> None:
    """The second run asks nobody; another build of the same version, which pip would rank higher, is not taken."""
    make_wheel(tmp_path / "other", "small-one", "1.0+other")
    node.host.environment["PIP_FIND_LINKS"] = str(tmp_path / "other")
    ensure_python(node)
    python = node.host.path(f"{VENV}/bin/python")
    done = subprocess.run(
        [python, "-c", "import torch, sys; print(torch.VERSION, torch.__cached__, sys.prefix)"],
        capture_output=True, text=True, check=True, env={},
    )  # fmt: skip
    version, cached, prefix = done.stdout.split()
    assert version == "2.13.0+cpu"
    assert Path(cached).exists()
    assert prefix == str(node.host.path(VENV))
    assert node.facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert not node.host.path(DOWNLOADED).exists(), "the wheels are kept"
    assert "torch is here after" in log_of(node)
    assert "(2 of 2)" in log_of(node)
    said = len(log_of(node))
    ensure_python(node)
    assert "pip" not in log_of(node)[said:]


def test_a_wrong_byte_from_the_index_is_refused_and_the_right_one_taken_afterwards(node: Node, index: Path) -> None:
    """An earlier lock's environment is in use until then; what a power cut left half made is made anew."""
    earlier = node.host.path("/opt/garret/venvs/cpu-000000000000")
    earlier.mkdir(parents=True)
    node.host.path(VENV).symlink_to(earlier)
    torch = index / "torch-2.13.0+cpu-py3-none-any.whl"
    right = torch.read_bytes()
    at = right.index(b"VERSION = ")
    torch.write_bytes(right[:at] + b"v" + right[at + 1 :])
    with pytest.raises(StepFailed, match=r"torch==2\.13\.0\+cpu from the index has another SHA-256"):
        ensure_python(node)
    assert node.host.path(VENV).resolve() == earlier
    torch.write_bytes(right)
    (node.host.path(DOWNLOADED) / torch.name).write_bytes(right[:40])
    (half,) = (path for path in earlier.parent.iterdir() if path != earlier)
    (half / "bin/stray").touch()
    ensure_python(node)
    assert node.host.path(VENV).resolve() == half
    assert not (half / "bin/stray").exists()
    assert list(earlier.parent.iterdir()) == [half]


def test_the_images_own_wheels_need_no_index(node: Node, index: Path) -> None:
    """And when the service's modules then find a package missing, that is the reason."""
    (node.host.path("/pip.conf")).write_text("[global]\nindex-url = http://127.0.0.1:9/pypi/simple/\n")
    ours = node.host.path("/usr/share/garret/wheels")
    ours.mkdir(parents=True)
    for wheel in index.iterdir():
        (ours / wheel.name).write_bytes(wheel.read_bytes())
    app = node.host.path("/opt/garret/current/garret/service_runtime/app.py")
    app.write_text("import not_in_the_lock\n")
    with pytest.raises(StepFailed, match="No module named 'not_in_the_lock'"):
        ensure_python(node)
    app.write_text("import small_one\n")
    ensure_python(node)
    assert "pip download" not in log_of(node)


def test_what_is_configured_for_install_holds_for_the_download_too(node: Node) -> None:
    """But for what the environment says otherwise; several words stay several."""
    node.host.path("/pip.conf").write_text(
        "[global]\nindex-url = http://a/simple\n[install]\ntrusted-host =\n  a\n  b\ntimeout = 9\n"
    )
    node.host.environment["PIP_TIMEOUT"] = "5"
    assert configured(node, sys.executable) == ["PIP_TRUSTED_HOST=\na\nb"]


def test_no_room_is_told_before_anything_is_made(node: Node) -> None:
    """In gigabytes, with the field that gives more."""
    node.host.path("/opt/garret").mkdir(exist_ok=True)
    with pytest.raises(StepFailed, match=r"GB free, and the service's packages need 1000000 GB: .*disk_size_gib"):
        check_space(node, 1e6)
    check_space(node, 0.0)


def test_a_python_that_the_locks_do_not_serve_is_passed_over(machine: Machine) -> None:
    """Another one on the same machine will do; without any, all that were seen are named."""
    node = node_on(machine, host_class=WholeMachine)
    program(machine, "python3", "echo 3.10.12")
    program(machine, "python3.12", "echo 3.12.3")
    assert find_python(node) == "python3.12"
    for name in ("python3.11", "python3.12", "python3.13"):
        program(machine, name, "echo 3.14.0rc1")
    with pytest.raises(StepFailed, match=r"python3 is 3\.10\.12 and .*locked for 3\.11 to 3\.13: choose an image"):
        find_python(node)


def test_packages_are_not_installed_into_a_folder(machine: Machine) -> None:
    """Without an interpreter from the image there is nothing to run the service with."""
    del machine.environment["GARRET_PYTHON"]
    with pytest.raises(StepFailed, match="packages cannot be installed: the node is a folder"):
        ensure_python(node_on(machine))


def test_the_gpu_decides_which_torch(machine: Machine) -> None:
    """As `ensure_gpu` found it."""
    node = node_on(machine)
    assert profile_of(node) == "cpu"
    node.facts["device"] = "cuda:0 NVIDIA A10"
    assert profile_of(node) == "cuda"
    assert why("Connection reset by peer") == ""


def test_the_index_of_the_tests_is_what_the_lock_says(index: Path) -> None:
    """A made wheel has the same bytes each time, so that a lock can name it."""
    again = make_wheel(index / "again", "small-one")
    (first,) = index.glob("small*")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest()
