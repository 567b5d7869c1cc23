"""Hashes open for the right secret only, and never raise on a broken hash."""

from __future__ import annotations

import pytest

from garret.service_runtime.passwords import hash_password, hash_token, new_token, verify_password, verify_token


def test_a_password_matches_its_hash_and_no_other() -> None:
    """Salted: the same password hashes differently each time."""
    first, second = hash_password("päss$word"), hash_password("päss$word")
    assert first != second
    assert verify_password("päss$word", first)
    assert not verify_password("päss$worD", first)


@pytest.mark.parametrize(
    "broken", ["", "scrypt$", "scrypt$16384$8$5$x$y$z", "scrypt$99999999999$8$1$AAAA$AAAA", "md5$1$1$1$AAAA$AAAA", "ä"]
)
def test_a_broken_hash_matches_nothing(broken: str) -> None:
    """A hash cut short in a file must lock the door, not open it, nor take the service down."""
    assert not verify_password("", broken)


def test_tokens_are_long_and_match_their_hash() -> None:
    """256 random bits, kept as a digest."""
    token = new_token()
    assert len(token) >= 43
    assert token != new_token()
    assert verify_token(token, hash_token(token))
    assert not verify_token(token + "x", hash_token(token))
    assert token not in hash_token(token)
