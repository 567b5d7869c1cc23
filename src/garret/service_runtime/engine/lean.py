"""diffusers' models without what they bring along and this service has no use for: a start of 1 s instead of 5.

Importing `UNet2DConditionModel` the usual way imports every model of diffusers, torch's compiler and, where they are
installed, transformers, peft and accelerate. In a worker process, which makes pictures with few of diffusers' modules
and none of its pipelines, those are kept out while the modules are imported; afterwards everything can be imported as
ever, but diffusers goes on without transformers and peft.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

NEEDED = (
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.schedulers.scheduling_euler_discrete",
)
_HIDDEN = ("transformers", "peft", "accelerate", "bitsandbytes")
# Packages that import all their modules; of each, only what is asked for is imported until something else is.
_WIDE = ("diffusers.models", "diffusers.models.transformers", "diffusers.models.unets", "diffusers.models.autoencoders")
_COMPILER = "torch._dynamo"


def import_lean() -> None:
    """Import what the engine needs of diffusers, unless somebody has imported diffusers already."""
    if "diffusers" in sys.modules:
        return
    import torch  # noqa: F401  (before the compiler is hidden from those who look for it)

    try:
        with hidden():
            for name in NEEDED:
                importlib.import_module(name)
    except Exception:  # noqa: BLE001  (a diffusers that is built otherwise is imported the usual way, only later)
        for name in [name for name in sys.modules if name.partition(".")[0] == "diffusers"]:
            del sys.modules[name]


@contextmanager
def hidden() -> Iterator[None]:
    """Hide the packages that are not needed, and let diffusers' wide packages fill themselves only when asked."""
    blocked = [name for name in _HIDDEN if name not in sys.modules]
    for name in blocked:
        sys.modules[name] = None  # type: ignore[assignment]  # this is how Python writes "not there"
    stands_in = _COMPILER not in sys.modules
    if stands_in:
        sys.modules[_COMPILER] = _compiler()
    try:
        importlib.import_module("diffusers")
        for name in _WIDE:
            sys.modules[name] = _narrow(name)
        yield
    finally:
        for name in blocked:
            del sys.modules[name]
        if stands_in:
            del sys.modules[_COMPILER]
            vars(sys.modules["torch"]).pop("_dynamo", None)


def _compiler() -> ModuleType:
    """Stand in for torch's compiler, of which only decorators are asked for at import: they decorate nothing."""

    def leave(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
        return (lambda decorated: decorated) if function is None else function

    module = ModuleType(_COMPILER)
    vars(module).update(allow_in_graph=leave, disable=leave)
    return module


def _narrow(name: str) -> ModuleType:
    """Return a package whose modules can be imported one by one; its own code runs when it is asked for more."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def forward(attribute: str) -> Any:
        if sys.modules[name] is module:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}", name=attribute, obj=module)
        return getattr(sys.modules[name], attribute)

    def fill(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        # Its own code may put another module in its place; whoever holds this one is led there.
        vars(module)["__getattr__"] = forward
        loader.exec_module(module)
        return getattr(module, attribute)

    vars(module)["__getattr__"] = fill
    return module
