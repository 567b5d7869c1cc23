"""The steps that make a machine a node, in reading order; each can be run again and then changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from garret.image_bootstrap.steps.acme import ensure_acme
from garret.image_bootstrap.steps.compiled import ensure_compiled
from garret.image_bootstrap.steps.front import ensure_front, ensure_packages
from garret.image_bootstrap.steps.gpu import ensure_cuda, ensure_gpu
from garret.image_bootstrap.steps.machine import ensure_directories, ensure_user
from garret.image_bootstrap.steps.models import ensure_models
from garret.image_bootstrap.steps.node import Node
from garret.image_bootstrap.steps.picture import ensure_picture
from garret.image_bootstrap.steps.python import ensure_python
from garret.image_bootstrap.steps.runtime import ensure_node_command
from garret.image_bootstrap.steps.service import (
    ensure_address,
    ensure_answering,
    ensure_certificate,
    ensure_service,
    ensure_service_settings,
)

STEPS: tuple[Callable[[Node], None], ...] = (
    ensure_directories,
    ensure_user,
    ensure_packages,
    ensure_address,
    ensure_certificate,
    ensure_front,
    ensure_gpu,
    ensure_python,
    ensure_cuda,
    ensure_node_command,
    ensure_service_settings,
    ensure_models,
    ensure_compiled,
    ensure_service,
    ensure_answering,
    ensure_picture,
    ensure_acme,
)
"""What the runner does. The first stage did two before: ensure_resume and ensure_bundle."""

BAKED = (
    ensure_directories,
    ensure_user,
    ensure_packages,
    ensure_gpu,
    ensure_python,
    ensure_cuda,
    ensure_node_command,
    ensure_models,
    ensure_compiled,
)
"""Those that an image holds the results of; the others are about what is a deployment's own: keys, tokens, a login."""

__all__ = ["BAKED", "STEPS", "Node"]
