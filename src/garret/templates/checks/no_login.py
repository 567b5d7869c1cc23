"""Nobody logs in to the node with a password that can be read: a key pair is better, and no login best.

The vendor's rule ecs-instance-login-use-keypair: a password comes from a NoEcho parameter that keeps the password
rule, and only where it was asked for; the service's ports are no login ports in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "no-login"
RULE = "ecs-instance-login-use-keypair"


def check(subject: Subject) -> Iterator[Finding]:
    """No readable password on the instance, and none from the image."""
    for name, properties in subject.resources(*NODE_TYPES):
        where = f"Resources.{name}.Password"
        if properties.get("Password"):
            yield from _password(subject, where, properties["Password"])
        if properties.get("PasswordInherit") in (True, "true"):
            yield Finding(ID, f"{where}Inherit", "takes the image's password over", "leave it out")


def _password(subject: Subject, where: str, value: Any) -> Iterator[Finding]:
    name = value.get("Ref") if isinstance(value, Mapping) else None
    parameter = subject.section("Parameters").get(name) if isinstance(name, str) else None
    if not isinstance(parameter, Mapping):
        if isinstance(value, Mapping) and not subject.own and any(str(key).startswith("Fn::") for key in value):
            return  # made while the stack is, by ALIYUN::RandomString and its like
        yield Finding(ID, where, "sets a login password", "leave it out, or use KeyPairName")
    elif parameter.get("NoEcho") not in (True, "true"):
        yield Finding(ID, where, f"comes from {name}, which is not NoEcho", "NoEcho: true, or use KeyPairName")
    elif parameter.get("Default") not in (None, ""):
        yield Finding(ID, where, f"comes from {name}, which has a default that everybody knows", "take the default out")
