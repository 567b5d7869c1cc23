"""Secrets stay out of sight: parameters that hold one are NoEcho, and none goes into user-data or a plain output."""

from __future__ import annotations

import re
from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject, walk

ID = "secrets"
_WORDS = re.compile(
    r"password|passwd|secret|token|(?<!ssh)(?<!public)key(?!pairname|name|id)|credential", re.IGNORECASE
)


def check(subject: Subject) -> Iterator[Finding]:
    """By name for parameters; by reference for user-data and outputs."""
    hidden = {name for name, body in subject.section("Parameters").items() if _is_hidden(body)}
    for name in subject.section("Parameters"):
        if _WORDS.search(name) and name not in hidden:
            yield Finding(ID, f"Parameters.{name}", "sounds like a secret and is not NoEcho", "NoEcho: true")
    for name, properties in subject.resources(*NODE_TYPES):
        for used in sorted(_used(properties.get("UserData")) & hidden):
            where = f"Resources.{name}.UserData"
            problem = f"contains the secret {used}; whoever may describe the instance can read it"
            yield Finding(ID, where, problem, "give the node a salted hash")
    for name, body in subject.section("Outputs").items():
        for used in sorted(_used(body) & hidden):
            if not _is_hidden(body):
                yield Finding(ID, f"Outputs.{name}", f"shows the secret {used}", "NoEcho: true, or leave it out")


def _is_hidden(body: object) -> bool:
    return isinstance(body, dict) and body.get("NoEcho") in (True, "true")


def _used(value: object) -> set[str]:
    """The names that a value refers to, by Ref or inside Fn::Sub."""
    names: set[str] = set()
    for _, found in walk(value):
        if isinstance(found, dict) and isinstance(found.get("Ref"), str):
            names.add(found["Ref"])
        if isinstance(found, str):
            names.update(re.findall(r"\$\{([A-Za-z0-9]+)\}", found))
    return names
