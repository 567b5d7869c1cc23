"""`{{resolve:oos:name:version}}`: a text that the vendor replaces by a value from its parameter store."""

import re
from typing import Any

from garret.local_cloud.ros import errors

_REFERENCE = re.compile(r"\{\{\s*resolve:(?:oos|oos-secret)[^{}]*\}\}")


def is_dynamic(value: Any) -> bool:
    """Whether a value is known only once the store has been asked; the local cloud has no such store."""
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def refuse_dynamic(value: Any, where: str) -> None:
    """Names the first such text anywhere in a value: nothing can be made from it here."""
    if is_dynamic(value):
        raise errors.not_emulated(f"the dynamic reference {value} ({where})")
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        refuse_dynamic(item, f"{where}.{key}")
