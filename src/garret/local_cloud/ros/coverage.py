"""The part of the coverage page that tells what templates may hold, made from the registries."""

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

Whatever a template holds that is not below is refused by name when it is validated, previewed or created.
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
        "| resource type | properties (a star: required) | attributes |",
        "|-|-|-|",
    ]
    return "\n".join(lines + [_row(TYPES[name]) for name in sorted(TYPES)]) + "\n"


def _row(kind: ResourceType) -> str:
    properties = [f"{name}*" if rule.required else name for name, rule in sorted(kind.properties.items())]
    return f"| {kind.name} | {', '.join(properties)} | {', '.join(kind.attributes)} |"
