"""The tags `<lora:name:weight>` in a prompt: taken out of the text, and read as A1111 reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from garret.service_runtime.prompt.parse import NUMBER

_TAG = re.compile(r"<(?P<kind>lora|lyco|hypernet):(?P<rest>[^<>]*)>", re.IGNORECASE)


@dataclass(frozen=True)
class Tag:
    """One tag: a name with the weights of its change to the UNet and to the text encoders, or what is wrong with it."""

    name: str
    weight: float = 1.0
    text_weight: float = 1.0
    problem: str = ""


def take_tags(text: str) -> tuple[str, tuple[Tag, ...]]:
    """Return a text without its tags, and the tags in their order."""
    tags = tuple(_tag(match["kind"].lower(), match["rest"]) for match in _TAG.finditer(text))
    return _TAG.sub("", text), tags


def find_tags(text: str) -> Iterator[tuple[int, int, Tag]]:
    """Yield each tag of a text with where it begins and how many characters it has."""
    for match in _TAG.finditer(text):
        yield match.start(), len(match[0]), _tag(match["kind"].lower(), match["rest"])


def _tag(kind: str, rest: str) -> Tag:
    """Read `name:text:unet`, and the words te= and unet= that come before the order; a lone weight is that of both."""
    name, *arguments = (part.strip() for part in rest.split(":"))
    if kind == "hypernet":
        return Tag(name, problem="is a hypernetwork, and there are none for SDXL")
    if not name:
        return Tag(name, problem="has no name")
    placed = [argument for argument in arguments if "=" not in argument]
    named = {key.strip(): value.strip() for key, _, value in (one.partition("=") for one in arguments if "=" in one)}
    for key in named:
        if key not in ("te", "unet"):
            return Tag(name, problem=f"has {key[:40]}=, which is not known here; te= and unet= are")
    if len(placed) > 2:
        return Tag(name, problem="has more than two weights")
    for number in (*placed, *named.values()):
        if not NUMBER.fullmatch(number):
            return Tag(name, problem=f"has a weight that is no number: {number[:40]!r}")
    text_weight = float(named.get("te", placed[0] if placed else 1.0))
    return Tag(name, float(named.get("unet", placed[1] if len(placed) > 1 else text_weight)), text_weight)
