"""Why a stack did not come up: the first part that failed, in the cloud's words or the node's, and what to type."""

from __future__ import annotations

import re
from collections.abc import Sequence

from garret.errors import BootstrapFailed, OperationError, StackFailed
from garret.ops.cloud import Billed, StackEvent
from garret.ops.deployment import flag
from garret.ops.watch import PARTS

_STEP = re.compile(r"(?:^|[\s:])(ensure_\w+|first stage): (.*)", re.DOTALL)
_CAPACITY = ("OperationDenied.NoStock", "Zone.NotOnSale", "InvalidResourceType.NotSupported", "InstanceType.Offline")
_QUOTA = ("QuotaExceed", "Quota.Exceed")
_MONEY = ("InvalidAccountStatus.NotEnoughBalance", "Account.Arrearage", "InsufficientBalance")
_CALLED_OFF = re.compile(r"cancel|called off|aborted", re.IGNORECASE)
LOG_LINES = 8


def explain(name: str, events: Sequence[StackEvent], reason: str, billed: Sequence[Billed]) -> OperationError:
    """The error for a failed stack; `reason` is the stack's own, used when no event says more."""
    failed = [event for event in events if event.status == "CREATE_FAILED" and event.resource in PARTS]
    own = [event for event in failed if not _CALLED_OFF.search(event.reason)]
    first = next(iter(own or failed), None)
    costs = billed_text(billed)
    if first is None:
        return StackFailed(f"stack garret-{name}", reason or "no reason was given", _again(name, billed), billed=costs)
    step = _STEP.search(first.reason)
    if first.resource == "Ready" and step:
        return _bootstrap(name, step.group(1), step.group(2), billed)
    return StackFailed(PARTS[first.resource], first.reason, _hint(name, first.reason, billed), billed=costs)


def billed_text(billed: Sequence[Billed]) -> str:
    """What is billed now, in one line."""
    return "; ".join(map(str, billed)) if billed else "nothing"


def _bootstrap(name: str, step: str, text: str, billed: Sequence[Billed]) -> BootstrapFailed:
    reason, _, log = text.partition("\n")
    hint = _again(name, billed)
    if "already in use" in reason:
        reason = reason.replace(", or choose another --service-port", "")
        hint = f"garret deploy{flag(name)} --port N   (with a port that is free)"
    tail = "\n".join(log.strip().splitlines()[-LOG_LINES:])
    return BootstrapFailed(step, reason, hint, log_tail=tail, billed=billed_text(billed))


def _hint(name: str, reason: str, billed: Sequence[Billed]) -> str:
    if any(code in reason for code in _CAPACITY):
        return f"another zone or type: garret deploy{flag(name)} --zone … or --instance-type …"
    if any(code in reason for code in _QUOTA):
        return "raise the quota in the cloud's Quota Center, or choose a smaller --instance-type"
    if any(code in reason for code in _MONEY):
        return "top up the account, then type garret deploy again"
    return _again(name, billed)


def _again(name: str, billed: Sequence[Billed]) -> str:
    if billed:
        return f"garret delete {name}   (ends the bill), then garret deploy{flag(name)}"
    return f"garret deploy{flag(name)}   (tries anew)"
