"""The account behind the keys: who it is, how its clock goes, what it may, what it has."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from garret.errors import CloudError
from garret.ops.aliyun.pages import rows
from garret.ops.aliyun.probes import PROBES
from garret.ops.aliyun.session import Session
from garret.ops.records import Quota, Who

ASK_TIMEOUT_S = 10.0
DENIED = ("Forbidden", "NoPermission", "NotAuthorized")
_NOT_THERE = "InvalidAction.NotFound"
# What ECS calls the account's limits: (limit, what is used of it, how a person calls it, unit).
_ECS_LIMITS = (
    ("max-postpaid-instance-vcpu-count", "used-postpaid-instance-vcpu-count", "vCPUs paid by the hour", "vCPU"),
    ("max-security-groups", "", "security groups", ""),
)
_COUNTED = (("vpc", "vpc_quota_instances_num", "VPCs"), ("eip", "eip_quota_instances_num", "elastic addresses"))
_RAM_NAMES = {"bssapi": "bssopenapi"}
"""Products that RAM calls otherwise than their endpoint does."""


class CloudAccount:
    """The account of a session, in its region; `now` is this machine's time in seconds since 1970."""

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        self._session = session
        self._now = now

    def who(self) -> Who:
        """Whose keys these are, from STS."""
        reply = self._session.read("sts", "GetCallerIdentity")
        arn = str(reply.get("Arn") or "")
        return Who(str(reply.get("AccountId") or ""), arn.rsplit(":", 1)[-1] or str(reply.get("UserId") or ""))

    def clock_skew_s(self) -> float:
        """By how many seconds this machine's clock is ahead of the cloud's; asks without keys, so that it always can.

        Raises:
            CloudError: no answer came, or one without a date.
        """
        parts = urlsplit(self._session.endpoint("ecs"))
        kind = http.client.HTTPConnection if parts.scheme == "http" else http.client.HTTPSConnection
        connection = kind(parts.netloc, timeout=ASK_TIMEOUT_S)
        try:
            connection.request("GET", "/")
            date = connection.getresponse().getheader("Date") or ""
            return self._now() - parsedate_to_datetime(date).timestamp()
        except (OSError, http.client.HTTPException) as error:
            raise CloudError("GET /", "NoAnswer", f"{parts.netloc}: {error}", hint="check the network") from None
        except ValueError:
            raise CloudError("GET /", "NoDate", f"{parts.netloc} does not tell the time") from None
        finally:
            connection.close()

    def balance(self) -> tuple[float, str]:
        """What the account has to pay with, and its currency."""
        data = self._session.read("bssopenapi", "QueryAccountBalance").get("Data") or {}
        return float(str(data.get("AvailableAmount") or "0").replace(",", "")), str(data.get("Currency") or "")

    def quotas(self) -> list[Quota]:
        """The limits of ECS by its own word, and of VPCs and addresses by the Quota Center's."""
        return [*self._ecs_limits(), *(quota for counted in _COUNTED for quota in self._listed(*counted))]

    def lacks(self, action: str) -> str | None:
        """Why an action is denied; empty when it is allowed, None when nothing that is safe to ask tells."""
        probe = PROBES.get(action)
        if probe is None:
            return None
        product, _, name = action.partition(":")
        try:
            self._session.read(_RAM_NAMES.get(product, product), name, probe.parameters)
        except CloudError as error:
            if error.code.startswith(DENIED):
                return error.message
            if error.code in (_NOT_THERE, "NoAnswer"):
                return None
        return ""

    def _ecs_limits(self) -> list[Quota]:
        names = [name for limit, used, _, _ in _ECS_LIMITS for name in (limit, used) if name]
        reply = self._session.read("ecs", "DescribeAccountAttributes", {"AttributeName": names})
        values: dict[str, float] = {}
        for item in rows(reply, "AccountAttributeItems.AccountAttributeItem"):
            counted = [one.get("Value") or one.get("Count") for one in rows(item, "AttributeValues.ValueItem")]
            numbers = [float(value) for value in counted if str(value).replace(".", "", 1).isdigit()]
            if numbers:
                values[str(item.get("AttributeName"))] = max(numbers)
        return [
            Quota(limit, name, values[limit], values.get(used), unit)
            for limit, used, name, unit in _ECS_LIMITS
            if limit in values
        ]

    def _listed(self, product: str, code: str, name: str) -> list[Quota]:
        """The product's quota on how many of its things there may be in the region."""
        place = [{"Key": "regionId", "Value": self._session.region}]
        wanted = {"ProductCode": product, "QuotaActionCode": code, "Dimensions": place, "MaxResults": 30}
        found = rows(self._session.read("quotas", "ListProductQuotas", wanted), "Quotas")
        return [
            Quota(
                code=code,
                name=name,
                total=float(raw.get("TotalQuota") or 0),
                used=float(raw["TotalUsage"]) if raw.get("TotalUsage") is not None else None,
                unit=str(raw.get("QuotaUnit") or ""),
            )
            for raw in found
            if raw.get("QuotaActionCode") == code
        ][:1]
