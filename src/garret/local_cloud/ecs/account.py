"""What the account may have: DescribeAccountAttributes, with made-up limits."""

from __future__ import annotations

from typing import Any

from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ecs.instance_types import DISK_CATEGORIES, INSTANCE_TYPES
from garret.local_cloud.params import Reply, numbered

_LIMITS = {
    "instance-network-type": "vpc",
    "max-security-groups": "100",
    "max-elastic-network-interfaces": "5000",
    "max-postpaid-instance-vcpu-count": "1000",
    "max-spot-instance-vcpu-count": "1000",
    "real-name-authentication": "yes",
}


def describe_account_attributes(call: Call, cloud: Cloud) -> Reply:
    """All attributes, or those of AttributeName.N; those that are not known are left out."""
    wanted = numbered(call.params, "AttributeName")
    bodies = cloud.store.find("instance", call.region)
    used: dict[str, int] = {"postpaid": 0, "spot": 0}
    for body in bodies:
        kind = "postpaid" if body.get("SpotStrategy", "NoSpot") == "NoSpot" else "spot"
        if body.get("InstanceChargeType", "PostPaid") == "PostPaid":
            used[kind] += INSTANCE_TYPES[body["InstanceType"]].vcpu
    values: dict[str, list[dict[str, Any]]] = {name: [{"Value": value}] for name, value in _LIMITS.items()}
    values |= {f"used-{kind}-instance-vcpu-count": [{"Value": str(count)}] for kind, count in used.items()}
    values["max-postpaid-yundisk-capacity"] = [{"Value": "204800", "DiskCategory": one} for one in DISK_CATEGORIES]
    values["supported-postpaid-instance-types"] = [{"Value": one} for one in INSTANCE_TYPES]
    items = [
        {"AttributeName": name, "AttributeValues": {"ValueItem": found}}
        for name, found in values.items()
        if not wanted or name in wanted
    ]
    return {"AccountAttributeItems": {"AccountAttributeItem": items}}
