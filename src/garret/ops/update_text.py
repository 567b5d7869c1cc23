"""A proposed update in words: what changes, what stops for it, and what it costs afterwards."""

from __future__ import annotations

from garret.ops.records import ResourceChange
from garret.ops.update import EFFECTS, Proposal
from garret.ops.watch import PARTS


def proposal_lines(proposal: Proposal) -> list[str]:
    """What a person sees before they say yes."""
    lines = ["Update:"]
    for effect in ("live", "restart", "replace", "free"):
        some = [change for change in proposal.changes if change.effect == effect]
        lines += [f"  {change}" for change in some]
        lines += [f"            {EFFECTS[effect]}"] if some else []
        if effect == "live" and any(change.field == "disk_size_gib" for change in some):
            lines.append("            the disk grows at once, the file system on it when the node starts next")
    if proposal.resources:
        lines.append("  the cloud will " + ", ".join(map(_resource, proposal.resources)))
    if proposal.prices is not None:
        before = proposal.before
        was = f" (before: {before['amount']:.2f} per hour)" if before else ""
        running = proposal.prices.running
        mark = ", made-up price of the local cloud" if running.made_up else ""
        lines.append(f"  price     {running.amount:.2f} {running.currency} per hour{was}{mark}")
    return lines


def _resource(change: ResourceChange) -> str:
    verb = {"Add": "add", "Modify": "change", "Remove": "remove"}.get(change.action, change.action.lower())
    anew = " (made anew)" if change.replaced else ""
    what = f" ({', '.join(change.properties)})" if change.properties else ""
    return f"{verb} the {PARTS.get(change.resource, change.resource)}{what}{anew}"
