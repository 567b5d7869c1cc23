"""The vendor's rule for passwords, kept for the service's login and for the node's own alike."""

from __future__ import annotations

import re
import string

from garret.errors import SpecError

PASSWORD_SPECIALS = "()`~!@#$%^&*-_+=|{}[]:;'<>,.?/"  # noqa: S105 - the vendor's list of characters, not a password
_CLASSES = (string.ascii_uppercase, string.ascii_lowercase, string.digits, PASSWORD_SPECIALS)


def check_password(password: str, field: str = "password") -> str:
    """The password, if it keeps the vendor's rule: 8 to 30 characters, three of four classes, only its specials.

    Raises:
        SpecError: says which part of the rule is broken, and never shows the password.
    """
    hint = f"8 to 30 characters, three of: A-Z, a-z, 0-9, {PASSWORD_SPECIALS}"
    if field == "password":
        hint += "; or leave it out and one is made"
    if not 8 <= len(password) <= 30:
        raise SpecError(field, f"has {len(password)} characters", hint)
    foreign = re.sub(f"[{re.escape(''.join(_CLASSES))}]", "", password)
    if foreign:
        raise SpecError(field, "contains a character that the cloud does not take", hint)
    classes = sum(any(character in letters for character in password) for letters in _CLASSES)
    if classes < 3:
        raise SpecError(field, f"uses {classes} of the four kinds of characters, and three are needed", hint)
    return password
