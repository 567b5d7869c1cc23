"""How an instance is paid for: by the hour, for a period beforehand, or by the hour at a price that moves (spot)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from garret.local_cloud import prices
from garret.local_cloud.clock import minute_stamp
from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.params import Reply, dry_run, names

PERIODS: dict[str, tuple[int, ...]] = {
    "Week": (1, 2, 3, 4),
    "Month": (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36, 48, 60),
}
SPOT = ("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo")
INTERRUPTION = ("Terminate", "Stop")
NEVER = "2099-12-31T15:59Z"  # what the vendor writes for what does not expire


def read_charge(params: Mapping[str, str], instance_type: str, now: datetime) -> dict[str, Any]:
    """The fields of an instance that say how it is paid for; refused by the vendor's codes when they do not agree."""
    kind = params.get("InstanceChargeType", "") or "PostPaid"
    if kind not in ("PostPaid", "PrePaid"):
        text = f"InstanceChargeType {kind!r} is neither PostPaid nor PrePaid."
        raise ApiError("InvalidInstanceChargeType.NotFound", text, 404)
    spot = _spot(params, instance_type)
    fields = {**spot, "InstanceChargeType": kind, "ExpiredTime": NEVER, "Period": 0, "PeriodUnit": ""}
    if kind == "PostPaid":
        return fields
    if spot["SpotStrategy"] != "NoSpot":
        raise ApiError("InvalidSpotPrepaid", "A PrePaid instance is no spot instance: SpotStrategy must be NoSpot.")
    unit, period = read_period(params)
    return {**fields, "Period": period, "PeriodUnit": unit, "ExpiredTime": minute_stamp(after(now, unit, period))}


def read_period(params: Mapping[str, str]) -> tuple[str, int]:
    """PeriodUnit and Period of a PrePaid order."""
    unit, text = params.get("PeriodUnit", "") or "Month", params.get("Period", "")
    if unit not in PERIODS:
        raise ApiError("InvalidPeriodType.ValueNotSupported", f"PeriodUnit {unit!r} is none of {', '.join(PERIODS)}.")
    if not text:
        raise missing("Period")
    if not text.isdecimal() or int(text) not in PERIODS[unit]:
        known = ", ".join(str(one) for one in PERIODS[unit])
        raise ApiError("InvalidPeriod", f"Period {text!r} is none of {known} ({unit}).")
    return unit, int(text)


def after(now: datetime, unit: str, period: int) -> datetime:
    """The moment `period` weeks or calendar months after `now`."""
    if unit == "Week":
        return now + timedelta(weeks=period)
    months = now.month - 1 + period
    year, month = now.year + months // 12, months % 12 + 1
    for day in (now.day, 30, 29, 28):  # the 31st of a month without one is its last day
        try:
            return now.replace(year=year, month=month, day=min(day, now.day))
        except ValueError:
            continue
    raise AssertionError("every month has a 28th day")


def modify_instance_charge_type(call: Call, cloud: Cloud) -> Reply:
    """Change between PostPaid and PrePaid; nothing is paid back for the rest of a period."""
    wanted = call.params.get("InstanceChargeType", "") or "PrePaid"
    if wanted not in ("PostPaid", "PrePaid"):
        raise ApiError("InvalidInstanceChargeType.NotFound", f"InstanceChargeType {wanted!r} does not exist.", 404)
    now = cloud.clock.now()
    with cloud.store.transaction():
        bodies = [lifecycle.find_instance(cloud, id) for id in names(call.params, "InstanceIds")]
        for body in bodies:
            if body["Status"] not in ("Running", "Stopped"):
                raise ApiError("IncorrectInstanceStatus", f"{body['InstanceId']} is {body['Status']}.", 403)
            if wanted == "PrePaid" and body.get("SpotStrategy", "NoSpot") != "NoSpot":
                raise ApiError("InstanceChargeTypeUnsupport", "A spot instance cannot become PrePaid.", 403)
        changes: dict[str, object] = {"InstanceChargeType": wanted, "ExpiredTime": NEVER}
        if wanted == "PrePaid":
            unit, period = read_period(call.params)
            changes |= {"ExpiredTime": minute_stamp(after(now, unit, period)), "Period": period, "PeriodUnit": unit}
        dry_run(call)
        for body in bodies:
            if body["Status"] == "Stopped":
                changes["StoppedMode"] = "Not-applicable" if wanted == "PrePaid" else "KeepCharging"
            cloud.store.update("instance", body["InstanceId"], **changes)
    return {"OrderId": "", "FeeOfInstances": {"FeeOfInstance": []}}


def _spot(params: Mapping[str, str], instance_type: str) -> dict[str, Any]:
    strategy = params.get("SpotStrategy", "") or "NoSpot"
    if strategy not in SPOT:
        raise ApiError("InvalidSpotStrategy", f"SpotStrategy {strategy!r} is none of {', '.join(SPOT)}.")
    limit, duration = params.get("SpotPriceLimit", ""), params.get("SpotDuration", "") or "1"
    if duration not in ("0", "1", "2", "3", "4", "5", "6"):
        raise ApiError("InvalidSpotDuration", f"SpotDuration {duration!r} is not within 0 to 6.")
    behavior = params.get("SpotInterruptionBehavior", "") or INTERRUPTION[0]
    if behavior not in INTERRUPTION:
        text = f"SpotInterruptionBehavior {behavior!r} is none of {', '.join(INTERRUPTION)}."
        raise ApiError("InvalidSpotInterruptionBehavior", text)
    fields = {"SpotStrategy": strategy, "SpotDuration": int(duration)}
    fields["SpotInterruptionBehavior"] = "" if strategy == "NoSpot" else behavior
    if strategy != "SpotWithPriceLimit":
        return {**fields, "SpotPriceLimit": 0.0}
    try:
        price = round(float(limit), 3)
    except ValueError:
        price = 0.0
    if not 0 < price < 100_000:
        raise ApiError("InvalidSpotPriceLimit", f"SpotPriceLimit {limit!r} is no price per hour.")
    market = prices.spot_price(instance_type)
    if price < market:
        text = f"SpotPriceLimit {price:g} is below the present spot price {market:g} of {instance_type}."
        raise ApiError("InvalidSpotPriceLimit.LowerThanPublicPrice", text)
    return {**fields, "SpotPriceLimit": price}
