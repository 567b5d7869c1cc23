"""The actions of billing: the balance, and the bill of each thing by month or day, read from the ledger at once.

Months and days are Beijing's, as the vendor counts them. The vendor's own bill comes some hours late.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from garret.local_cloud import prices
from garret.local_cloud.core import ACCOUNT_ID, Action, Call, Cloud, Parameter, invalid
from garret.local_cloud.params import Reply, flag, number

START_BALANCE = 100_000.0
BEIJING = timezone(timedelta(hours=8))
_PRODUCTS = {
    "instance": ("ecs", "Elastic Compute Service (ECS)", "instance_type"),
    "disk": ("yundisk", "Block Storage", "disk"),
    "eip": ("eip", "Elastic IP Address", "eip"),
    "snapshot": ("snapshot", "Snapshot", "snapshot_size"),
    "nat_gateway": ("nat_gw", "NAT Gateway", "nat_gateway"),
}
_DAY = timedelta(days=1)


def query_account_balance(_call: Call, cloud: Cloud) -> Reply:
    """What is left of the money that every local cloud begins with; below zero while `arrears` is on."""
    left = START_BALANCE - cloud.ledger.total()
    if cloud.faults.named("arrears") is not None:
        left = min(left, -1.0)
    data = {
        "AvailableAmount": f"{left:,.2f}",
        "AvailableCashAmount": f"{left:,.2f}",
        "CreditAmount": "0.00",
        "MybankCreditAmount": "0.00",
        "QuotaLimit": "0.00",
        "Currency": prices.CURRENCY,
    }
    return {"Code": "Success", "Message": "Successful!", "Success": True, "Data": data}


def describe_instance_bill(call: Call, cloud: Cloud) -> Reply:
    """What each thing, gone ones as well, cost in a month or on a day."""
    start, end = _period(call)
    rows = _rows(call, cloud, start, end)
    size = number(call.params, "MaxResults", 20, 1, 300)
    token = call.params.get("NextToken", "") or "0"
    if not token.isdecimal():
        raise invalid("NextToken", "it is none of this bill's")
    first = int(token)
    data = {
        "BillingCycle": call.params["BillingCycle"],
        "AccountID": ACCOUNT_ID,
        "AccountName": "local-cloud",
        "TotalCount": len(rows),
        "MaxResults": size,
        "NextToken": str(first + size) if first + size < len(rows) else "",
        "Items": rows[first : first + size],
    }
    return {"Code": "Success", "Message": "Successful!", "Success": True, "Data": data}


def _period(call: Call) -> tuple[datetime, datetime]:
    cycle, day = call.params["BillingCycle"], call.params.get("BillingDate", "")
    month = _date(cycle, "%Y-%m", "BillingCycle")
    after = (month + 31 * _DAY).replace(day=1)
    if call.params.get("Granularity", "MONTHLY") == "MONTHLY":
        if day:
            raise invalid("BillingDate", "it needs Granularity DAILY")
        return month, after
    start = _date(day, "%Y-%m-%d", "BillingDate")
    if not month <= start < after:
        raise invalid("BillingDate", f"{day} is not in {cycle}")
    return start, start + _DAY


def _date(text: str, form: str, name: str) -> datetime:
    try:
        found = datetime.strptime(text, form).replace(tzinfo=BEIJING)
    except ValueError:
        found = None
    if found is None or found.strftime(form) != text:
        raise invalid(name, f"{text!r} has not the form {'2026-01' if form == '%Y-%m' else '2026-01-31'}")
    return found


def _rows(call: Call, cloud: Cloud, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """One row for each thing and way of paying; with IsBillingItem one for each rate as well."""
    params, apart = call.params, flag(call.params, "IsBillingItem")
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in cloud.ledger.lines(params.get("InstanceID", "")):
        hours, amount = cloud.ledger.cost(line, start, end)
        if not amount:  # nothing is metered while a machine is stopped economically
            continue
        row = _row(line, params, start)
        if params.get("ProductCode", row["ProductCode"]) != row["ProductCode"]:
            continue
        if params.get("SubscriptionType", row["SubscriptionType"]) != row["SubscriptionType"]:
            continue
        key = (line["resource"], row["SubscriptionType"], *((line["about"], line["per_hour"]) if apart else ()))
        row = rows.setdefault(key, row)
        row["hours"] += hours
        row["amount"] += amount
    return [_finished(row, apart) for row in rows.values() if round(row["amount"], 6)]


def _row(line: Mapping[str, Any], params: Mapping[str, str], start: datetime) -> dict[str, Any]:
    product, name, item = _PRODUCTS[line["kind"]]
    before = line["charge"] == "Subscription"
    daily = params.get("Granularity", "MONTHLY") == "DAILY"
    return {
        "hours": 0.0,
        "amount": 0.0,
        "InstanceID": line["resource"],
        "NickName": line["name"],
        "InstanceSpec": line["about"],
        "InstanceConfig": line["about"],
        "Region": line["region"],
        "Zone": line["zone"],
        "ResourceGroup": line["group"],
        "ProductCode": product,
        "ProductName": name,
        "ProductType": product,
        "ProductDetail": name,
        "CommodityCode": product,
        "SubscriptionType": "Subscription" if before else "PayAsYouGo",
        "Item": "SubscriptionOrder" if before else "PayAsYouGoBill",
        "BillingType": "Other",
        "BillingItem": line["item"],
        "BillingItemCode": item,
        "BillingDate": start.strftime("%Y-%m-%d") if daily else "",
        "ListPrice": str(line["per_hour"]),
        "ListPriceUnit": f"{prices.CURRENCY}/Hour",
        "Currency": prices.CURRENCY,
        "OwnerID": ACCOUNT_ID,
        "BillAccountID": ACCOUNT_ID,
        "BillAccountName": "local-cloud",
        "Tag": "; ".join(f"key:{tag['Key']} value:{tag['Value']}" for tag in line["tags"]),
    }


def _finished(row: dict[str, Any], apart: bool) -> dict[str, Any]:
    hours, amount = row.pop("hours"), round(row.pop("amount"), 6)
    if not apart:
        for name in ("BillingItem", "BillingItemCode", "ListPrice", "ListPriceUnit"):
            row[name] = ""
    return {
        **row,
        "Usage": f"{hours:.6f}",
        "UsageUnit": "Hour",
        "ServicePeriod": str(round(hours * 3600)),
        "ServicePeriodUnit": "Second",
        "PretaxGrossAmount": amount,
        "PretaxAmount": amount,
        "InvoiceDiscount": 0.0,
        "DeductedByCoupons": 0.0,
        "DeductedByCashCoupons": 0.0,
        "DeductedByPrepaidCard": 0.0,
        "DeductedByResourcePackage": "0",
        "PaymentAmount": 0.0,
        "OutstandingAmount": amount,
        "CashAmount": 0.0,
    }


ACTIONS = {
    "QueryAccountBalance": Action(query_account_balance, note="made-up money"),
    "DescribeInstanceBill": Action(
        describe_instance_bill,
        (
            Parameter("BillingCycle", required=True),
            Parameter("Granularity", choices=("MONTHLY", "DAILY")),
            Parameter("SubscriptionType", choices=("Subscription", "PayAsYouGo")),
            Parameter("MaxResults", kind="integer"),
            Parameter("IsBillingItem", kind="boolean"),
            Parameter("IsHideZeroCharge", kind="boolean"),
        ),
        note="from the ledger, at once; rows that cost nothing are never shown; by Beijing's months and days",
    ),
}
