"""What a check looks at and what it says; and the few ways of walking through a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """Something wrong in a template: which check says so, where, what, and what to do."""

    check: str
    where: str
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem} [{self.check}]"


@dataclass(frozen=True)
class Subject:
    """A template under check: its text, what it parses to, and whether the whole internet was asked for.

    `own`: it is one of garret's, and keeps garret's stricter rules as well; another keeps the vendor's.
    `acme`: a public certificate was asked for, so port 80 is open to the whole internet, and meant to be.
    """

    text: str
    template: Mapping[str, Any]
    public: bool = False
    own: bool = True
    acme: bool = False

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section, empty when it is absent or not a mapping."""
        found = self.template.get(name)
        return found if isinstance(found, Mapping) else {}

    def resources(self, *types: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield (name, properties) of the resources of these types; of all without types."""
        for name, body in self.section("Resources").items():
            if isinstance(body, Mapping) and (not types or body.get("Type") in types):
                properties = body.get("Properties")
                yield name, properties if isinstance(properties, Mapping) else {}


NODE_TYPES = ("ALIYUN::ECS::InstanceGroup", "ALIYUN::ECS::Instance")


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every (path, value) below a value, itself first."""
    yield path, value
    children: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, Mapping):
        children = iter(value.items())
    elif isinstance(value, list):
        children = iter(enumerate(value))
    for key, child in children:
        yield from walk(child, f"{path}.{key}" if path else str(key))


def branches(value: Any) -> Iterator[Any]:
    """Yield what a value may become: both branches of an Fn::If, as deep as they go; nothing for ALIYUN::NoValue."""
    chosen = value.get("Fn::If") if isinstance(value, Mapping) and len(value) == 1 else None
    if isinstance(chosen, list) and len(chosen) == 3:
        for branch in chosen[1:]:
            yield from branches(branch)
    elif value != {"Ref": "ALIYUN::NoValue"}:
        yield value


def literal_text(value: Any) -> str:
    """Return all literal text in a value, functions included, joined; to search and to measure."""
    return "\n".join(found for _, found in walk(value) if isinstance(found, str))


def highest(subject: Subject, value: Any) -> float | None:
    """Return the largest number that a value may be: a literal, or what its parameter allows; None without a bound."""
    if isinstance(value, Mapping) and isinstance(value.get("Ref"), str):
        parameter = subject.section("Parameters").get(value["Ref"])
        bounds = parameter if isinstance(parameter, Mapping) else {}
        allowed = bounds.get("AllowedValues")
        numbers = [_number(one) for one in (allowed if isinstance(allowed, list) else [bounds.get("MaxValue")])]
    else:
        numbers = [_number(one) for one in branches(value)]
    known = [one for one in numbers if one is not None]
    return max(known) if known and len(known) == len(numbers) else None


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None
