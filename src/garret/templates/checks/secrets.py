"""Secrets stay out of sight: none goes into user-data or a plain output, which are read by many."""

from __future__ import annotations

import re
from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject, walk

ID = "secrets"
RULE = ""


def check(subject: Subject) -> Iterator[Finding]:
    """By reference, from parameters that are NoEcho."""
    hidden = {name for name, body in subject.section("Parameters").items() if is_hidden(body)}
    for name, properties in subject.resources(*NODE_TYPES):
        for used in sorted(_used(properties.get("UserData")) & hidden):
            where = f"Resources.{name}.UserData"
            problem = f"contains the secret {used}; whoever may describe the instance can read it"
            yield Finding(ID, where, problem, "give the node a salted hash")
    for name, body in subject.section("Outputs").items():
        for used in sorted(_used(body) & hidden):
            if not is_hidden(body):
                yield Finding(ID, f"Outputs.{name}", f"shows the secret {used}", "NoEcho: true, or leave it out")


def is_hidden(body: object) -> bool:
    """Say whether a parameter or output is NoEcho."""
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
