"""Machines in stacks: resized, grown, multiplied, run on, given disks and keys, paid for in other ways."""

from __future__ import annotations

from typing import Any

import pytest
from Tea.exceptions import TeaException

from garret.local_cloud.faults import Fault
from garret.local_cloud.nodes.driver import RunResult
from garret.local_cloud.ros.resources import TYPES
from tests.local_cloud.house import REGION, TYPE, House, PaperDriver, code_of, until
from tests.local_cloud.ros.changing import made, update
from tests.local_cloud.ros.resources.test_network_types import OWN, outputs, resource, work_of
from tests.local_cloud.ros.stage import TAG, Ros, left_over, network, node, template

SMALL = "ecs.gn7i-c8g1.2xlarge"
FIRST = {"Fn::Select": [0, {"Fn::GetAtt": ["Node", "InstanceIds"]}]}


def changed(ros: Ros, stack_id: str, text: str, **fields: Any) -> str:
    """Update a stack and return the status that it ends with."""
    update(ros, stack_id, text, **fields)
    return str(ros.settled(stack_id).status)


def machine(house: House) -> dict[str, Any]:
    """Return the only machine's record."""
    (found,) = house.store.find("instance")
    return found


def test_another_type_and_a_larger_disk(house: House, driver: PaperDriver, ros: Ros) -> None:
    """The same machine is stopped, gets the type, and starts; the disk grows while it runs; tags and names follow."""
    stack_id = made(ros, template(network(**node(UpdatePolicy="ForAllInstances"))))
    before = machine(house)["InstanceId"]
    more = {"UpdatePolicy": "ForAllInstances", "SystemDiskSize": 150, "InstanceName": "new", "Tags": OWN}
    assert changed(ros, stack_id, template(network(**node(**more)))) == "UPDATE_COMPLETE"
    assert driver.stops == []
    assert changed(ros, stack_id, template(network(**node(**more, InstanceType=SMALL)))) == "UPDATE_COMPLETE"
    now = machine(house)
    assert (now["InstanceId"], now["InstanceType"], now["Status"], now["InstanceName"]) == (
        before, SMALL, "Running", "new",
    )  # fmt: skip
    assert driver.stops == [(before, False)]
    assert now["Tags"] == [TAG, *OWN]
    assert house.store.find("disk")[0]["Size"] == 150
    kind = TYPES["ALIYUN::ECS::InstanceGroup"]
    properties = node(**more, InstanceType=TYPE)["Node"]["Properties"]
    drift = kind.drift(work_of(house.cloud, kind.name, before, **properties))
    assert drift is not None
    assert (drift["InstanceType"], drift["MaxAmount"], drift["SystemDiskSize"]) == (SMALL, 1, 150)
    assert kind.drift(work_of(house.cloud, kind.name, "i-gone", **properties)) is None


def test_new_instances_only(house: House, driver: PaperDriver, ros: Ros) -> None:
    """Without ForAllInstances what runs stays as it is, and what is made later is of the new kind."""
    stack_id = made(ros, template(network(**node())))
    old = machine(house)["InstanceId"]
    text = template(network(**node(InstanceType=SMALL, MaxAmount=2)))
    assert changed(ros, stack_id, text) == "UPDATE_COMPLETE"
    kinds = {one["InstanceId"]: one["InstanceType"] for one in house.store.find("instance")}
    assert kinds.pop(old) == TYPE
    assert list(kinds.values()) == [SMALL]
    assert driver.stops == []


def test_a_type_without_stock_is_taken_back(house: House, ros: Ros) -> None:
    """The update fails with the code, and the machine runs again as it was."""
    stack_id = made(ros, template(network(**node(UpdatePolicy="ForAllInstances"))))
    house.cloud.faults.set_stock(f"{REGION}-i", SMALL, "WithoutStock")
    text = template(network(**node(UpdatePolicy="ForAllInstances", InstanceType=SMALL)))
    assert changed(ros, stack_id, text) == "ROLLBACK_COMPLETE"
    assert "OperationDenied.NoStock" in ros.see(stack_id).status_reason
    assert (machine(house)["InstanceType"], machine(house)["Status"]) == (TYPE, "Running")
    shrunk = template(network(**node(UpdatePolicy="ForAllInstances", SystemDiskSize=110)))
    assert changed(ros, stack_id, shrunk) == "UPDATE_COMPLETE"
    back = template(network(**node(UpdatePolicy="ForAllInstances")))
    assert changed(ros, stack_id, back, disable_rollback=True) == "UPDATE_FAILED"
    assert "InvalidDiskSize.TooSmall" in ros.see(stack_id).status_reason


