"""An instance that is there gets another type, another name, other groups."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local_cloud.house import REGION, TYPE, House, until
from tests.local_cloud.machines import describe, running, status

SMALL = "ecs.gn7i-c8g1.2xlarge"


def test_another_type_for_a_stopped_instance(house: House) -> None:
    """Running it is refused; without stock, too; then it has the new type, starts, and costs less."""
    instance = running(house)
    with pytest.raises(Exception, match="IncorrectInstanceStatus"):
        house.call("ModifyInstanceSpec", InstanceId=instance, InstanceType=SMALL)
    house.call("StopInstance", InstanceId=instance, StoppedMode="KeepCharging")
    until(lambda: status(house, instance) == "Stopped")
    house.own("POST", "/_garret/faults", {"stock": {f"cn-hangzhou-i/{SMALL}": "WithoutStock"}})
    for wrong, code in ((SMALL, "OperationDenied.NoStock"), ("ecs.g7.large", "InvalidInstanceType.ValueNotSupported")):
        with pytest.raises(Exception, match=code):
            house.call("ModifyInstanceSpec", InstanceId=instance, InstanceType=wrong)
    house.own("DELETE", "/_garret/faults")
    assert describe(house, instance)["InstanceType"] == TYPE
    house.call("ModifyInstanceSpec", InstanceId=instance, InstanceType=SMALL, ClientToken="t")
    house.call("StartInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Running")
    seen = describe(house, instance)
    assert (seen["InstanceType"], seen["Cpu"]) == (SMALL, 8)


def test_attributes(house: House) -> None:
    """Names and groups change while it runs; user-data only when stopped; a password is checked and never kept."""
    instance = running(house)
    vpc = describe(house, instance)["VpcAttributes"]["VpcId"]
    other = house.call("CreateSecurityGroup", RegionId=REGION, VpcId=vpc)["SecurityGroupId"]

    def change(**fields: Any) -> None:
        house.call("ModifyInstanceAttribute", InstanceId=instance, **fields)

    change(InstanceName="new", Description="told", SecurityGroupIds=[other], Password="Secret-1-word")
    seen = describe(house, instance)
    assert (seen["InstanceName"], seen["Description"]) == ("new", "told")
    assert seen["SecurityGroupIds"]["SecurityGroupId"] == [other]
    assert "Secret-1-word" not in str(house.store.find("instance"))
    for wrong, code in (
        ({"Password": "short"}, "InvalidPassword"),
        ({"UserData": "Zm9v"}, "IncorrectInstanceStatus"),
        ({"SecurityGroupIds": ["sg-none"]}, "InvalidSecurityGroupId.NotFound"),
        ({"CreditSpecification": "Standard"}, "NotSupported"),
    ):
        with pytest.raises(Exception, match=code):
            change(**wrong)


def test_account(house: House) -> None:
    """The account's limits by name, and how many vCPUs are in use."""
    running(house)
    names = ["max-postpaid-instance-vcpu-count", "used-postpaid-instance-vcpu-count"]
    reply = house.call("DescribeAccountAttributes", RegionId=REGION, AttributeName=names)
    items = reply["AccountAttributeItems"]["AccountAttributeItem"]
    assert {one["AttributeName"]: one["AttributeValues"]["ValueItem"][0]["Value"] for one in items} == {
        names[0]: "1000", names[1]: "16",
    }  # fmt: skip
