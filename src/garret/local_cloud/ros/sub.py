"""What `${…}` in a text of Fn::Sub means."""

import re
from collections.abc import Container
from dataclasses import dataclass

from garret.local_cloud.ros.function_forms import wrong

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_:.\[\]-]*")


@dataclass(frozen=True)
class Placeholder:
    """One `${…}`: text that stays, a variable of the function's own map, or a resource (or parameter) and attribute."""

    literal: str | None = None
    variable: str | None = None
    resource: str = ""
    attribute: str | None = None


def placeholder(match: re.Match[str], names: Container[str], resources: Container[str], where: str) -> Placeholder:
    """`${!x}` is the text `${x}`; `${a.b}` is the attribute b of the resource a."""
    token = match.group(1).strip()
    if token.startswith("!"):
        return Placeholder(literal="${" + match.group(1).strip()[1:] + "}")
    if token in names:
        return Placeholder(variable=token)
    if not _NAME.search(token):
        raise wrong(where, f"a text in which ${{…}} holds a name; {match.group()} holds none (${{!…}} leaves it alone)")
    if "." not in token or token in resources:
        return Placeholder(resource=token)
    head, _, tail = token.rpartition(".")
    if head in resources:
        return Placeholder(resource=head, attribute=tail)
    resource, _, attribute = token.partition(".")
    return Placeholder(resource=resource, attribute=attribute)
