"""Passwords and tokens as salted hashes, so that a node never holds what opens it. Standard library only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

# 16 MiB and some 40 ms on a slow core: dear enough for a guesser, cheap enough for a login (OWASP's N=2^14, r=8, p=5).
_COST, _BLOCK, _PARALLEL = 2**14, 8, 5
_MEMORY = 64 * 1024 * 1024
_TOKEN_PREFIX = "sha256$"  # noqa: S105  (a format's name, not a secret)


def hash_password(password: str) -> str:
    """Return "scrypt$N$r$p$salt$digest" for a password, with a fresh 16-byte salt."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return f"scrypt${_COST}${_BLOCK}${_PARALLEL}${_encode(salt)}${_encode(digest)}"


def verify_password(password: str, hashed: str) -> bool:
    """Say whether the password has this hash; a hash that cannot be read matches nothing."""
    try:
        kind, cost, block, parallel, salt, digest = hashed.split("$")
        if kind != "scrypt" or not (2 <= int(cost) <= 2**20 and 1 <= int(block) <= 32 and 1 <= int(parallel) <= 16):
            return False
        found = _scrypt(password, _decode(salt), int(cost), int(block), int(parallel))
        return hmac.compare_digest(found, _decode(digest))
    except ValueError:
        return False


def new_token() -> str:
    """Return a random 256-bit token, safe in a header and a URL."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return "sha256$hex" for a token; a plain digest suffices, since a token is random over its whole length."""
    return _TOKEN_PREFIX + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def verify_token(token: str, hashed: str) -> bool:
    """Say whether the token has this hash, in constant time."""
    return hmac.compare_digest(hash_token(token).encode(), hashed.encode("utf-8", "surrogatepass"))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY, dklen=32
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
