"""Every resource type on a server that is killed at any write: made once, changed to the end, deleted whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.faults import Faults
from garret.local_cloud.ros import records
from tests.local_cloud.house import KEY, REGION, PaperDriver, until
from tests.local_cloud.oos.test_oos import STOP as OOS_TEXT
from tests.local_cloud.ros.resources.test_account_types import allow, role
from tests.local_cloud.ros.resources.test_network_types import OWN, resource
from tests.local_cloud.ros.stage import network, node, template
from tests.local_cloud.ros.test_recovery import KilledError, MortalStore

FIRST = {"Fn::Select": [0, {"Fn::GetAtt": ["Node", "InstanceIds"]}]}
SMALL = "ecs.gn7i-c8g1.2xlarge"
STRIDE = 17  # of the writes at which the server dies; 1 tries them all


def things(**changes: Any) -> str:
    """Return a template with nearly everything; `changes` are put over the properties by name."""
    inner = {"ROSTemplateFormatVersion": "2015-09-01", "Resources": {"Net": resource("ALIYUN::ECS::VPC")}}
    resources = network(
        **node(UpdatePolicy="ForAllInstances", KeyPairName={"Ref": "Key"}),
        Out=resource("ALIYUN::VPC::NatGateway", VpcId={"Ref": "Vpc"}, VSwitchId={"Ref": "Switch"}),
        Address=resource("ALIYUN::VPC::EIP", InternetChargeType="PayByTraffic"),
        Bound=resource("ALIYUN::VPC::EIPAssociation", AllocationId={"Ref": "Address"}, InstanceId={"Ref": "Out"}),
        Entry=resource(
            "ALIYUN::VPC::SnatEntry", SnatTableId={"Fn::GetAtt": ["Out", "SNatTableId"]},
            SnatIp={"Fn::GetAtt": ["Bound", "EipAddress"]}, SourceVSwitchIds=[{"Ref": "Switch"}],
        ),
        Key=resource("ALIYUN::ECS::SSHKeyPair", KeyPairName="demo"),
        Data=resource("ALIYUN::ECS::Disk", ZoneId={"Ref": "Zone"}, DiskCategory="cloud_essd", Size=40),
        Hang=resource("ALIYUN::ECS::DiskAttachment", DiskId={"Ref": "Data"}, InstanceId=FIRST),
        Copy=resource("ALIYUN::ECS::Snapshot", DiskId={"Fn::GetAtt": ["Hang", "DiskId"]}),
        Role=role(
            Policies=[{"PolicyName": "stop", "PolicyDocument": allow("ecs:StopInstance")}],
            PolicyAttachments={"System": ["AliyunECSReadOnlyAccess"]},
        ),
        Policy=resource("ALIYUN::RAM::ManagedPolicy", PolicyName="look", PolicyDocument=allow("ecs:Describe*")),
        On=resource(
            "ALIYUN::RAM::AttachPolicyToRole", PolicyName={"Ref": "Policy"}, PolicyType="Custom",
            RoleName={"Ref": "Role"},
        ),
        Manual=resource("ALIYUN::OOS::Template", TemplateName="stop", Content=OOS_TEXT),
        Text=resource("ALIYUN::RandomString"),
        Child=resource("ALIYUN::ROS::Stack", TemplateBody=inner),
    )  # fmt: skip
    for name, properties in changes.items():
        resources[name]["Properties"] |= properties
    return template(resources)


BEFORE = things()
AFTER = things(
    Node={"InstanceType": SMALL, "MaxAmount": 2, "Tags": OWN},
    Group={"SecurityGroupIngress": []},
    Address={"Bandwidth": 50},
    Data={"Size": 80},
    Role={"Policies": [{"PolicyName": "start", "PolicyDocument": allow("ecs:StartInstance")}]},
    Policy={"PolicyDocument": allow("ecs:DescribeDisks")},
    Manual={"Content": OOS_TEXT.replace("one", "a")},
)
COUNTS = {
    **{"vpc": 2, "vswitch": 1, "security_group": 1, "instance": 1, "disk": 2, "eip": 1, "nat_gateway": 1},
    **{"snat_entry": 1, "key_pair": 1, "snapshot": 1, "ram_role": 1, "ram_policy": 2, "oos_template": 1},
    **{"ros_random_string": 1, "ros_private_key": 1, "ros_role_policy": 1},
}
REST = {"ros_intent": 0, "ros_adopted": 0, "ros_stopped_for_update": 0}


@contextmanager
def running(store: MortalStore, driver: PaperDriver) -> Iterator[Cloud]:
    """Let a cloud live on the store."""
    cloud = Cloud(store, driver, Clock(), Faults(store), Background(), "http://127.0.0.1:1", KEY)
    try:
        yield cloud
    finally:
        cloud.background.stop(10)


def stack(cloud: Cloud) -> dict[str, Any]:
    """Return the outer stack, or nothing."""
    found = [one for one in cloud.store.find(records.STACK) if one["name"] == "demo"]
    return found[0] if found else {}


def act(cloud: Cloud, verb: str) -> None:
    """Ask for one action; one that was asked for already is no failure."""
    texts = {"CreateStack": BEFORE, "UpdateStack": AFTER, "DeleteStack": ""}
    named = {"StackName": "demo"} if verb == "CreateStack" else {"StackId": stack(cloud).get("id", "")}
    asked = {**named, "TemplateBody": texts[verb], "ClientToken": verb if texts[verb] else ""}
    try:
        cloud.call("ROS", verb, REGION, {key: value for key, value in asked.items() if value})
    except ApiError as problem:
        if problem.code not in ("ActionInProgress", "StackNotFound"):
            raise


def settled(cloud: Cloud) -> bool:
    """Whether nothing is under way in any stack."""
    return not any(one["status"].endswith("_IN_PROGRESS") for one in cloud.store.find(records.STACK))


def killed(store: MortalStore, driver: PaperDriver, verb: str, writes: int) -> bool:
    """Carry an action out on a server that dies after so many writes; False when it lived to the end."""
    with running(store, driver) as cloud:
        store.left = writes
        try:
            act(cloud, verb)
            until(lambda: store.left == 0 or settled(cloud), 60)
        except KilledError:
            pass
        dead = store.left == 0
        cloud.background.stop(10)
    store.left = None
    return dead


def after_all(store: MortalStore, driver: PaperDriver, verb: str) -> tuple[str, dict[str, int]]:
    """Let another server take it up, ask again as a client does, and return the status and what is there."""
    with running(store, driver) as cloud:
        cloud.recover()
        until(lambda: settled(cloud), 60)
        act(cloud, verb)
        until(lambda: settled(cloud), 60)
        return stack(cloud)["status"], {kind: len(store.find(kind)) for kind in (*COUNTS, *REST)}


@pytest.mark.parametrize("verb", ["CreateStack", "UpdateStack", "DeleteStack"])
def test_killed_at_any_write(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The next server finishes what the dead one began: everything is there once, or nothing of it."""
    writes = 1
    while True:
        store, driver = MortalStore(), PaperDriver()
        if verb != "CreateStack":
            assert after_all(store, driver, "CreateStack")[0] == "CREATE_COMPLETE"
        dead = killed(store, driver, verb, writes)
        status, counts = after_all(store, driver, verb)
        wanted = {"CreateStack": COUNTS, "UpdateStack": {**COUNTS, "instance": 2, "disk": 3}, "DeleteStack": {}}
        assert status == verb.removesuffix("Stack").upper() + "_COMPLETE", (writes, json.dumps(stack_reason(store)))
        assert counts == {**dict.fromkeys(COUNTS, 0), **REST, **wanted[verb]}, writes
        if verb == "UpdateStack":
            machines = store.find("instance")
            assert [(one["InstanceType"], one["Status"]) for one in machines] == [(SMALL, "Running")] * 2, writes
        if not dead:
            break
        writes += STRIDE
    assert writes > 2 * STRIDE  # it died often enough to mean something
    capfd.readouterr()  # the dying server's tracebacks


def stack_reason(store: MortalStore) -> list[str]:
    """Return why stacks and resources are what they are."""
    kinds = (records.STACK, records.RESOURCE)
    return [f"{one['name']} {one['status']} {one['status_reason']}" for kind in kinds for one in store.find(kind)]
