"""What was billed, line by line, from the billing product; its lines come hours after the use."""

from __future__ import annotations

from typing import Any

from garret.ops.aliyun.pages import by_token
from garret.ops.aliyun.session import Session
from garret.ops.records import BillItem

# How resource ids begin, and what a person calls such a thing.
_KINDS = (("i-", "instance"), ("d-", "disk"), ("eip-", "address"), ("s-", "snapshot"), ("ngw-", "NAT gateway"))


class BssBills:
    """The account's bills; they are not of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def items(self, resource_id: str, month: str) -> list[BillItem]:
        """The lines of one resource, which may be gone, in a month ("2026-11")."""
        wanted = {"BillingCycle": month, "InstanceID": resource_id, "IsBillingItem": True}
        found = by_token(self._session, "bssopenapi", "DescribeInstanceBill", wanted, "Data.Items")
        return [_item(raw, month) for raw in found if str(raw.get("InstanceID") or resource_id) == resource_id]


def _item(raw: dict[str, Any], month: str) -> BillItem:
    identity = str(raw.get("InstanceID") or "")
    return BillItem(
        resource_id=identity,
        kind=next((kind for start, kind in _KINDS if identity.startswith(start)), "other"),
        item=str(raw.get("BillingItem") or raw.get("ProductName") or ""),
        amount=_number(raw.get("PretaxAmount")),
        currency=str(raw.get("Currency") or ""),
        month=month,
        usage=_number(raw.get("Usage")),
        unit=str(raw.get("UsageUnit") or ""),
    )


def _number(value: object) -> float:
    try:
        return float(str(value or 0).replace(",", ""))
    except ValueError:
        return 0.0
