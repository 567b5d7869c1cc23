"""What one dialect is to the service: its routes, the paths that are its own, and how it says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.errors import ServiceError
from garret.service_runtime.service import Service


def plain_error(error: ServiceError) -> Mapping[str, Any]:
    """Return the body of an error as the native API and A1111's clients read it."""
    return error.to_dict()


PLAIN_ERROR = record(
    {
        "error": {"type": "string", "description": "the kind of error"},
        "detail": {
            "type": ["string", "array"],
            "description": "what is wrong and what to do; a list where it is a field",
        },
        "body": {"type": "string"},
        "errors": {"type": "string", "description": "what is wrong, in one line"},
        "field": {"type": "string", "description": "the field that is wrong, where it is one"},
        "code": {"type": "string", "description": "with 401: login_required, login_wrong or session_expired"},
    },
    required=("error", "detail", "body", "errors"),
)
"""The schema of what `plain_error` returns."""


@dataclass(frozen=True)
class Dialect:
    """One API that the service speaks; adding one is a recipe in CONTRIBUTING.

    `paths` are those that are its own, each with all that lies below it: errors there have the body that `error`
    returns, which is what `error_schema` tells the OpenAPI document, and a status of `statuses` becomes the one beside
    it, which its clients know; `headers` come with an error. `makes` is a pattern of the paths whose POST makes a job:
    what is refused there for a full queue is refused before it is read. Of two dialects that claim a path, the one with
    the longer claim has it.
    """

    name: str
    title: str
    paths: tuple[str, ...]
    routers: tuple[Callable[[Service], APIRouter], ...]
    error: Callable[[ServiceError], Mapping[str, Any]] = plain_error
    error_schema: Schema = field(default_factory=lambda: PLAIN_ERROR)
    statuses: Mapping[int, int] = field(default_factory=dict)
    headers: Callable[[ServiceError], Mapping[str, str]] = lambda _: {}
    can_be_off: bool = True
    makes: str = ""

    def makes_job(self, method: str, path: str) -> bool:
        """Say whether a request becomes a job, if it is accepted."""
        return method == "POST" and bool(self.makes) and re.fullmatch(self.makes, path) is not None

    def claim(self, path: str) -> int:
        """Return how long the claim is that this dialect has on a path, 0 for none."""
        return max((len(own) for own in self.paths if path == own or path.startswith(own + "/")), default=0)
