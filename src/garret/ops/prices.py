"""What a deployment costs: while it runs, while it is stopped economically, and what is paid in advance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.errors import SpecError
from garret.ops.capacity import size_of
from garret.ops.cloud import Cloud, Price
from garret.ops.records import MachinePrice
from garret.spec import DeploymentSpec
from garret.spec.fields import FAMILY
from garret.templates.spot import spot_strategy

HOURS_PER_MONTH = 730
_MONTHS = {"Month": 1, "Year": 12}


class TooDear(SpecError):
    """A place costs more than the person's limit; another one may not."""


@dataclass(frozen=True)
class Prices:
    """Per hour: `running`, and `stopped` (disk and address go on); `advance` is for the whole period, if there is one.

    With a Subscription the machine is in `advance`, and the hours hold only what is paid by the hour beside it.
    """

    running: Price
    stopped: Price
    advance: Price | None = None
    months: int = 0

    @property
    def effective(self) -> float:
        """Everything, spread over the hours: what a limit per hour is compared with."""
        spread = self.advance.amount / (self.months * HOURS_PER_MONTH) if self.advance else 0.0
        return self.running.amount + spread

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form; months have 730 hours."""
        return {
            "running_per_hour": self.running.to_dict(),
            "running_per_month": _per_month(self.running),
            "stopped_per_hour": self.stopped.to_dict(),
            "stopped_per_month": _per_month(self.stopped),
            "advance": self.advance.to_dict() if self.advance else None,
            "advance_months": self.months or None,
        }


def find_prices(cloud: Cloud, spec: DeploymentSpec, hourly: tuple[float, str] | None) -> Prices | None:
    """The prices of a spec; `hourly` is what ROS says all that is paid by the hour costs together, machine included."""
    if hourly is None:
        return None
    machine = _machine(cloud, spec)
    advance, months = None, 0
    if spec.charge_type == "Subscription":
        months = (spec.period or 1) * _MONTHS[spec.period_unit]
        advance = cloud.price((machine.machine + machine.disk, machine.currency))
        running = stopped = cloud.price(hourly)
    else:
        running = cloud.price(hourly)
        stopped = cloud.price((max(0.0, hourly[0] - machine.machine), hourly[1]))
    if running is None or stopped is None:
        return None
    return Prices(running, stopped, advance, months)


def check_limit(cloud: Cloud, spec: DeploymentSpec, prices: Prices | None) -> None:
    """Refuse what costs more than the person said.

    Raises:
        TooDear: by how much, and what would fit.
    """
    limit = spec.max_price_per_hour
    if limit is None:
        return
    if prices is None:
        raise SpecError("max_price_per_hour", "the cloud does not say what this costs", "leave --max-price out")
    if prices.effective <= limit:
        return
    currency = prices.running.currency
    reason = (
        f"{spec.instance_type} with disk and address costs {prices.effective:.2f} {currency} per hour, "
        f"{prices.effective - limit:.2f} more than the limit of {limit:g}; nothing was made"
    )
    raise TooDear("max_price_per_hour", reason, _what_fits(cloud, spec, prices, limit))


def price_lines(spec: DeploymentSpec, prices: Prices | None) -> list[str]:
    """What a person reads before they say yes."""
    if prices is None:
        return ["the cloud does not say what this costs"]
    mark = " (made-up prices of the local cloud)" if prices.running.made_up else ""
    lines = []
    if prices.advance:
        amount = f"{prices.advance.amount:.2f} {prices.advance.currency}"
        lines.append(f"{amount} in advance for {prices.months} months, running or stopped{mark}")
        lines.append(f"and {_hour_and_month(prices.running)} beside it")
    else:
        lines.append(f"running {_hour_and_month(prices.running)}{mark}")
        lines.append(f"stopped {_hour_and_month(prices.stopped)}, for disk and address")
    if spec.charge_type == "Spot":
        lines.append("a spot machine: the price moves, and the cloud may take the machine back at any time")
    if spec.max_price_per_hour is not None:
        lines.append(f"within the limit of {spec.max_price_per_hour:g} per hour")
    return lines


def _machine(cloud: Cloud, spec: DeploymentSpec, instance_type: str = "", *, spot: str | None = None) -> MachinePrice:
    strategy = spot_strategy(spec) if spot is None else spot
    unit, period = (spec.period_unit, spec.period or 1) if spec.charge_type == "Subscription" else ("Hour", 1)
    return cloud.catalog.machine_price(
        instance_type or spec.instance_type, spec.disk_category, spec.disk_size_gib, unit=unit, period=period,
        spot="" if strategy == "NoSpot" else strategy,
    )  # fmt: skip


def _what_fits(cloud: Cloud, spec: DeploymentSpec, prices: Prices, limit: float) -> str:
    """Another way to the same thing below the limit, asked only when a limit was met."""
    dear = _machine(cloud, spec).machine
    others: Mapping[str, Any] = cloud.catalog.stock(FAMILY) if spec.charge_type == "PayAsYouGo" else {}
    for kind in sorted(others, key=size_of):
        if kind != spec.instance_type and prices.effective - dear + _machine(cloud, spec, kind).machine <= limit:
            return f"--instance-type {kind} is within it; or a higher --max-price"
    if spec.charge_type == "PayAsYouGo":
        spot = _machine(cloud, spec, spot="SpotAsPriceGo").machine
        if prices.effective - dear + spot <= limit:
            return "--charge-type Spot is within it, and may be taken back; or a higher --max-price"
    return "a higher --max-price, or a smaller --instance-type or --disk-size"


def _hour_and_month(price: Price) -> str:
    return f"{price.amount:.2f} {price.currency} per hour, {price.amount * HOURS_PER_MONTH:.0f} per month"


def _per_month(price: Price) -> dict[str, Any]:
    return {**price.to_dict(), "amount": round(price.amount * HOURS_PER_MONTH, 2)}
