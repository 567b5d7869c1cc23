"""The vendor's products that garret asks: version, where each answers, and how it wants its parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """One product. `domain` may hold {region}; a product without one place per region takes no RegionId.

    `form` says that all parameters of its actions travel in the body; elsewhere only those of `IN_BODY` do.
    """

    version: str
    domain: str
    regional: bool = True
    form: bool = False
    domains: tuple[tuple[str, str], ...] = ()


# Domains as the vendor's typed clients choose them; ROS answers for nearly every region at one place.
PRODUCTS = {
    "ros": Product("2019-09-10", "ros.aliyuncs.com"),
    "ecs": Product(
        "2014-05-26", "ecs.{region}.aliyuncs.com", domains=(("cn-hangzhou", "ecs-cn-hangzhou.aliyuncs.com"),)
    ),
    "vpc": Product("2016-04-28", "vpc.{region}.aliyuncs.com"),
    "oos": Product("2019-06-01", "oos.{region}.aliyuncs.com"),
    "sts": Product("2015-04-01", "sts.aliyuncs.com", regional=False),
    "ram": Product("2015-05-01", "ram.aliyuncs.com", regional=False),
    "quotas": Product("2020-05-10", "quotas.aliyuncs.com", regional=False, form=True),
    "bssopenapi": Product("2017-12-14", "business.aliyuncs.com", regional=False),
}
IN_BODY = frozenset({"TemplateBody"})
# Actions of regional products that know no RegionId: the place that is asked is the region.
WITHOUT_REGION = frozenset(
    ("CreateSnapshot", "DeleteInstance", "DeleteSnapshot", "DescribeInstanceAttribute", "DescribeInstanceTypes",
     "DescribeRegions", "GenerateTemplatePolicy", "GetResourceType", "ListResourceTypes", "ModifyInstanceAttribute",
     "ModifyInstanceSpec", "RebootInstance", "ResetDisk", "ResizeDisk", "StartInstance", "StopInstance")
)  # fmt: skip


def default_domain(product: str, region: str) -> str:
    """Where a product answers for a region."""
    known = PRODUCTS[product]
    return dict(known.domains).get(region) or known.domain.format(region=region)
