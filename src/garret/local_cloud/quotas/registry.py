"""The limits of the made-up account: what they count, how many there may be, the vendor's answer at the next one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """One limit per region; `counts` is the store's kind, "vcpu" or "spot_vcpu"."""

    code: str
    product: str
    name: str
    default: int
    unit: str
    counts: str
    error: str
    message: str
    status: int
    actions: tuple[str, ...]


_TYPES = ("RunInstances", "StartInstance", "StartInstances", "ModifyInstanceSpec", "ModifyPrepayInstanceSpec")
_VCPU = "The number of vCPUs assigned to the ECS instances has exceeded the quota in the zone."

LIMITS: dict[str, Limit] = {
    limit.code: limit
    for limit in (
        Limit("max-postpaid-instance-vcpu-count", "ecs", "vCPUs of pay-as-you-go instances", 1000, "vCPU", "vcpu",
              "QuotaExceed.ElasticQuota", _VCPU, 403, _TYPES),
        Limit("max-spot-instance-vcpu-count", "ecs", "vCPUs of spot instances", 1000, "vCPU", "spot_vcpu",
              "QuotaExceed.ElasticQuota", _VCPU, 403, _TYPES),
        Limit("max-security-groups", "ecs", "security groups", 100, "count", "security_group",
              "QuotaExceed.SecurityGroup", "The maximum number of security groups is reached.", 403,
              ("CreateSecurityGroup",)),
        Limit("max-images", "ecs", "custom images", 100, "count", "image",
              "QuotaExceed.Image", "The Image Quota exceeds.", 403, ("CreateImage",)),
        Limit("vpc_quota_instances_num", "vpc", "VPCs", 10, "count", "vpc",
              "QuotaExceeded.Vpc", "VPC quota exceeded.", 400, ("CreateVpc",)),
        Limit("eip_quota_instances_num", "eip", "Elastic IP addresses", 20, "count", "eip",
              "QuotaExceeded.Eip", "Elastic IP address quota exceeded.", 400, ("AllocateEipAddress",)),
    )
}  # fmt: skip
