"""How changes look in answers: those of a change set, and those of a preview."""

from collections.abc import Iterable
from typing import Any

from garret.local_cloud.ros.differences import IN_PLACE, Change, Detail

RECREATION = {"True": "Always", "Conditional": "Conditionally", "False": "Never"}


def change_row(change: Change) -> dict[str, Any]:
    """One change as GetChangeSet tells it."""
    row: dict[str, Any] = {
        "Action": change.action,
        "LogicalResourceId": change.name,
        "ResourceType": change.type,
        "Scope": list(dict.fromkeys(one.attribute for one in change.details)),
        "Details": [_detail_row(one) for one in change.details],
    }
    if change.physical_id:
        row["PhysicalResourceId"] = change.physical_id
    if change.replacement:
        row["Replacement"] = change.replacement
    return {"Type": "Resource", "ResourceChange": row}


def _detail_row(detail: Detail) -> dict[str, Any]:
    recreation = "Never" if detail.how == IN_PLACE else "Always" if detail.sure else "Conditionally"
    target = {"Attribute": detail.attribute, "RequiresRecreation": recreation}
    row: dict[str, Any] = {
        "Target": {**target, "Name": detail.name} if detail.name else target,
        "ChangeSource": detail.cause.source,
        "Evaluation": "Static" if detail.sure else "Dynamic",
    }
    return {**row, "CausingEntity": detail.cause.entity} if detail.cause.entity else row


def by_name(changes: Iterable[Change]) -> dict[str, Change]:
    """The changes of what the template names; removals are apart."""
    return {one.name: one for one in changes if one.action != "Remove"}