def test_more_and_fewer_machines(house: House, ros: Ros) -> None:
    """A group grows by new machines and shrinks by the last ones, also again, and when an answer is lost."""
    outputs = {"Ids": {"Value": {"Fn::GetAtt": ["Node", "InstanceIds"]}}}

    def text(amount: int) -> str:
        return template(network(**node(MaxAmount=amount)), Outputs=outputs)

    stack_id = made(ros, text(1))
    first = ros.outputs(stack_id)["Ids"]
    seen: set[str] = set(first)
    for _ in range(2):
        house.cloud.faults.add(Fault("RunInstances", effect="lost", times=1))
        assert changed(ros, stack_id, text(3)) == "UPDATE_COMPLETE"
        now = ros.outputs(stack_id)["Ids"]
        assert (len(now), now[:1], len(house.store.find("instance"))) == (3, first, 3)
        assert not seen & set(now[1:])
        seen |= set(now)
        assert changed(ros, stack_id, text(1)) == "UPDATE_COMPLETE"
        assert ros.outputs(stack_id)["Ids"] == first
    assert len(house.store.find("instance")) == 1


def test_one_instance_changes(house: House, driver: PaperDriver, ros: Ros) -> None:
    """ALIYUN::ECS::Instance gets another type and name; a property that cannot change is named."""
    resources = network(**node())
    del resources["Node"]["Properties"]["MaxAmount"]
    resources["Node"]["Type"] = "ALIYUN::ECS::Instance"
    stack_id = made(ros, template(resources))
    resources["Node"]["Properties"] |= {"InstanceType": SMALL, "Description": "small"}
    assert changed(ros, stack_id, template(resources)) == "UPDATE_COMPLETE"
    assert (machine(house)["InstanceType"], machine(house)["Description"]) == (SMALL, "small")
    assert len(driver.stops) == 1
    resources["Node"]["Properties"]["SystemDiskCategory"] = "cloud_auto"
    with pytest.raises(TeaException, match="SystemDiskCategory") as caught:
        update(ros, stack_id, template(resources))
    assert code_of(caught.value) == "NotSupported"


def test_paid_beforehand_and_spot(house: House, ros: Ros) -> None:
    """A year is twelve months; deleting needs SubscriptionDeletionForce; a spot machine keeps its limit."""
    paid = {"InstanceChargeType": "Subscription", "PeriodUnit": "Year", "Period": 1}
    stack_id = made(ros, template(network(**node(**paid))))
    assert (machine(house)["InstanceChargeType"], machine(house)["Period"]) == ("PrePaid", 12)
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_FAILED"
    assert "ChargeTypeViolation" in ros.see(stack_id).status_reason
    text = template(network(**node(**paid, SubscriptionDeletionForce=True)))
    stack_id = made(ros, text, name="forced")
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    spot = {"SpotStrategy": "SpotWithPriceLimit", "SpotPriceLimit": "9.9", "InstanceChargeType": "PostPaid"}
    made(ros, template(network(**node(**spot))), name="spot")
    assert house.store.find("instance")[-1]["SpotPriceLimit"] == 9.9


def test_a_command_runs_and_is_told(house: House, driver: PaperDriver, ros: Ros) -> None:
    """With Sync the stack waits for its end and its outputs show it; a command that fails fails the stack."""
    command = resource(
        "ALIYUN::ECS::RunCommand", InstanceIds=[FIRST], Type="RunShellScript", CommandContent="echo {{ word }}",
        Sync=True, Timeout=60, EnableParameter=True, Parameters={"Word": "done"},
    )  # fmt: skip
    told = outputs(Id=("Run", "InvokeId"), Results=("Run", "InvokeResults"), Instances=("Run", "InvokeInstances"))
    text = template(network(**node(), Run=command), Outputs=told)
    stack_id = made(ros, text)
    seen = ros.outputs(stack_id)
    assert (seen["Id"], seen["Results"][0]["InvocationStatus"]) == (seen["Results"][0]["InvokeId"], "Success")
    assert seen["Instances"][0]["InstanceId"] == machine(house)["InstanceId"]
    assert driver.commands[-1][1].endswith(b"echo done")
    driver.result = RunResult(7, b"no\n")
    failed = ros.create(text, name="bad")
    assert ros.settled(failed).status == "CREATE_ROLLBACK_COMPLETE"
    assert "resources.Run" in ros.see(failed).status_reason
    assert "exit code 7" in ros.see(failed).status_reason
    assert len(house.store.find("instance")) == 1
    command["Properties"] |= {"Launcher": "python3 -u {{ACS::ScriptFileName}}"}
    with pytest.raises(TeaException, match="Launcher of ALIYUN::ECS::RunCommand"):
        ros.create(template(network(**node(), Run=command)), name="more")


