"""The GPU's two steps, with programs that play nvidia-smi and a Python with torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from garret.image_bootstrap import cuda
from garret.image_bootstrap.cuda import driver_for, is_enough
from garret.image_bootstrap.cuda_probe import BLOCK, probe
from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.steps.compiled import ensure_compiled
from garret.image_bootstrap.steps.gpu import ensure_cuda, ensure_gpu
from garret.image_bootstrap.steps.node import Node
from tests.image_bootstrap.machine import Machine
from tests.image_bootstrap.test_steps import node_on, program

A10 = "NVIDIA A10, 580.126.09, 23028"


def gpu_node(machine: Machine, line: str = A10, cloud: str = "aliyun") -> Node:
    """A node whose nvidia-smi says this."""
    program(machine, "nvidia-smi", f'echo "{line}"')
    return node_on(machine, cloud=cloud)


def torch_says(machine: Machine, node: Node, before: str = "", **facts: object) -> None:
    """Have the node's Python answer as one with torch would."""
    said = {"torch": "2.13.0", "cuda": "13.0", "error": "", "sum": 1 << 20, "free_mib": 22000} | facts
    program(machine, "python-with-torch", f"{before}\necho 'a warning'\necho '{json.dumps(said)}'")
    node.host.environment["GARRET_PYTHON"] = str(machine.disk / "bin/python-with-torch")


def test_the_gpu_is_reported_with_driver_and_memory(machine: Machine) -> None:
    """As the driver names it; two of them are counted."""
    node = gpu_node(machine, f"{A10}\\n{A10}")
    ensure_gpu(node)
    gpu = {"name": "NVIDIA A10", "count": 2, "driver": "580.126.09", "memory_mib": 23028}
    assert node.facts == {"device": "cuda:0 NVIDIA A10", "gpu": gpu}


def test_a_gpu_node_without_its_driver_is_refused(machine: Machine) -> None:
    """It would be paid as a GPU and draw as a CPU; the reason names the right images."""
    with pytest.raises(StepFailed, match=r"no NVIDIA driver.*ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"):
        ensure_gpu(node_on(machine, cloud="aliyun"))


def test_a_machine_without_a_gpu_says_cpu_and_goes_on(machine: Machine) -> None:
    """On the local cloud; the CUDA step is then skipped by name."""
    node = node_on(machine, cloud="local")
    with pytest.raises(StepSkipped, match="no NVIDIA driver here; pictures are made on the CPU"):
        ensure_gpu(node)
    with pytest.raises(StepSkipped, match="pictures are made on the CPU"):
        ensure_cuda(node)
    assert node.facts == {"device": "cpu"}


def test_a_broken_driver_is_told_in_its_own_words(machine: Machine) -> None:
    """nvidia-smi's last line is the reason."""
    program(machine, "nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    with pytest.raises(StepFailed, match="ended with 18: Failed to initialize NVML"):
        ensure_gpu(node_on(machine, cloud="aliyun"))
    with pytest.raises(StepSkipped, match=r"ended with 18: Failed .*on the CPU"):
        ensure_gpu(node_on(machine, cloud="local"))


def test_a_driver_that_is_too_old_for_our_torch_is_named_with_what_it_should_be(machine: Machine) -> None:
    """Before half an hour goes into packages that would not run on it."""
    with pytest.raises(
        StepFailed,
        match=r"the NVIDIA driver is 550\.127\.08, and torch for CUDA 13\.0 needs 580\.65\.06 or newer\. Leave",
    ):
        ensure_gpu(gpu_node(machine, "NVIDIA A10, 550.127.08, 23028"))


def test_the_torch_that_is_installed_decides_which_driver_is_enough(machine: Machine) -> None:
    """A baked image may bring a build for an older CUDA."""
    version = machine.disk / "opt/garret/venv/lib/python3.12/site-packages/torch/version.py"
    version.parent.mkdir(parents=True)
    version.write_text("__version__ = '2.9.0'\ncuda: Optional[str] = '12.8'\nhip = None\n")
    node = gpu_node(machine, "NVIDIA A10, 550.127.08, 23028")
    ensure_gpu(node)
    assert node.facts["gpu"]["driver"] == "550.127.08"


def test_a_gpu_with_too_little_memory_is_refused(machine: Machine) -> None:
    """A slice of a card, for example."""
    with pytest.raises(StepFailed, match="has 4096 MiB of memory, and SDXL needs 6000"):
        ensure_gpu(gpu_node(machine, "NVIDIA A10-4Q, 580.126.09, 4096"))


def test_torch_on_the_gpu_is_a_fact(machine: Machine) -> None:
    """What it was built for and how much memory it finds."""
    node = gpu_node(machine)
    ensure_gpu(node)
    torch_says(machine, node)
    ensure_cuda(node)
    assert node.facts["gpu"] == {
        "name": "NVIDIA A10", "count": 1, "driver": "580.126.09", "memory_mib": 23028, "cuda": "13.0",
        "torch": "2.13.0", "free_mib": 22000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"cuda": ""}, r"torch 2\.13\.0 is a build for CPUs: the package index"),
        (
            {"error": "RuntimeError: no kernel image"},
            r"torch 2\.13\.0 \(CUDA 13\.0\) cannot use NVIDIA A10: RuntimeError",
        ),
        ({"sum": 7}, "cannot use NVIDIA A10: a wrong sum"),
        (
            {"cuda": "14.0", "error": "RuntimeError: The NVIDIA driver on your system is too old"},
            r"system is too old$",
        ),
    ],
)
def test_a_torch_that_cannot_use_the_gpu_is_a_failure(machine: Machine, facts: dict[str, object], reason: str) -> None:
    """In torch's own words."""
    node = gpu_node(machine)
    ensure_gpu(node)
    torch_says(machine, node, **facts)
    with pytest.raises(StepFailed, match=reason):
        ensure_cuda(node)


