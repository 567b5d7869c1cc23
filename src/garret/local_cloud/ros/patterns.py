"""Regular expressions that strangers wrote, matched in bounded time."""

import functools
import re
import subprocess
import sys
import warnings

SECONDS = 2.0
STEPS = 1_000_000  # what a search may cost before it goes to a process that can be ended
_UNBOUNDED = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\})")
_REPEATED_GROUP = re.compile(r"(?<!\\)\)(?:[*+]|\{\d*,\d*\}|\{\d+\})")
_ELSEWHERE = """\
import re, sys
pattern, text, whole = sys.argv[1], sys.stdin.buffer.read().decode("utf-8", "surrogatepass"), sys.argv[2] == "whole"
sys.stdout.write("yes" if (re.fullmatch if whole else re.search)(pattern, text) else "no")
"""


class TooSlowError(ValueError):
    """The pattern needs longer than anybody should wait for."""


@functools.lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern ready for use; Python's remarks about its style are the author's business. Raises re.error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(pattern)


@functools.lru_cache(maxsize=512)
def matches(pattern: str, text: str, *, whole: bool = True) -> bool:
    """Whether the pattern matches all of the text (or a part of it); raises TooSlowError after two seconds.

    Python's engine tries again and again where quantifiers are nested, and cannot be stopped: such patterns run in a
    process of their own. Raises re.error for a pattern that is none.
    """
    ready = compiled(pattern)
    if _is_tame(pattern, text):
        return (ready.fullmatch(text) if whole else ready.search(text)) is not None
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", _ELSEWHERE, pattern, "whole" if whole else "part"]
    try:
        done = subprocess.run(
            command, input=text.encode("utf-8", "surrogatepass"), capture_output=True, timeout=SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise TooSlowError(f"matching it takes longer than {SECONDS:g} s") from None
    return done.stdout == b"yes"


def _is_tame(pattern: str, text: str) -> bool:
    length = len(text) + 1
    if _REPEATED_GROUP.search(pattern) and length > 20:
        return False
    return len(_UNBOUNDED.findall(pattern)) <= 1 or length ** len(_UNBOUNDED.findall(pattern)) <= STEPS
