"""How a try to deliver ends when it does not succeed."""

from __future__ import annotations


class NotNow(Exception):
    """It did not work, and may later; the text says why."""


class GaveUp(Exception):
    """It will never work; the text says why."""
