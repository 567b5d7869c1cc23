"""The vendor's rule for an instance's password."""

from __future__ import annotations

import re

from garret.local_cloud.core import ApiError

_CLASSES = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[()`~!@#$%^&*_+=|{}\[\]:;'<>,.?/-]")
_PASSWORD = re.compile(r"[A-Za-z0-9()`~!@#$%^&*_+=|{}\[\]:;'<>,.?/-]{8,30}")


def check_password(text: str) -> None:
    """Refuse a password that breaks the vendor's rule; it is never kept."""
    classes = sum(1 for one in _CLASSES if re.search(one, text))
    if not _PASSWORD.fullmatch(text) or classes < 3:
        rule = "8 to 30 characters, three of: lower case, upper case, digits, ()`~!@#$%^&*-_+=|{}[]:;'<>,.?/"
        raise ApiError("InvalidPassword.Malformed", f"The specified Password breaks the rule: {rule}.")
