"""Parameters that hold a secret are NoEcho: whoever may look at the stack would read them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from garret.templates.checks.finding import Finding, Subject
from garret.templates.checks.secrets import is_hidden

ID = "no-echo"
RULE = "parameter-sensitive-noecho"
_WORDS = re.compile(
    r"password|passwd|secret|token|(?<!ssh)(?<!public)key(?!pairname|name|id)|credential", re.IGNORECASE
)


def check(subject: Subject) -> Iterator[Finding]:
    """By the parameter's name."""
    for name, body in subject.section("Parameters").items():
        if _WORDS.search(name) and not is_hidden(body):
            yield Finding(ID, f"Parameters.{name}", "sounds like a secret and is not NoEcho", "NoEcho: true")
