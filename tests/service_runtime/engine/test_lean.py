"""What a worker imports before its first picture."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")

PROGRAM = """
import sys
from garret.service_runtime.engine.lean import import_lean
import_lean()
from garret.service_runtime.engine import modules
left_out = {"transformers", "peft", "accelerate", "torch._dynamo", "torch._inductor"} & sys.modules.keys()
wide = [name for name in sys.modules if name.startswith(("diffusers.pipelines.", "diffusers.models.transformers."))]
print(sorted(left_out), len(wide))
import diffusers
assert diffusers.HeunDiscreteScheduler().order == 2
from diffusers.models import AutoencoderTiny, UNet2DConditionModel
from diffusers.models.transformers import Transformer2DModel
from transformers import CLIPTextConfig
import torch._dynamo
print(torch._dynamo.__file__ is not None, UNet2DConditionModel.__name__)
"""


def test_a_worker_starts_without_what_it_does_not_need() -> None:
    """Neither transformers, peft nor the compiler, most of what a pipeline's import costs; all are there afterwards."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, afterwards = done.stdout.splitlines()
    names, wide = first.rsplit(" ", 1)
    assert names == "[]"
    assert int(wide) < 10
    assert afterwards == "True UNet2DConditionModel"
