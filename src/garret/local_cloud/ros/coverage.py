"""The part of the coverage page that tells what templates may hold, made from the registries."""

from garret.local_cloud.ros.facts import facts_of
from garret.local_cloud.ros.functions import ELSEWHERE, LAZY, ONLY_IN_CONDITIONS
from garret.local_cloud.ros.parameters import TYPES as PARAMETER_TYPES
from garret.local_cloud.ros.parameters import TYPES_ELSEWHERE
from garret.local_cloud.ros.plain_functions import PLAIN
from garret.local_cloud.ros.resources import TYPES
from garret.local_cloud.ros.resources.base import ResourceType
from garret.local_cloud.ros.scope import PSEUDO, PSEUDO_PREFIX
from garret.local_cloud.ros.template import SECTIONS, SECTIONS_ELSEWHERE

_HEAD = """\
### Templates (2015-09-01)

A template that the vendor takes is validated and previewed here as there, for all properties of these types. What is
not below is refused by name: sections, functions and types at once, properties that are not carried out when a stack is
created or updated. Properties in _italics_ are updated in place; a change of the others replaces the resource, when
ReplacementOption allows it.
"""


def templates() -> str:
    """Sections, functions, parameter types, and every resource type with its properties and attributes."""
    functions = sorted(set(LAZY) | set(PLAIN))
    lines = [
        _HEAD,
        f"- sections: {', '.join(SECTIONS)} (not {', '.join(SECTIONS_ELSEWHERE)}; of Locals only Macro and Eval)",
        f"- functions: {', '.join(name for name in functions if name not in ONLY_IN_CONDITIONS)}",
        f"- functions in Conditions only: {', '.join(ONLY_IN_CONDITIONS)}",
        f"- functions by name only, refused: {', '.join(ELSEWHERE)}; of Fn::Jq what paths, filters and conditions need",
        f"- parameter types: {', '.join(PARAMETER_TYPES)}; {', '.join(TYPES_ELSEWHERE)} in ValidateTemplate only",
        f"- pseudo parameters: {', '.join(PSEUDO_PREFIX + name for name in PSEUDO)}",
        "",
        "| resource type | properties carried out (a star: required) | attributes |",
        "|-|-|-|",
    ]
    return "\n".join(lines + [_row(TYPES[name]) for name in sorted(TYPES)]) + "\n"


def _row(kind: ResourceType) -> str:
    rules = facts_of(kind.name, "the registry").properties
    done = sorted(kind.carried | set(kind.only))
    properties = [_property(kind, name, name in rules and rules[name].required) for name in done]
    rest = f"; without effect: {', '.join(sorted(kind.harmless))}" if kind.harmless else ""
    return f"| {kind.name} | {', '.join(properties)}{rest} | {', '.join(kind.attributes)} |"


def _property(kind: ResourceType, name: str, required: bool) -> str:
    text = f"_{name}_" if name in kind.updatable else name
    text += "*" if required else ""
    values = kind.only.get(name, ())
    return f"{text} (only {' or '.join(values)})" if values and len(values) < 4 else text
