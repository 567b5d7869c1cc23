"""Write facts/*.json from the vendor's published API tables: `python -m tests.contract.make_facts FOLDER`.

FOLDER holds api_<product>.json files: {"version": …, "apis": {action: {"params": [{"name", "in", "type", "required",
"sub"}]}}}, as made from Alibaba Cloud's OpenAPI metadata. The tests need only what is written here: for each action
its parameters, as "Type", "Type!" where required, "Type@body" where it travels in the body; a list has a name ending
in [] and its members' form as value. Actions that the tables lack are kept by hand in unlisted.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FACTS = Path(__file__).parent / "facts"
PRODUCTS = ("ros", "ecs", "vpc", "oos", "sts", "ram", "quotas", "bssopenapi")
BODY = ("Body", "FormData")


def form(parameter: dict[str, Any]) -> tuple[str, Any]:
    """The name and compact form of one parameter."""
    mark = ("!" if parameter.get("required") else "") + ("@body" if parameter["in"] in BODY else "")
    members = dict(form(member) for member in parameter.get("sub", []))
    if parameter["type"] in ("RepeatList", "Array"):
        return f"{parameter['name']}[]{mark}", members or "String"
    return f"{parameter['name']}", f"{parameter['type']}{mark}"


def main(folder: Path) -> None:
    """Write one file per product, one action a line."""
    FACTS.mkdir(exist_ok=True)
    for product in PRODUCTS:
        table = json.loads((folder / f"api_{product}.json").read_text("utf-8"))
        lines = [
            f"  {json.dumps(action)}: {json.dumps(dict(form(one) for one in facts['params']), separators=(',', ':'))}"
            for action, facts in sorted(table["apis"].items())
        ]
        text = f'{{"version": {json.dumps(table["version"])}, "actions": {{\n' + ",\n".join(lines) + "\n}}\n"
        (FACTS / f"{product}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
