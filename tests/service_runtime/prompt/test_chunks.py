"""Tokens in chunks of 75, parted as A1111 parts them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from garret.service_runtime.prompt.chunks import (
    LOOK_BACK,
    SIZE,
    Chunk,
    Learned,
    Marks,
    Token,
    empty_chunk,
    part_into_chunks,
)

MARKS = Marks(begin=1000, end=1001, padding=0, comma=7)
TOKENS = st.lists(st.integers(1, 9) | st.builds(Learned, st.just("word"), st.integers(1, 75)), max_size=300)


def words(chunk: Chunk) -> list[int]:
    """Return a chunk's tokens between its marks."""
    return list(chunk.tokens[1 : chunk.tokens.index(MARKS.end)])


def parted(*sections: list[Token]) -> list[list[int]]:
    """Return the tokens of each chunk."""
    return [words(chunk) for chunk in part_into_chunks([[(tokens, 1.0)] for tokens in sections], MARKS)]


def test_a_short_text_is_one_chunk() -> None:
    """Of 77 tokens, as the tokenizer itself fills it up: the end, then padding."""
    (chunk,) = part_into_chunks([[([5, 6], 1.0), ([8], 1.3)]], MARKS)
    assert chunk.tokens == (1000, 5, 6, 8, 1001, *[0] * 72)
    assert chunk.weights == (1.0, 1.0, 1.0, 1.3, *[1.0] * 73)
    assert chunk.is_weighed
    assert part_into_chunks([[]], MARKS) == (empty_chunk(MARKS),)
    assert not empty_chunk(MARKS).is_weighed


def test_a_full_chunk_is_followed_by_another() -> None:
    """75 fit; the 76th is the next one's first."""
    assert parted([5] * 75) == [[5] * 75]
    assert parted([5] * 76) == [[5] * 75, [5]]
    assert parted([5] * 150) == [[5] * 75, [5] * 75]


def test_a_near_comma_ends_the_chunk() -> None:
    """What stands behind it moves on with what follows; one that is further off, or the last token, does not count."""
    assert parted([5] * 60 + [7] + [6] * 20) == [[5] * 60 + [7], [6] * 20]
    assert parted([5] * 55 + [7] + [6] * 20) == [[5] * 55 + [7], [6] * 20]
    assert parted([5] * 54 + [7] + [6] * 21) == [[5] * 54 + [7] + [6] * 20, [6]]
    assert parted([5] * 74 + [7, 6]) == [[5] * 74 + [7], [6]]
    assert parted([5] * 60 + [7] + [6] * 14 + [7, 5]) == [[5] * 60 + [7] + [6] * 14, [7, 5]]
    assert SIZE - 55 == LOOK_BACK


def test_break_ends_a_chunk_at_once() -> None:
    """Also an empty one; at the very end it adds none."""
    assert parted([5], [6]) == [[5], [6]]
    assert parted([], [6]) == [[], [6]]
    assert parted([5], []) == [[5]]
    assert parted([5], [], [6]) == [[5], [], [6]]
    assert parted([5] * 75, [6]) == [[5] * 75, [6]]


def test_vectors_of_a_learned_word_stay_together() -> None:
    """Each takes a token's place; where they do not fit, they begin the next chunk."""
    one, two = part_into_chunks([[([5] * 72, 1.0), ([Learned("glow", 4), 6], 1.2)]], MARKS)
    assert words(one) == [5] * 72
    assert two.tokens[:7] == (1000, 0, 0, 0, 0, 6, 1001)
    assert two.weights[:7] == (1.0, 1.2, 1.2, 1.2, 1.2, 1.2, 1.0)
    assert two.learned == ((1, "glow"),)
    (twice,) = part_into_chunks([[([Learned("glow", 2), 5, Learned("haze", 1)], 1.0)]], MARKS)
    assert twice.learned == ((1, "glow"), (4, "haze"))


@settings(deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=4))
def test_nothing_is_lost_and_every_chunk_is_whole(sections: list[list[Token]]) -> None:
    """All tokens come out in their order, in chunks of 77 with both marks."""
    chunks = part_into_chunks([[(tokens, 1.0)] for tokens in sections], MARKS)
    expected: list[int] = []
    for tokens in sections:
        for token in tokens:
            expected.extend([0] * token.vectors if isinstance(token, Learned) else [token])
    assert [token for chunk in chunks for token in words(chunk)] == expected
    for chunk in chunks:
        assert (len(chunk.tokens), len(chunk.weights)) == (77, 77)
        assert chunk.tokens[0] == MARKS.begin
    learned = sum(isinstance(token, Learned) for tokens in sections for token in tokens)
    assert sum(len(chunk.learned) for chunk in chunks) == learned
