"""A prompt's text read into a tree, in one pass from left to right; there is no text that it refuses.

The syntax is that of A1111's page (https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features): brackets
that nothing closes reach to the end, ones that nothing opened are plain text.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from garret.service_runtime.prompt.tree import Alternate, Break, Node, Nodes, Switch, Text, Weighted, When

STRONGER, WEAKER = 1.1, 1 / 1.1
DEEPEST = 50
"""So many brackets may be open at once; deeper ones are plain text, which keeps every walk over a tree short."""
_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<mark>[()\[\]:|])|(?P<text>[^\\()\[\]:|]+)|\\", re.DOTALL)
_BREAK = re.compile(r"\bBREAK\b")
# As long as numbers get that anybody means; a longer one is text.
NUMBER = re.compile(r"[+-]?(?:\d{1,9}\.?\d{0,20}|\.\d{1,20})", re.ASCII)


@dataclass
class _Frame:
    """What has been read since a bracket opened, in segments that the marks `:` and `|` part."""

    opener: str
    segments: list[list[Node]] = field(default_factory=lambda: [[]])
    marks: list[str] = field(default_factory=list)

    def part(self, mark: str) -> None:
        self.marks.append(mark)
        self.segments.append([])

    def joined(self, until: int | None = None) -> Nodes:
        """Return the segments in one, with their marks as text again."""
        nodes: list[Node] = []
        for index, segment in enumerate(self.segments[:until]):
            if index:
                nodes.append(Text(self.marks[index - 1]))
            nodes.extend(segment)
        return tuple(nodes)

    def last_number(self) -> str:
        """Return the number that the last segment is after a colon, or ""."""
        if not self.marks or self.marks[-1] != ":" or len(self.segments[-1]) != 1:
            return ""
        (node,) = self.segments[-1]
        text = node.text.strip() if isinstance(node, Text) else ""
        return text if NUMBER.fullmatch(text) else ""


def parse(text: str) -> Nodes:
    """Return the tree of a text without AND."""
    frames = [_Frame("")]
    for match in _TOKEN.finditer(text):
        mark = match["mark"]
        if match["escaped"]:
            frames[-1].segments[-1].append(Text(match["escaped"]))
        elif match["text"]:
            frames[-1].segments[-1].extend(_plain(match["text"]))
        elif mark in ("(", "[") and len(frames) <= DEEPEST:
            frames.append(_Frame(mark))
        elif mark in (")", "]") and any(frame.opener == _opener(mark) for frame in frames):
            _close(frames, _opener(mark))
        elif mark == ":" or (mark == "|" and frames[-1].opener == "["):
            frames[-1].part(mark)
        elif mark:
            frames[-1].segments[-1].append(Text(mark))
    while len(frames) > 1:
        _abandon(frames)
    return frames[0].joined()


def _opener(closer: str) -> str:
    return "(" if closer == ")" else "["


def _plain(text: str) -> list[Node]:
    """Return a text's words, and a mark wherever BREAK stands among them, with the space around it gone."""
    nodes: list[Node] = []
    first, *others = _BREAK.split(text)
    for index, part in enumerate((first, *(other.lstrip() for other in others))):
        words = part.rstrip() if index < len(others) else part
        nodes.extend([Break()] if index else [])
        nodes.extend([Text(words)] if words else [])
    return nodes


def _close(frames: list[_Frame], opener: str) -> None:
    """End the innermost group that such a bracket opened; ones inside that stayed open reach to here."""
    while frames[-1].opener != opener:
        _abandon(frames)
    frame = frames.pop()
    frames[-1].segments[-1].append(_round(frame) if opener == "(" else _square(frame))


def _abandon(frames: list[_Frame]) -> None:
    frame = frames.pop()
    weight = STRONGER if frame.opener == "(" else WEAKER
    frames[-1].segments[-1].append(Weighted(frame.joined(), weight))


def _round(frame: _Frame) -> Node:
    number = frame.last_number()
    return Weighted(frame.joined(-1), float(number)) if number else Weighted(frame.joined(), STRONGER)


def _square(frame: _Frame) -> Node:
    number = frame.last_number()
    colons = [index for index, mark in enumerate(frame.marks) if mark == ":"]
    if number and len(colons) <= 2:
        when = When(float(number), "." in number)
        first = colons[0] + 1 if len(colons) == 2 else 0
        return Switch(_span(frame, 0, first), _span(frame, first, len(frame.segments) - 1), when)
    if "|" in frame.marks:
        bounds = [0, *(index + 1 for index, mark in enumerate(frame.marks) if mark == "|"), len(frame.segments)]
        return Alternate(tuple(_span(frame, *pair) for pair in itertools.pairwise(bounds)))
    return Weighted(frame.joined(), WEAKER)


def _span(frame: _Frame, begin: int, end: int) -> Nodes:
    """Return some of a frame's segments in one."""
    return _Frame("", frame.segments[begin:end], frame.marks[begin : end - 1]).joined()
