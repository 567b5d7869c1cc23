"""Write templates/oos/facts.json from the vendor's own actions and public templates.

`python -m tests.templates.oos.make_facts FOLDER` reads FOLDER/oos_actions.json: {"atomic_actions": [...], "actions":
{name: template}, "public_templates": {name: template}}. Kept are names only: of actions with their properties and
outputs, of what a template, a task and a parameter may hold, and of functions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FACTS = Path(__file__).parents[3] / "src/garret/templates/oos/facts.json"
# Named on the vendor's pages about parameters, tasks and built-in functions, and used by none of the templates above.
PAGES = {
    "functions": ["Fn::And", "Fn::Base64Encode", "Fn::First", "Fn::Last", "Fn::Max", "Fn::MergeMap", "Fn::Min",
                  "Fn::Replace", "Fn::Jq"],
    "parameter": ["AllowedPattern"],
}  # fmt: skip


def tasks(value: Any) -> Iterator[dict[str, Any]]:
    """Every task below a value."""
    if isinstance(value, dict):
        if "Action" in value and "Properties" in value:
            yield value
        for one in value.values():
            yield from tasks(one)
    elif isinstance(value, list):
        for one in value:
            yield from tasks(one)


def facts(known: dict[str, Any]) -> dict[str, Any]:
    """The names."""
    whole = [*known["actions"].values(), *known["public_templates"].values()]
    parameters = [one for template in whole for one in template.get("Parameters", {}).values()]
    atomic: dict[str, set[str]] = {name: set() for name in known["atomic_actions"]}
    for task in tasks(whole):
        name = task["Action"].replace("ACS::ExecuteApi", "ACS::ExecuteAPI")
        if name in atomic:
            atomic[name] |= set(task["Properties"])
    found: dict[str, Any] = {
        "atomic": {name: sorted(properties) for name, properties in sorted(atomic.items())},
        "actions": {
            name: {
                "properties": {key: "Default" not in about for key, about in template["Parameters"].items()},
                "outputs": sorted(template.get("Outputs", {})),
            }
            for name, template in sorted(known["actions"].items())
        },
        "sections": sorted({key for template in whole for key in template}),
        "task": sorted({key for task in tasks(whole) for key in task}),
        "parameter": sorted({key for one in parameters for key in one}),
        "types": sorted({one["Type"] for one in parameters}),
        "association_properties": sorted({str(one.get("AssociationProperty")) for one in parameters} - {"None"}),
        "functions": sorted(set(re.findall(r"Fn::\w+", json.dumps(whole)))),
    }
    return found | {key: sorted({*found[key], *more}) for key, more in PAGES.items()}


def main(folder: Path) -> None:
    """Write them, one entry a line."""
    found = facts(json.loads((folder / "oos_actions.json").read_text("utf-8")))
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items()]
    FACTS.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