def test_a_driver_that_torch_finds_too_old_is_reported_as_such(machine: Machine) -> None:
    """When the index brought a build for a newer CUDA than the driver knows."""
    node = gpu_node(machine)
    ensure_gpu(node)
    node.facts["gpu"]["driver"] = "570.133.20"
    torch_says(machine, node, error="RuntimeError: The NVIDIA driver on your system is too old (found version 12080)")
    with pytest.raises(
        StepFailed, match=r"too old \(found .*driver is 570\.133\.20, and torch for CUDA 13\.0 needs 580"
    ):
        ensure_cuda(node)


def test_a_torch_that_does_not_start_or_says_nothing_is_a_failure(machine: Machine) -> None:
    """Killed by the system, for example, when memory runs out."""
    node = gpu_node(machine)
    ensure_gpu(node)
    torch_says(machine, node, before="kill -9 $$")
    with pytest.raises(
        StepFailed, match=r"torch does not start: .* was ended by SIGKILL, as the system does when memory"
    ):
        ensure_cuda(node)
    torch_says(machine, node, before="exit 0")
    with pytest.raises(StepFailed, match="said nothing that can be read"):
        ensure_cuda(node)


def test_the_driver_that_is_asked_for_fits_the_torch_that_is_locked() -> None:
    """The lock names the CUDA that its torch is built for; who moves one moves the other."""
    lock = (Path(cuda.__file__).parent / "requirements/cuda.lock").read_text("utf-8")
    assert f"\ncuda-toolkit=={cuda.TORCH_CUDA}." in lock


def test_the_probe_tells_what_a_torch_says() -> None:
    """Run on a node by the Python with torch; here with a torch that has no GPU."""
    torch = pytest.importorskip("torch")
    facts = probe(torch)
    assert facts["torch"] == str(torch.__version__)
    assert facts["error"] or facts["sum"] == BLOCK


def test_drivers_are_compared_by_their_numbers() -> None:
    """580 is newer than 99, and an unknown CUDA asks for the newest driver that is known."""
    assert is_enough("580.126.09", driver_for("13.1"))
    assert not is_enough("99.1", driver_for("11.8"))
    assert not is_enough("", "1")
    assert driver_for("14.2") == driver_for("13.0") == "580.65.06"


def compiling_node(machine: Machine, program_text: str, bake: str = "garret-one") -> Node:
    """A node with a GPU that an image is made of, and an interpreter that does this."""
    node = gpu_node(machine)
    node.config = replace(node.config, bake=bake)
    ensure_gpu(node)
    program(machine, "python-with-torch", program_text)
    node.host.environment["GARRET_PYTHON"] = str(machine.disk / "bin/python-with-torch")
    return node


def test_an_image_brings_the_model_compiled_for_its_gpu(machine: Machine) -> None:
    """Once; the models and configurations are those of the image."""
    text = 'env > "$3/environment"; echo made >> "$3/log"; echo "$2" > "$3/module"'
    node = compiling_node(machine, text)
    for _ in range(2):
        ensure_compiled(node)
    folder = machine.disk / "usr/share/garret/compiled"
    assert (folder / "log").read_text() == "made\n"
    assert (folder / "module").read_text() == "garret.service_runtime.warm\n"
    assert f"GARRET_SERVICE_MODELS_DIR={machine.disk}/home/models\n" in (folder / "environment").read_text()


def test_an_image_is_made_without_what_did_not_compile(machine: Machine) -> None:
    """Its nodes compile themselves; the journal says why."""
    node = compiling_node(machine, "echo 'no compiler here' >&2; exit 1")
    ensure_compiled(node)
    assert "no compiler here" in (machine.disk / "var/log/garret/bootstrap.log").read_text()


def test_a_node_that_serves_compiles_by_itself(machine: Machine) -> None:
    """Before it has answered anybody there is nothing to wait for."""
    with pytest.raises(StepSkipped, match="when it has begun to"):
        ensure_compiled(compiling_node(machine, "exit 1", bake=""))
