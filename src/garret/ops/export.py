"""Export: each operation as an OOS template, checked, so that it runs from the cloud's console without garret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from garret.errors import OperationError, UsageError
from garret.templates.oos.catalog import EXPORTS, NOT_EXPORTED
from garret.templates.oos.checks import check
from garret.templates.oos.parts import as_yaml


def templates(verb: str | None = None) -> dict[str, dict[str, Any]]:
    """The templates of a verb, or all, by name; each has passed the checks.

    Raises:
        UsageError: there is none for this verb; says why.
        OperationError: one does not pass, which is a defect of garret.
    """
    if verb is not None and verb not in EXPORTS:
        near = f"there are: {', '.join(EXPORTS)}"
        raise UsageError(f"{verb} has no OOS template: {NOT_EXPORTED.get(verb, 'there is no such operation')}", near)
    wanted = [verb] if verb else list(EXPORTS)
    made = {name: make() for one in wanted for name, make in EXPORTS[one].items()}
    for name, template in made.items():
        found = check(template)
        if found:
            raise OperationError(f"the template of {name} does not pass: {found[0]}", found[0].hint)
    return made


def export(verb: str | None, folder: Path) -> list[dict[str, str]]:
    """Write the templates into a folder, one file each; what was there under these names is replaced."""
    made = templates(verb)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, template in made.items():
        path = folder / f"garret-{name}.yaml"
        path.write_text(as_yaml(template), "utf-8")
        rows.append({"name": name, "file": str(path), "description": template["Description"]["en"]})
    return rows
