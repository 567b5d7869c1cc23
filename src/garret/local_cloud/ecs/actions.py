"""The actions of ECS."""

from __future__ import annotations

from garret.local_cloud.core import Action, Parameter
from garret.local_cloud.ecs import catalog, images

REGION = Parameter("RegionId", required=True)

ACTIONS = {
    "DescribeRegions": Action(catalog.describe_regions),
    "DescribeZones": Action(catalog.describe_zones, (REGION,)),
    "DescribeInstanceTypes": Action(
        catalog.describe_instance_types, note="the gn7i family; filters InstanceTypes, InstanceTypeFamily"
    ),
    "DescribeAvailableResource": Action(
        catalog.describe_available_resource,
        (REGION, Parameter("DestinationResource", required=True)),
        note="DestinationResource InstanceType only; a made-up stock table",
    ),
    "DescribePrice": Action(catalog.describe_price, (REGION,), note="instances with a system disk; made-up prices"),
    "DescribeImageFromFamily": Action(
        images.describe_image_from_family, (REGION, Parameter("ImageFamily", required=True))
    ),
    "DescribeImages": Action(images.describe_images, (REGION,), note="three public images"),
}
