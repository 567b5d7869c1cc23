"""Nobody logs in to the node with a password: it would be in the stack's parameters, and guessed from outside."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "no-login"


def check(subject: Subject) -> Iterator[Finding]:
    """No password on the instance, and none from the image."""
    for name, properties in subject.resources(*NODE_TYPES):
        if properties.get("Password"):
            yield Finding(ID, f"Resources.{name}.Password", "sets a login password", "leave it out, or use KeyPairName")
        if properties.get("PasswordInherit") in (True, "true"):
            yield Finding(ID, f"Resources.{name}.PasswordInherit", "takes the image's password over", "leave it out")
