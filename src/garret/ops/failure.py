"""Why a stack did not come up, or would not go: the part that failed first, in the cloud's words, and what to type."""

from __future__ import annotations

import re
from collections.abc import Sequence

from garret.errors import BootstrapFailed, NodeSilent, OperationError, StackFailed
from garret.ops.aliyun.error_classes import classify, first_code
from garret.ops.cloud import Billed, StackEvent
from garret.ops.deployment import flag
from garret.ops.node_journal import Sight
from garret.ops.watch import PARTS, STACK_KIND

_STEP = re.compile(r"(?:^|[\s:])(ensure_\w+|first stage|runner): (.*)", re.DOTALL)
_TIMEOUT = re.compile(r"time(d )?[ -]?out", re.IGNORECASE)
_CALLED_OFF = re.compile(r"cancel|called off|aborted", re.IGNORECASE)
_REQUEST_ID = re.compile(
    r"request ?id[\"']?\s*[:=]?\s*[\"']?([0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12})", re.IGNORECASE
)
_BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
LOG_LINES = 8
NOTHING_SEEN = Sight()


def explain(
    name: str,
    events: Sequence[StackEvent],
    reason: str,
    billed: Sequence[Billed],
    *,
    sight: Sight = NOTHING_SEEN,
    console: str = "",
) -> OperationError:
    """The error for a stack that did not come up; `reason` is the stack's own, used when no event says more.

    `sight` and `console` are what could still be read of a node: all there is to tell of one that never signalled.
    """
    first = first_failure(events, "CREATE_FAILED") or first_failure(events, "UPDATE_FAILED")
    if first is None:
        return _stack_failed(name, f"stack garret-{name}", reason or "no reason was given", billed)
    step = _STEP.search(first.reason)
    if first.resource == "Ready" and step:
        return _bootstrap(name, step.group(1), step.group(2), billed)
    if first.resource == "Ready" and _TIMEOUT.search(first.reason):
        return _silent(name, first.reason, billed, sight, console)
    return _stack_failed(name, part_name(first), first.reason, billed)


def explain_left(name: str, events: Sequence[StackEvent], reason: str, billed: Sequence[Billed]) -> OperationError:
    """The error for a stack that could not be deleted: what holds it, and how to let go of it."""
    first = first_failure(events, "DELETE_FAILED")
    text = first.reason if first else reason
    code = first_code(text)
    again = f"garret delete {name}   (tries again)"
    hint = f"{classify('DeleteStack', code).hint or 'remove what holds it in the cloud console'}; then {again}"
    part = part_name(first) if first else f"stack garret-{name}"
    return StackFailed(
        part, text or "no reason was given", hint if code else again, billed=billed_text(billed), code=code,
        kind=classify("DeleteStack", code).kind if code else "", request_id=request_id_in(text),
    )  # fmt: skip


def first_failure(events: Sequence[StackEvent], status: str) -> StackEvent | None:
    """The part that failed first by itself; what was called off because of another is a consequence.

    Only of the stack's last action: events of an earlier try do not explain this one.
    """
    failed = [event for event in _last_action(events) if event.status == status and event.kind != STACK_KIND]
    own = [event for event in failed if not _CALLED_OFF.search(event.reason)]
    return next(iter(own or failed), None)


def part_name(event: StackEvent) -> str:
    """What a person calls a part of the stack."""
    return PARTS.get(event.resource, event.resource)


def request_id_in(text: str) -> str:
    """The id of the refused request, where the cloud's words hold it."""
    found = _REQUEST_ID.search(text)
    return found.group(1) if found else ""


def billed_text(billed: Sequence[Billed]) -> str:
    """What is billed now, in one line."""
    return "; ".join(map(str, billed)) if billed else "nothing"


def _last_action(events: Sequence[StackEvent]) -> Sequence[StackEvent]:
    """The events from the stack's newest beginning on: its creation, update or deletion, not its rollback."""
    begun = [number for number, event in enumerate(events) if event.kind == STACK_KIND and event.status in _BEGINNINGS]
    return events[begun[-1] :] if begun else events


def _stack_failed(name: str, part: str, reason: str, billed: Sequence[Billed]) -> StackFailed:
    code = first_code(reason)
    kind = classify("CreateStack", code).kind if code else ""
    return StackFailed(
        part, reason, _hint(name, code, billed), billed=billed_text(billed), code=code, kind=kind,
        request_id=request_id_in(reason),
    )  # fmt: skip


def _bootstrap(name: str, step: str, text: str, billed: Sequence[Billed]) -> BootstrapFailed:
    reason, _, log = text.partition("\n")
    hint = _again(name, billed)
    if "already in use" in reason:
        reason = reason.replace(", or choose another --service-port", "")
        hint = f"garret deploy{flag(name)} --port N   (with a port that is free)"
    tail = "\n".join(log.strip().splitlines()[-LOG_LINES:])
    return BootstrapFailed(step, reason, hint, log_tail=tail, billed=billed_text(billed))


def _silent(name: str, reason: str, billed: Sequence[Billed], sight: Sight, console: str) -> NodeSilent:
    """A node that was waited for in vain: how far it had come when it was last seen."""
    told = f"the node never signalled ({reason})"
    last = sight.last
    step = str(last.get("step", ""))
    if sight.step:
        told += f"; last seen it had been in step {step} for {sight.seconds:.0f} s"
    elif last.get("state") == "failed" and step == "signal":
        told += f"; its bootstrap ended, but its signal did not get through: {last.get('reason', '')}"
    elif last:
        told += f"; last seen it was after step {step} ({last.get('state', '')})"
    else:
        told += "; nothing of its bootstrap was ever seen: cloud-init or Cloud Assistant's agent did not get that far"
    tail = sight.tail or "\n".join(console.strip().splitlines()[-LOG_LINES:])
    longer = f"{_again(name, billed)}; when it needs more time: --wait-timeout-s"
    return NodeSilent(told, longer, step=step, log_tail=tail, billed=billed_text(billed))


def _hint(name: str, code: str, billed: Sequence[Billed]) -> str:
    meaning = classify("CreateStack", code) if code else None
    if meaning is None or meaning.kind not in ("user", "capacity", "fatal") or not meaning.hint:
        return _again(name, billed)
    if meaning.kind == "capacity":
        return f"another zone or type: garret deploy{flag(name)} --zone … or --instance-type …"
    return f"{meaning.hint}; then {_again(name, billed)}"


def _again(name: str, billed: Sequence[Billed]) -> str:
    if billed:
        return f"garret delete {name}   (ends the bill), then garret deploy{flag(name)}"
    return f"garret deploy{flag(name)}   (tries anew)"
