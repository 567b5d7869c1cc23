"""Tokens parted into what CLIP reads at once: 75 of them between the marks of beginning and end, without a limit.

As A1111 does it: a chunk that is full ends behind its last comma where one is near, so that no phrase is torn; BREAK
ends it at once; an embedding's vectors stay together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SIZE = 75
LOOK_BACK = 20
"""So many tokens behind a comma move to the next chunk with what follows them."""


@dataclass(frozen=True)
class Learned:
    """A word that a file's vectors stand for, each in the place of one token."""

    word: str
    vectors: int


Token = int | Learned
Weighed = tuple[Sequence[Token], float]
"""Tokens of one weight."""


@dataclass(frozen=True)
class Marks:
    """What a tokenizer calls its beginning, its end, what fills up, and the comma."""

    begin: int
    end: int
    padding: int
    comma: int


@dataclass(frozen=True)
class Chunk:
    """77 tokens as a text encoder reads them, their weights, and where embeddings take the places of tokens."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    learned: tuple[tuple[int, str], ...] = ()

    @property
    def is_weighed(self) -> bool:
        """Say whether any token counts more or less than another."""
        return any(weight != 1.0 for weight in self.weights)


@dataclass
class _Open:
    """A chunk that is being filled; a learned word stands at the first of its places."""

    tokens: list[tuple[Token, float]] = field(default_factory=list)
    comma: int = -1

    def closed(self, marks: Marks) -> Chunk:
        content = [(0 if isinstance(token, Learned) else token, weight) for token, weight in self.tokens]
        rest = SIZE - len(content)
        tokens = (marks.begin, *(token for token, _ in content), marks.end, *[marks.padding] * rest)
        weights = (1.0, *(weight for _, weight in content), *[1.0] * (rest + 1))
        learned = [
            (place, token.word)
            for place, (token, _) in enumerate(self.tokens, 1)
            if isinstance(token, Learned) and token.vectors
        ]
        return Chunk(tokens, weights, tuple(learned))


def part_into_chunks(sections: Iterable[Iterable[Weighed]], marks: Marks) -> tuple[Chunk, ...]:
    """Return the chunks of a text's sections, at least one."""
    done: list[Chunk] = []
    chunk = _Open()
    for index, section in enumerate(sections):
        if index:
            done.append(chunk.closed(marks))
            chunk = _Open()
        for tokens, weight in section:
            for token in tokens:
                chunk = _add(chunk, token, weight, marks, done)
    if chunk.tokens or not done:
        done.append(chunk.closed(marks))
    return tuple(done)


def empty_chunk(marks: Marks) -> Chunk:
    """Return the chunk of a text without words."""
    return _Open().closed(marks)


def _add(chunk: _Open, token: Token, weight: float, marks: Marks, done: list[Chunk]) -> _Open:
    """Put a token behind the others, beginning a new chunk where this one has no room for it."""
    if isinstance(token, Learned):
        if len(chunk.tokens) + token.vectors > SIZE:
            done.append(chunk.closed(marks))
            chunk = _Open()
        # The first place bears the word; the others are held free for its further vectors.
        chunk.tokens.append((token, weight))
        chunk.tokens.extend([(Learned(token.word, 0), weight)] * (token.vectors - 1))
        return chunk
    if len(chunk.tokens) == SIZE:
        near = token != marks.comma and chunk.comma >= 0 and SIZE - chunk.comma <= LOOK_BACK
        kept = chunk.comma + 1 if near else SIZE
        done.append(_Open(chunk.tokens[:kept]).closed(marks))
        chunk = _Open(chunk.tokens[kept:])
    if token == marks.comma:
        chunk.comma = len(chunk.tokens)
    chunk.tokens.append((token, weight))
    return chunk
