"""What in a prompt is not read as it was meant, each with its place: brackets without their other half, wrong tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from garret.service_runtime.prompt.parse import DEEPEST
from garret.service_runtime.prompt.tags import find_tags

ERROR, WARNING = "error", "warning"
"""A request with an error is refused; what is warned of is read otherwise than it looks."""
MOST = 20
_MARK = re.compile(r"\\.|[()\[\]]", re.DOTALL)
_AND = re.compile(r"(?<!\\)\bAND\b")
_OTHER = {"(": ")", "[": "]", ")": "(", "]": "["}


@dataclass(frozen=True)
class Problem:
    """One of them: where it begins, how many characters it has, and what a person should read."""

    at: int
    length: int
    severity: str
    problem: str
    hint: str = ""


def problems_of(text: str, *, negative: bool, most_parts: int) -> list[Problem]:
    """Return the first problems of a text in their order; in a negative prompt AND is a word, and tags do nothing."""
    found = list(_of_tags(text, negative=negative))
    plain = text
    for at, length, _ in find_tags(text):
        plain = plain[:at] + " " * length + plain[at + length :]
    bounds = [] if negative else [match.span() for match in _AND.finditer(plain)]
    begins = [0, *(end for _, end in bounds)]
    ends = [*(begin for begin, _ in bounds), len(plain)]
    parts = [(begin, end) for begin, end in zip(begins, ends, strict=True) if plain[begin:end].strip()]
    if len(parts) > most_parts:
        at = parts[most_parts][0]
        found.append(Problem(at, len(text) - at, ERROR, f"AND joins {len(parts)} texts", f"Join at most {most_parts}"))
    for begin, end in parts:
        found.extend(_of_brackets(plain[begin:end], begin))
    return sorted(found, key=lambda one: one.at)[:MOST]


def _of_tags(text: str, *, negative: bool) -> Iterator[Problem]:
    for at, length, tag in find_tags(text):
        if negative:
            yield Problem(
                at, length, WARNING, f"{tag.name[:80]!r} stands in the negative prompt", "Put it in the prompt"
            )
        elif tag.problem:
            yield Problem(at, length, ERROR, f"the tag of {tag.name[:80]!r} {tag.problem}", "Write <lora:NAME:WEIGHT>")


def _of_brackets(text: str, offset: int) -> Iterator[Problem]:
    """Walk as the parser does: a closer ends the innermost bracket of its kind, and what stayed open inside of it."""
    opened: list[tuple[str, int]] = []
    for match in _MARK.finditer(text):
        mark, at = match[0], match.start()
        if mark in ("(", "["):
            if len(opened) < DEEPEST:
                opened.append((mark, at))
                continue
            yield Problem(offset + at, 1, WARNING, f"more than {DEEPEST} brackets are open", "It is read as plain text")
        elif mark in (")", "]"):
            if not any(kind == _OTHER[mark] for kind, _ in opened):
                hint = f"It is read as plain text; write \\{mark} to say so"
                yield Problem(offset + at, 1, WARNING, f"no {_OTHER[mark]} opens this {mark}", hint)
                continue
            while opened[-1][0] != _OTHER[mark]:
                yield _unclosed(*opened.pop(), offset)
            opened.pop()
    for one in opened:
        yield _unclosed(*one, offset)


def _unclosed(mark: str, at: int, offset: int) -> Problem:
    hint = f"Close it with {_OTHER[mark]}, or write \\{mark} for a plain one"
    return Problem(offset + at, 1, WARNING, f"nothing closes this {mark}", hint)