def test_disks_snapshots_and_keys(house: House, ros: Ros) -> None:
    """A disk is attached, grows, is copied; a key is made with its private half; everything goes with the stack."""
    disk = resource(
        "ALIYUN::ECS::Disk", ZoneId={"Ref": "Zone"}, DiskCategory="cloud_essd", Size=40, DiskName="data", Tags=OWN
    )
    resources = network(
        **node(KeyPairName={"Ref": "Key"}, DiskMappings=[{"Category": "cloud_essd", "Size": "60"}]),
        Key=resource("ALIYUN::ECS::SSHKeyPair", KeyPairName="demo-key"),
        Data=disk,
        Hang=resource("ALIYUN::ECS::DiskAttachment", DiskId={"Ref": "Data"}, InstanceId=FIRST),
        Copy=resource("ALIYUN::ECS::Snapshot", DiskId={"Fn::GetAtt": ["Hang", "DiskId"]}, SnapshotName="copy"),
    )
    told = outputs(
        Private=("Key", "PrivateKeyBody"), Print=("Key", "KeyPairFingerPrint"), Device=("Hang", "Device"),
        Snapshot=("Copy", "SnapshotId"),
    )  # fmt: skip
    house.cloud.faults.add(Fault("CreateKeyPair", effect="lost", times=1))
    stack_id = made(ros, template(resources, Outputs=told))
    seen = ros.outputs(stack_id)
    assert seen["Private"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert house.call("DescribeKeyPairs", RegionId=REGION, KeyPairFingerPrint=seen["Print"])["TotalCount"] == 1
    assert (machine(house)["KeyPairName"], seen["Device"]) == ("demo-key", "/dev/xvdc")
    disk["Properties"]["Size"] = 80
    assert changed(ros, stack_id, template(resources, Outputs=told)) == "UPDATE_COMPLETE"
    assert [one["Size"] for one in house.store.find("disk", DiskName="data")] == [80]
    assert house.store.find("snapshot")[0]["SourceDiskSize"] == 40
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
    kinds = ("snapshot", "key_pair", "ros_private_key", "ros_intent")
    assert [house.store.find(kind) for kind in kinds] == [[], [], [], []]


def test_a_stack_does_not_take_a_key_that_is_there(house: House, ros: Ros) -> None:
    """A key of that name fails the stack, and is still there after its rollback."""
    house.call("CreateKeyPair", RegionId=REGION, KeyPairName="mine")
    text = template({"Key": resource("ALIYUN::ECS::SSHKeyPair", KeyPairName="mine")})
    stack_id = ros.create(text)
    assert ros.settled(stack_id).status == "CREATE_ROLLBACK_COMPLETE"
    assert "KeyPair.AlreadyExist" in ros.see(stack_id).status_reason
    assert house.call("DescribeKeyPairs", RegionId=REGION)["TotalCount"] == 1


def test_what_somebody_changed_is_told_without_secrets(house: House, ros: Ros) -> None:
    """Drift names the property that is another by now, and no password; a machine that is gone is DELETED."""
    secret = {"Type": "String", "NoEcho": True, "Default": "Secret-1-word"}
    text = template(network(**node(InstanceName="ours", Password={"Ref": "Word"})), Parameters={"Word": secret})
    stack_id = made(ros, text)
    instance = machine(house)["InstanceId"]

    def drifts() -> dict[str, Any]:
        id = ros.ask("detect_stack_drift", stack_id=stack_id).drift_detection_id
        until(
            lambda: (
                "PROGRESS"
                not in ros.ask("get_stack_drift_detection_status", drift_detection_id=id).drift_detection_status
            )
        )
        found = ros.ask("list_stack_resource_drifts", stack_id=stack_id).resource_drifts
        return {one.logical_resource_id: one.to_map() for one in found}

    assert {one["ResourceDriftStatus"] for one in drifts().values()} == {"IN_SYNC"}
    house.call("ModifyInstanceAttribute", InstanceId=instance, InstanceName="theirs")
    rule = {"IpProtocol": "TCP", "PortRange": "443/443", "SourceCidrIp": "203.0.113.7/32"}
    group = house.store.find("security_group")[0]["SecurityGroupId"]
    house.call("RevokeSecurityGroup", RegionId=REGION, SecurityGroupId=group, Permissions=[rule])
    seen = drifts()
    paths = {name: [one["PropertyPath"] for one in row["PropertyDifferences"]] for name, row in seen.items()}
    assert paths == {"Vpc": [], "Switch": [], "Group": ["/SecurityGroupIngress"], "Node": ["/InstanceName"]}
    assert "Secret-1-word" not in str(seen)
    house.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: not house.store.find("instance"))
    assert drifts()["Node"]["ResourceDriftStatus"] == "DELETED"
