"""Cost: what a deployment cost so far by the bill, what it costs now, and what stopping it saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from garret.errors import CloudError
from garret.ops.at_once import at_once
from garret.ops.cloud import Cloud, Instance, Price, billed_by
from garret.ops.deployment import Deployment
from garret.ops.journal import ENDS
from garret.ops.prices import find_prices
from garret.ops.records import BillItem

HOURS = ("hour", "hours", "小时")
MOST_MONTHS = 24
DELAY = "the cloud's bill comes up to a day after the use; the last hours are not in it yet"
NO_BILL = "this cloud shows no bill; reckoned from garret's own notes and the price per hour"
_DENIED = ("Forbidden", "NoPermission", "NotAuthorized")


@dataclass(frozen=True)
class CostLine:
    """What one thing cost so far; `id` is empty where the amount is of several."""

    kind: str
    id: str
    amount: float


@dataclass(frozen=True)
class Cost:
    """The costs of one deployment, all in `currency`; hours are since it was made, prices are None where unknown."""

    name: str
    region: str
    state: str
    currency: str
    made_up: bool
    now_per_hour: float | None
    running_per_hour: float | None
    stopped_per_hour: float | None
    so_far: float
    lines: tuple[CostLine, ...]
    source: str
    hours: float
    stopped_hours: float
    saved: float | None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form."""
        return asdict(self)


@dataclass(frozen=True)
class _Life:
    """When the deployment was there, and when it was stopped without being paid for, as garret noted it."""

    began: datetime | None
    ended: datetime | None
    stops: tuple[tuple[datetime, datetime | None], ...]
    ids: tuple[str, ...]


def cost(cloud: Cloud, deployment: Deployment, now: datetime | None = None) -> Cost:
    """What it cost and costs; also of one that is deleted, by the ids in garret's notes."""
    moment = now or datetime.now(UTC)
    life = _life(deployment)
    machines, billed, kept = at_once(
        partial(cloud.instances.tagged, deployment.name),
        partial(billed_by, cloud, deployment.name),
        partial(cloud.snapshots.kept, deployment.name),
    )
    ids = [*life.ids, *(one.id for one in machines), *(one.id for one in billed), *(one.id for one in kept)]
    rates = _rates(cloud, deployment)
    hours = _hours(life.began, life.ended or moment)
    items = _bill(cloud, list(dict.fromkeys(ids)), _months(life.began, moment))
    hours = max(hours, _billed_hours(cloud, items))
    stopped = _stopped_hours(cloud, life, items, hours, moment)
    state = _state(machines)
    running_rate, stopped_rate = rates or (None, None)
    lines, source = _lines(items, rates, hours, stopped)
    return Cost(
        name=deployment.name,
        region=cloud.region,
        state=state,
        currency=_currency(items, deployment),
        made_up=cloud.made_up,
        now_per_hour=0.0 if not machines and not billed else stopped_rate if state == "stopped" else running_rate,
        running_per_hour=running_rate,
        stopped_per_hour=stopped_rate,
        so_far=round(sum(line.amount for line in lines), 4),
        lines=lines,
        source=source,
        hours=round(hours, 4),
        stopped_hours=round(stopped, 4),
        saved=round(stopped * (running_rate - stopped_rate), 4)
        if rates and running_rate and stopped_rate is not None
        else None,
        note=_note(cloud, source, state, life),
    )


def _life(deployment: Deployment) -> _Life:
    """The deployment that is open, else the last one of this name."""
    entries = deployment.journal.entries() or _last_life(deployment.journal.history())
    began = ended = None
    stops: list[tuple[datetime, datetime | None]] = []
    ids: list[str] = []
    for entry in entries:
        at, event = _when(entry), entry["event"]
        ids += [str(entry[name]) for name in ("instance_id", "disk_id", "snapshot_id") if entry.get(name)]
        ids += [str(one["id"]) for one in entry.get("billed") or [] if isinstance(one, Mapping)]
        if isinstance(outputs := entry.get("outputs"), Mapping) and outputs.get("InstanceId"):
            ids.append(str(outputs["InstanceId"]))
        if event == "created":
            began = began or at
        elif event == "stopping" and entry.get("economical", True) and not (stops and stops[-1][1] is None):
            stops.append((at, None))
        elif event in ("starting", "ready", "deleting", *ENDS) and stops and stops[-1][1] is None:
            stops[-1] = (stops[-1][0], at)
        if event in ("deleting", *ENDS):
            ended = at
    return _Life(began, ended, tuple(stops), tuple(ids))


