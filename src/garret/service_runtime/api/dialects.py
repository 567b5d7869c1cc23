"""All dialects that the service speaks, and which one a path belongs to."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from garret.service_runtime.api import dstack, native
from garret.service_runtime.api.a1111 import dialect as a1111
from garret.service_runtime.api.cog import dialect as cog
from garret.service_runtime.api.dialect import Dialect
from garret.service_runtime.api.model_errors import MODELS
from garret.service_runtime.api.openai import dialect as openai
from garret.service_runtime.api.sagemaker import dialect as sagemaker
from garret.service_runtime.api.stability import dialect as stability

DIALECTS: tuple[Dialect, ...] = (
    native.DIALECT,
    MODELS,
    a1111.DIALECT,
    openai.DIALECT,
    sagemaker.DIALECT,
    stability.DIALECT,
    dstack.DIALECT,
    cog.DIALECT,
)
_LONGEST_CLAIM = 64
NAMES = tuple(one.name for one in DIALECTS if one.can_be_off)
"""Those that a setting may switch off."""


def dialect_of(path: str) -> Dialect:
    """Return the dialect that a path belongs to; the native one where nobody claims it."""
    # No claim is as long as that; a stranger's path may be as long as a header, and would be kept.
    return _dialect_of(path[:_LONGEST_CLAIM])


@lru_cache(maxsize=1024)
def _dialect_of(path: str) -> Dialect:
    return max(DIALECTS, key=lambda one: one.claim(path))


def spoken(off: Collection[str]) -> tuple[Dialect, ...]:
    """Return the dialects that are not switched off."""
    return tuple(one for one in DIALECTS if not (one.can_be_off and one.name in off))
