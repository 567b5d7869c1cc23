"""What went wrong in the words of whoever sits before the page: `ui/words/fault.json` has them.

A reason that has words of its own there is said with them; any other one in the service's English, which says more than
"something is wrong".
"""

from __future__ import annotations

import re
from typing import Any

from garret.service_runtime.errors import BadRequest, NotFound, ServiceError
from garret.service_runtime.page.words import say, words_of

# What the service says of a field, and the words for it; a group's name is a place in them.
_REASONS = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (r"must be a whole number.*", "whole"),
        (r"must be a number.*", "number"),
        (r"must be (?P<low>-?[\d.]+) to (?P<high>[\d.]+)", "range"),
        (r".* is out of range\. Give (?P<low>\d+) to (?P<high>\d+).*", "range"),
        (r"(?P<value>\d+) is not a multiple of (?P<step>\d+)\. Try (?P<near>\d+)", "multiple"),
        (r"(?P<value>\d+) (steps|pictures|pixels|characters) are more than this node makes\. .* (?P<most>\d+)", "most"),
        (r"(?P<value>\d+) x n_iter (?P<other>\d+) makes (?P<count>\d+) pictures\. .* (?P<most>\d+) pictures", "count"),
        (r"has (?P<value>\d+) characters\. At most (?P<most>\d+)", "long"),
        (r"makes (?P<size>\d+ x \d+)\. .*", "large"),
        (r"'(?P<name>.*)' is not there\. .*", "absent"),
        (r"no .* is called '(?P<name>.*)'\. There are: (?P<known>.*)", "known"),
        (r"is missing\. .*", "missing"),
        (r"nothing is painted\. .*", "unpainted"),
        (r"the tag of '(?P<name>.*)' .*", "tag"),
        (r"there is no checkpoint in .*", "no_model"),
        (r"does not go together with .*", "together"),
        (r"AND joins (?P<count>\d+) texts\. .* (?P<most>\d+)", "joined"),
    )
)
_NO_CHECKPOINT = re.compile(r"(there is )?no checkpoint ")


def fault_of(language: str, error: ServiceError) -> dict[str, Any]:
    """Return what an element shows: `text`, and `field` as the request calls it, where it is about one."""
    if isinstance(error, NotFound) and _NO_CHECKPOINT.match(error.message):
        error = BadRequest("checkpoint", error.message, error.hint)
    if isinstance(error, BadRequest):
        return {"text": _of_field(language, error), "field": error.field}
    key = f"fault.{type(error).__name__}"
    key = key if key in words_of(language) else "fault.other"
    message = f"{error.message}. {error.hint}" if error.hint else error.message
    return {"text": say(language, key, message=message, seconds=error.retry_after or 10), "field": ""}


def label_of(language: str, field: str) -> str:
    """Return what a field is called on the page, or its own name."""
    words = words_of(language)
    return next((words[key] for key in (f"form.{field}", f"begin.{field}") if key in words), field)


def _of_field(language: str, error: BadRequest) -> str:
    said = f"{error.reason}. {error.hint}" if error.hint else error.reason
    for pattern, name in _REASONS:
        if found := pattern.fullmatch(said):
            said = say(language, f"fault.reason.{name}", **found.groupdict())
            break
    else:
        said = say(language, "fault.reason.other", message=said)
    return say(language, "fault.field", label=label_of(language, error.field), message=said)
