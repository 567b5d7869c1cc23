"""Instances that are released at a time that was set for them: running or stopped, by the cloud's clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.params import Reply

SOONEST, LATEST = timedelta(minutes=30), timedelta(days=3 * 366)
LOOK_S = 0.5  # between two looks at the cloud's clock, which people move on
_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def modify_instance_auto_release_time(call: Call, cloud: Cloud) -> Reply:
    """Set when an instance that is paid by the hour is released; without a time, it is not."""
    with cloud.store.transaction():
        body = lifecycle.find_instance(cloud, call.params["InstanceId"])
        if body.get("InstanceChargeType", "PostPaid") != "PostPaid":
            text = f"{body['InstanceId']} was paid for beforehand; only what is paid by the hour is released by a time."
            raise ApiError("ChargeTypeViolation", text, 403)
        at = _time(call.params.get("AutoReleaseTime", ""), cloud.clock.now())
        cloud.store.update("instance", body["InstanceId"], AutoReleaseTime=at)
    notice(cloud)
    return {}


def notice(cloud: Cloud) -> None:
    """Wait for the times of all instances that have one."""
    for body in cloud.store.find("instance"):
        if body.get("AutoReleaseTime") and body["Goal"] != lifecycle.DELETED:
            cloud.background.start(f"release {body['InstanceId']}", partial(_release, cloud, body["InstanceId"]))


def _time(text: str, now: datetime) -> str:
    """The time to the minute, as the vendor rounds it; empty for none."""
    if not text:
        return ""
    wrong = ApiError("InvalidAutoReleaseTime.Malformed", "The specified paramter autoReleaseTime is not valid.")
    try:
        moment = parse_stamp(text)
    except ValueError:
        raise wrong from None
    whole = moment.astimezone(UTC).replace(second=0)
    # Rounding down must not make a time wrong that was right.
    if not _FORM.fullmatch(text) or not now + SOONEST <= moment <= now + LATEST:
        raise wrong
    return stamp(whole)


def _release(cloud: Cloud, id: str) -> None:
    while not cloud.background.stopping:
        body = cloud.store.get("instance", id)
        if body is None or not body.get("AutoReleaseTime") or body["Goal"] == lifecycle.DELETED:
            return
        left = (parse_stamp(body["AutoReleaseTime"]) - cloud.clock.now()).total_seconds()
        if left > 0:
            cloud.background.wait(min(left, LOOK_S))
            continue
        with cloud.store.transaction():
            now = cloud.store.get("instance", id)
            if now is None or now.get("AutoReleaseTime") != body["AutoReleaseTime"]:
                continue  # it was taken back in this very moment
            cloud.store.update("instance", id, Goal=lifecycle.DELETED)
        lifecycle.settle_soon(cloud, id)
        return