def _last_life(history: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    ends = [number for number, entry in enumerate(history) if entry["event"] in ENDS]
    return history[ends[-2] + 1 :] if len(ends) > 1 else history


def rates_of(cloud: Cloud, deployment: Deployment) -> tuple[float, float, str] | None:
    """The price per hour, running and stopped economically, and its currency; None where nobody knows."""
    rates = _rates(cloud, deployment)
    return (*rates, _currency(None, deployment)) if rates else None


def _rates(cloud: Cloud, deployment: Deployment) -> tuple[float, float] | None:
    """The price per hour, running and stopped: what the cloud says now, else what it said when it was planned."""
    plan, spec = deployment.plan, deployment.placed  # as it stands, which may be another type than was asked for
    if plan is None or spec is None:
        return None
    try:
        prices = find_prices(
            cloud, spec, cloud.stacks.price_per_hour(plan["template"], deployment.priced(plan["parameters"]))
        )
    except CloudError:
        prices = None
    if prices is not None:
        return prices.running.amount, prices.stopped.amount
    said = plan.get("prices") or {}
    try:
        return float(said["running_per_hour"]["amount"]), float(said["stopped_per_hour"]["amount"])
    except (KeyError, TypeError, ValueError):
        return None


def _bill(cloud: Cloud, ids: Sequence[str], months: Sequence[str]) -> list[BillItem] | None:
    """The bill's lines; None where the cloud shows no bill, or not to these keys."""
    asks = [partial(cloud.bills.items, id, month) for id in ids for month in months]
    try:
        return [item for found in (at_once(*asks) if asks else []) for item in found]
    except CloudError as error:
        if error.code == "InvalidAction.NotFound" or error.code.startswith(_DENIED):
            return None
        raise


def _lines(
    items: list[BillItem] | None, rates: tuple[float, float] | None, hours: float, stopped: float
) -> tuple[tuple[CostLine, ...], str]:
    if items is None:
        if rates is None:
            return (), "notes"
        running, still = rates
        machine = CostLine("instance", "", round((hours - stopped) * (running - still), 4))
        return (machine, CostLine("disk and address", "", round(hours * still, 4))), "notes"
    sums: dict[tuple[str, str], float] = {}
    for item in items:
        sums[item.kind, item.resource_id] = sums.get((item.kind, item.resource_id), 0.0) + item.amount
    return tuple(CostLine(kind, id, round(amount, 4)) for (kind, id), amount in sums.items()), "bill"


def _stopped_hours(cloud: Cloud, life: _Life, items: list[BillItem] | None, hours: float, moment: datetime) -> float:
    """By the bill where it is as new as the moment and counts hours; else by garret's notes."""
    used = [item for item in items or [] if item.kind == "instance" and item.unit.lower() in HOURS]
    if cloud.made_up and used:
        return max(0.0, hours - sum(item.usage for item in used))
    end = life.ended or moment
    return sum(_hours(began, min(over or end, end)) for began, over in life.stops)


def _billed_hours(cloud: Cloud, items: list[BillItem] | None) -> float:
    """For how long its longest thing was there by the local cloud's book, whose clock may have been moved on."""
    if not cloud.made_up:
        return 0.0
    return max((item.usage for item in items or [] if item.unit.lower() in HOURS), default=0.0)


def _state(machines: Sequence[Instance]) -> str:
    if not machines:
        return "absent"
    saving = all(one.status == "Stopped" and one.stopped_mode == "StopCharging" for one in machines)
    return "stopped" if saving else "running"


def _note(cloud: Cloud, source: str, state: str, life: _Life) -> str:
    notes = [NO_BILL if source == "notes" else "" if cloud.made_up else DELAY]
    if state == "stopped" and not any(over is None for _, over in life.stops) and not cloud.made_up:
        notes.append("it was stopped by itself or by somebody else; since when is not known here")
    if state == "running" and any(over is None for _, over in life.stops) and not cloud.made_up:
        notes.append("it was started by the cloud's schedule or by somebody else; since when is not known here")
    return "; ".join(filter(None, notes))


def _currency(items: Sequence[BillItem] | None, deployment: Deployment) -> str:
    price = (deployment.plan or {}).get("price") or {}
    return next((item.currency for item in items or [] if item.currency), str(price.get("currency") or "CNY"))


def _months(began: datetime | None, moment: datetime) -> list[str]:
    """The months of the bill, the newest last."""
    first = began or moment
    count = min(MOST_MONTHS, (moment.year - first.year) * 12 + moment.month - first.month + 1)
    numbers = [moment.year * 12 + moment.month - 1 - back for back in range(count)]
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in reversed(numbers)]


def _hours(began: datetime | None, ended: datetime) -> float:
    return max(0.0, (ended - began).total_seconds() / 3600) if began else 0.0


def _when(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(entry["at"]))


def as_price(amount: float | None, found: Cost) -> dict[str, Any] | None:
    """An amount per hour as the console shows prices."""
    return Price(amount, found.currency, found.made_up).to_dict() if amount is not None else None
