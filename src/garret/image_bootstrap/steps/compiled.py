"""The step that lets an image bring the model compiled for its GPU, so that nodes made of it need not compile."""

from __future__ import annotations

import time

from garret.image_bootstrap.first_stage import StepFailed, StepSkipped
from garret.image_bootstrap.steps.models import CHECKPOINTS, CONFIGS
from garret.image_bootstrap.steps.node import BUNDLE, Node

COMPILED = "/usr/share/garret/compiled"
_LIMIT_S = 1500


def ensure_compiled(node: Node) -> None:
    """Have an image's first checkpoint compiled for this GPU and kept there; without it, an image is good too."""
    if not node.config.bake:
        raise StepSkipped("a node that serves compiles when it has begun to")
    if node.facts.get("device", "cpu") == "cpu":
        raise StepSkipped("no GPU here; what is compiled for one serves no other")
    host = node.host
    folder = host.path(COMPILED)
    if any(folder.glob("*")):
        return
    folder.mkdir(parents=True, exist_ok=True)
    settings = [
        f"PYTHONPATH={host.path(BUNDLE)}",
        f"GARRET_SERVICE_STATE_DIR={host.path('/tmp/garret-compiling')}",  # noqa: S108  (root's, and emptied below)
        f"GARRET_SERVICE_MODELS_DIR={host.path(CHECKPOINTS).parent}",
        f"GARRET_SERVICE_CONFIG_DIR={host.path(CONFIGS)}",
    ]
    began = time.monotonic()
    try:
        host.run(["env", *settings, host.python, "-m", "garret.service_runtime.warm", str(folder)], timeout_s=_LIMIT_S)
        host.journal.log(f"the model is compiled for this GPU after {time.monotonic() - began:.1f} s")
    except StepFailed as failed:
        host.journal.log(f"the model could not be compiled for the image; its nodes compile themselves: {failed}")
