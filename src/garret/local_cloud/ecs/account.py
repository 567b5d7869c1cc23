"""What the account may have: DescribeAccountAttributes, with the limits of Quota Center."""

from __future__ import annotations

from typing import Any

from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ecs.instance_types import DISK_CATEGORIES, INSTANCE_TYPES
from garret.local_cloud.params import Reply, numbered
from garret.local_cloud.quotas import limits
from garret.local_cloud.quotas.registry import LIMITS

_PLAIN = {
    "instance-network-type": "vpc",
    "max-elastic-network-interfaces": "5000",
    "real-name-authentication": "yes",
}


def describe_account_attributes(call: Call, cloud: Cloud) -> Reply:
    """All attributes, or those of AttributeName.N; those that are not known are left out."""
    wanted = numbered(call.params, "AttributeName")
    values: dict[str, list[dict[str, Any]]] = {name: [{"Value": value}] for name, value in _PLAIN.items()}
    for limit in LIMITS.values():
        if limit.product == "ecs":
            values[limit.code] = [{"Value": str(limits.total(cloud, limit))}]
        if limit.counts.endswith("vcpu"):
            used = limits.used(cloud, limit, call.region)
            values[limit.code.replace("max-", "used-", 1)] = [{"Value": str(used)}]
    values["max-postpaid-yundisk-capacity"] = [{"Value": "204800", "DiskCategory": one} for one in DISK_CATEGORIES]
    values["supported-postpaid-instance-types"] = [{"Value": one} for one in INSTANCE_TYPES]
    items = [
        {"AttributeName": name, "AttributeValues": {"ValueItem": found}}
        for name, found in values.items()
        if not wanted or name in wanted
    ]
    return {"AccountAttributeItems": {"AccountAttributeItem": items}}
