"""The node's metadata is given only for a token: a request forged through the service cannot fetch one."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "metadata-tokens"
RULE = "ecs-instance-meta-data-mode"


def check(subject: Subject) -> Iterator[Finding]:
    """HttpTokens defaults to optional, so it has to be said."""
    for name, properties in subject.resources(*NODE_TYPES):
        if properties.get("HttpTokens") != "required":
            problem = f"HttpTokens is {properties.get('HttpTokens', 'not set, which means optional')!r}"
            yield Finding(ID, f"Resources.{name}", problem, "HttpTokens: required")
