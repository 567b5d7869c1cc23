"""What is for sale: regions, zones, types, stock, images and made-up prices."""

from __future__ import annotations

import pytest

from tests.local_cloud.house import FAMILY, REGION, TYPE, House


def offers(house: House, **fields: object) -> dict[str, str]:
    """Return how full the shelf of the usual type is, by zone."""
    fields = {"RegionId": REGION, "InstanceType": TYPE, **fields}
    reply = house.call("DescribeAvailableResource", DestinationResource="InstanceType", **fields)
    return {
        zone["ZoneId"]: shelf["StatusCategory"]
        for zone in reply["AvailableZones"]["AvailableZone"]
        for resource in zone["AvailableResources"]["AvailableResource"]
        for shelf in resource["SupportedResources"]["SupportedResource"]
    }


def test_regions_and_zones_go_by_the_vendors_names(house: House) -> None:
    """The regions that the toolkit speaks of are there, each with zones."""
    regions = [region["RegionId"] for region in house.call("DescribeRegions")["Regions"]["Region"]]
    assert {"cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "ap-southeast-1", "us-west-1"} <= set(regions)
    for region in regions:
        zones = house.call("DescribeZones", RegionId=region)["Zones"]["Zone"]
        assert zones
        assert all(zone["ZoneId"].startswith(region) for zone in zones)
        assert any(TYPE in zone["AvailableInstanceTypes"]["InstanceTypes"] for zone in zones)
    with pytest.raises(Exception, match=r"InvalidRegionId\.NotFound"):
        house.call("DescribeZones", RegionId="mars-1")


def test_types_say_what_they_are(house: House) -> None:
    """The gn7i family is known with its GPUs; other families are not sold."""
    reply = house.call("DescribeInstanceTypes", InstanceTypes=[TYPE])
    kind = reply["InstanceTypes"]["InstanceType"][0]
    assert (kind["CpuCoreCount"], kind["MemorySize"], kind["GPUAmount"]) == (16, 60.0, 1)
    assert kind["GPUSpec"] == "NVIDIA A10"
    family = house.call("DescribeInstanceTypes", InstanceTypeFamily="ecs.gn7i")
    assert len(family["InstanceTypes"]["InstanceType"]) == 12
    assert house.call("DescribeInstanceTypes", InstanceTypeFamily="ecs.g7")["InstanceTypes"]["InstanceType"] == []


def test_shelves_differ_and_can_be_emptied(house: House) -> None:
    """Some zones sell the type and some do not; the fault board empties one shelf and leaves the others."""
    before = offers(house)
    zones = {zone["ZoneId"] for zone in house.call("DescribeZones", RegionId=REGION)["Zones"]["Zone"]}
    assert set(before) < zones
    assert set(before.values()) == {"WithStock"}
    first = min(before)
    house.own("POST", "/_garret/faults", {"stock": {f"{first}/{TYPE}": "WithoutStock"}})
    assert offers(house) == {**before, first: "WithoutStock"}
    assert offers(house, ZoneId=first) == {first: "WithoutStock"}
    assert offers(house, InstanceType="ecs.g7.large") == {}


def test_a_family_has_a_newest_image(house: House) -> None:
    """The GPU family resolves to one image, which is also in the list; an unknown family has none."""
    image = house.call("DescribeImageFromFamily", RegionId=REGION, ImageFamily=FAMILY)["Image"]
    assert image["ImageId"].startswith("ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda")
    listed = house.call("DescribeImages", RegionId=REGION, ImageFamily=FAMILY)["Images"]["Image"]
    assert [entry["ImageId"] for entry in listed] == [image["ImageId"]]
    assert not house.call("DescribeImageFromFamily", RegionId=REGION, ImageFamily="acs:plan9").get("Image")


def test_prices_are_marked_as_made_up(house: House) -> None:
    """A price has a currency, adds up, and says that nobody will ask for it; an unknown type has none."""
    disk = {"Category": "cloud_essd", "Size": 100}
    info = house.call("DescribePrice", RegionId=REGION, InstanceType=TYPE, SystemDisk=disk)["PriceInfo"]
    price = info["Price"]
    assert price["Currency"] == "CNY"
    assert price["TradePrice"] == pytest.approx(sum(part["TradePrice"] for part in price["DetailInfos"]["DetailInfo"]))
    assert "made up" in info["Rules"]["Rule"][0]["Description"]
    with pytest.raises(Exception, match=r"InvalidInstanceType\.ValueNotSupported"):
        house.call("DescribePrice", RegionId=REGION, InstanceType="ecs.g7.large")


def test_who_asks(house: House) -> None:
    """STS names the local account."""
    identity = house.common("2015-04-01", "GetCallerIdentity")
    assert identity["AccountId"].isdigit()
    assert identity["Arn"].startswith("acs:ram::")
