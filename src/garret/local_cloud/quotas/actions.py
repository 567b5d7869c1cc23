"""The actions of Quota Center."""

from __future__ import annotations

from typing import Any

from garret.local_cloud.core import Action, ApiError, Call, Cloud, Parameter
from garret.local_cloud.params import Reply, groups, page
from garret.local_cloud.quotas.limits import total, used
from garret.local_cloud.quotas.registry import LIMITS, Limit
from garret.local_cloud.regions import REGIONS

_DEFAULT_REGION = "cn-hangzhou"


def list_product_quotas(call: Call, cloud: Cloud) -> Reply:
    """A product's quotas, all or one, in a region of the Dimensions."""
    region, wanted = _region(call), call.params.get("QuotaActionCode", "")
    word = call.params.get("KeyWord", "").lower()
    found = [
        limit
        for limit in _of_product(call)
        if wanted in ("", limit.code) and (word in limit.name.lower() or word in limit.code)
    ]
    some, counts = page(_by_token(call), found, high=100, default=30)
    return {"Quotas": [_view(cloud, limit, region) for limit in some], "NextToken": None, **counts}


def get_product_quota(call: Call, cloud: Cloud) -> Reply:
    """One quota."""
    code = call.params["QuotaActionCode"]
    limit = next((limit for limit in _of_product(call) if limit.code == code), None)
    if limit is None:
        text = f"The quota {code!r} of {call.params['ProductCode']!r} does not exist."
        raise ApiError("QUOTA.NOT.FOUND", text, 404)
    return {"Quota": _view(cloud, limit, _region(call))}


def _of_product(call: Call) -> list[Limit]:
    product = call.params["ProductCode"]
    return [limit for limit in LIMITS.values() if limit.product == product]


def _by_token(call: Call) -> Call:
    params = {"MaxResults": "30", **call.params}
    return Call(call.product, call.action, call.region, params, call.request_id, call.access_key_id, call.door)


def _region(call: Call) -> str:
    dimensions = {one.get("Key", ""): one.get("Value", "") for one in groups(call.params, "Dimensions")}
    region = dimensions.get("regionId", "") or _DEFAULT_REGION
    if region not in REGIONS:
        raise ApiError("PARAMETER.ILLEGALL", f"Dimensions.N.Value: there is no region {region!r}.")
    return region


def _view(cloud: Cloud, limit: Limit, region: str) -> dict[str, Any]:
    return {
        "ProductCode": limit.product,
        "QuotaActionCode": limit.code,
        "QuotaName": limit.name,
        "QuotaDescription": limit.name,
        "QuotaArn": f"acs:quotas:{region}:*:quota/{limit.product}/{limit.code}",
        "QuotaCategory": "CommonQuota",
        "QuotaType": "normal",
        "QuotaUnit": limit.unit,
        "TotalQuota": float(total(cloud, limit)),
        "TotalUsage": float(used(cloud, limit, region)),
        "Adjustable": True,
        "ApplicableType": "discontinuous",
        "Consumable": True,
        "Dimensions": {"regionId": region},
        "UnadjustableDetail": "",
    }


_PRODUCT = Parameter("ProductCode", required=True)
_NOTE = "ecs, vpc and eip; the codes of ecs are the names of its account attributes"
ACTIONS = {
    "ListProductQuotas": Action(list_product_quotas, (_PRODUCT, Parameter("MaxResults", kind="integer")), note=_NOTE),
    "GetProductQuota": Action(get_product_quota, (_PRODUCT, Parameter("QuotaActionCode", required=True)), note=_NOTE),
}
