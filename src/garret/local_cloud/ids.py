"""Identifiers in the vendor's forms: a prefix per noun, then letters and digits."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_lowercase + string.digits


def new_id(prefix: str) -> str:
    """A fresh id such as "i-" + 20 letters and digits."""
    return f"{prefix}-" + "".join(secrets.choice(_LETTERS) for _ in range(20))
