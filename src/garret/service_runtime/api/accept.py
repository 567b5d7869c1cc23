"""The header Accept, where a dialect answers in more than one form: the first of those it lists that there is."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

MAXIMUM_TYPES = 32
"""So many of its types are looked at; browsers send eight."""


def first_accepted(request: Request, forms: Mapping[str, str], otherwise: str) -> str:
    """Return the form of the first media type that `forms` has, "" when there is none; `otherwise` without a header.

    A type may have a parameter that is a part of its name (`application/json;png`); weights (`;q=`) are not weighed.
    """
    header = ",".join(request.headers.getlist("accept")).strip()
    if not header:
        return otherwise
    for entry in header.split(",", MAXIMUM_TYPES)[:MAXIMUM_TYPES]:
        words = [word.strip().lower() for word in entry.split(";")]
        name = ";".join((words[0], *(word for word in words[1:] if "=" not in word)))
        if name in forms:
            return forms[name]
    return ""
