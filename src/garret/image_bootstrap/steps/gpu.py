"""Steps about the GPU: is there one with a driver that our torch can use, and does torch get memory on it?"""

from __future__ import annotations

import json
import re
from typing import Any

from garret.image_bootstrap.cuda import GPU_FAMILY, TORCH_CUDA, driver_for, is_enough
from garret.image_bootstrap.cuda_probe import BLOCK
from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.steps.node import Node

MINIMUM_MIB = 6_000
"""Half a picture of SDXL in half precision does not fit into less."""
OTHER_IMAGE = f"Leave --image-id out, or choose an image of family {GPU_FAMILY}"
_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits")
# Looked at where pip puts it, so that no torch has to be loaded before the driver is known to be good for it.
_INSTALLED = "opt/garret/venv/lib/python3.*/site-packages/torch/version.py"
_PROBE = "garret.image_bootstrap.cuda_probe"


def ensure_gpu(node: Node) -> None:
    """Find the GPU and its driver; on Alibaba Cloud a node without one would cost a GPU's price and draw on its CPU."""
    node.facts["device"] = "cpu"
    if not node.host.has("nvidia-smi"):
        _refuse(node, "nvidia-smi is not on this machine: the image has no NVIDIA driver", "no NVIDIA driver here")
    try:
        lines = [line.strip() for line in node.host.run(_QUERY, timeout_s=120).splitlines() if line.strip()]
    except StepFailed as failed:
        _refuse(node, str(failed))
    if not lines:
        _refuse(node, "nvidia-smi names no GPU; `nvidia-smi` on the node says more")
    name, driver, memory = ([part.strip() for part in lines[0].split(",")] + ["", ""])[:3]
    cuda = _cuda_of_torch(node)
    if not is_enough(driver, driver_for(cuda)):
        _refuse(node, f"the NVIDIA driver is {driver or 'of no known version'}, {_need(cuda)}")
    memory_mib = int(memory) if memory.isdigit() else 0
    if 0 < memory_mib < MINIMUM_MIB:
        _refuse(node, f"{name} has {memory_mib} MiB of memory, and SDXL needs {MINIMUM_MIB}", image=False)
    node.facts["device"] = f"cuda:0 {name}"
    node.facts["gpu"] = {"name": name, "count": len(lines), "driver": driver, "memory_mib": memory_mib}


def ensure_cuda(node: Node) -> None:
    """Have torch put something into the GPU's memory and read it back: only then do driver and torch fit."""
    if node.facts.get("device", "cpu") == "cpu":
        raise StepSkipped("no GPU here; pictures are made on the CPU")
    try:
        said = node.host.run([node.host.python, "-m", _PROBE], timeout_s=240)
        facts: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    except StepFailed as failed:
        _refuse(node, f"torch does not start: {failed}", image=False)
    except (ValueError, IndexError):
        _refuse(node, "torch said nothing that can be read about the GPU", image=False)
    gpu, cuda = node.facts["gpu"], str(facts.get("cuda", ""))
    if not cuda:
        _refuse(
            node, f"torch {facts.get('torch')} is a build for CPUs: the package index of this machine has no GPU build "
            "of it, or offers it second", image=False,
        )  # fmt: skip
    if facts.get("error") or facts.get("sum") != BLOCK:
        why = f"torch {facts['torch']} (CUDA {cuda}) cannot use {gpu['name']}: {facts.get('error') or 'a wrong sum'}"
        if not is_enough(gpu["driver"], driver_for(cuda)):
            _refuse(node, f"{why}. The NVIDIA driver is {gpu['driver']}, {_need(cuda)}")
        _refuse(node, why, image=False)
    node.facts["gpu"] = {**gpu, "cuda": cuda, "torch": facts["torch"], "free_mib": facts.get("free_mib", 0)}


def _refuse(node: Node, why: str, elsewhere: str = "", *, image: bool = True) -> None:
    """End the step: on Alibaba Cloud as a failure; on a machine of somebody's own, the CPU draws."""
    if node.config.cloud == "aliyun":
        raise StepFailed(f"{why}. {OTHER_IMAGE}" if image else why) from None
    node.facts["device"] = "cpu"
    node.facts.pop("gpu", None)
    raise StepSkipped(f"{elsewhere or why}; pictures are made on the CPU") from None


def _need(cuda: str) -> str:
    return f"and torch for CUDA {cuda} needs {driver_for(cuda)} or newer"


def _cuda_of_torch(node: Node) -> str:
    """Return the CUDA that the node's torch is built for; before it is installed, the one that our lock brings."""
    for file in sorted(node.host.root.glob(_INSTALLED)):
        found = re.search(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", file.read_text("utf-8", "replace"), re.MULTILINE)
        if found:
            return found[1]
    return TORCH_CUDA
