"""Sizes stay within limits: ROS refuses a larger template at once, and a larger user-data half-way."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject, literal_text

ID = "size"
RULE = ""
TEMPLATE_BYTES = 524_288
USER_DATA_BYTES = 8_192
VENDOR_USER_DATA_BYTES = 32_768


def check(subject: Subject) -> Iterator[Finding]:
    """Compare both sizes with their limits."""
    size = len(subject.text.encode("utf-8", "surrogatepass"))
    if size > TEMPLATE_BYTES:
        yield Finding(ID, "template", f"is {size} bytes; ROS takes {TEMPLATE_BYTES}", "split the stack")
    for name, properties in subject.resources(*NODE_TYPES):
        size = len(_text_of(properties.get("UserData", "")).encode("utf-8", "surrogatepass"))
        most = USER_DATA_BYTES if subject.own else VENDOR_USER_DATA_BYTES
        if size > most:
            problem = f"is {size} bytes; {most} are allowed"
            yield Finding(ID, f"Resources.{name}.UserData", problem, "let it fetch the rest when it runs")


def _text_of(value: object) -> str:
    """Without the replacement map of Fn::Replace: what it puts in is known only to the cloud."""
    if isinstance(value, dict) and isinstance(value.get("Fn::Replace"), list):
        return literal_text(value["Fn::Replace"][1:])
    return literal_text(value)
