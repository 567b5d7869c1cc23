"""Networks, switches, groups, addresses and gateways in stacks: made, read, changed in place, compared, deleted."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.core import Cloud
from garret.local_cloud.faults import Faults
from garret.local_cloud.ros.resources import TYPES
from garret.local_cloud.ros.resources.base import Work
from garret.local_cloud.ros.resources.security_rules import by_meaning
from garret.local_cloud.store import Store
from tests.local_cloud.house import KEY, REGION, House, PaperDriver
from tests.local_cloud.ros.changing import made, update
from tests.local_cloud.ros.stage import TAG, Ros, left_over, network, template

OWN = [{"Key": "own", "Value": "1"}]


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """Return one resource."""
    return {"Type": kind, "Properties": properties}


def work_of(cloud: Cloud, kind: str, physical_id: str, **properties: Any) -> Work:
    """Return the record of a resource as its type sees it."""
    return Work(
        cloud=cloud, region=REGION, stack_id="stack", stack_name="demo", name=kind.rpartition(":")[2],
        properties=properties, physical_id=physical_id, token="t", started=cloud.clock.now(), tags=(),
        made=lambda _: None, pause=lambda _: None,
    )  # fmt: skip


def outputs(**attributes: tuple[str, str]) -> dict[str, Any]:
    """Return outputs that read attributes."""
    return {key: {"Value": {"Fn::GetAtt": list(one)}} for key, one in attributes.items()}


def test_names_and_tags_change_in_place(house: House, ros: Ros) -> None:
    """Nothing is made anew: names, tags and the bandwidth of what is there change, tags of the stack stay."""
    first = network(Address=resource("ALIYUN::VPC::EIP", Bandwidth=5, InternetChargeType="PayByTraffic", Tags=OWN))
    told = outputs(Table=("Vpc", "RouteTableId"), Address=("Address", "AllocationId"))
    stack_id = made(ros, template(first, Outputs=told))
    before = {name: one.physical_resource_id for name, one in ros.resources(stack_id).items()}
    assert ros.outputs(stack_id)["Table"].startswith("vtb-")
    first["Vpc"]["Properties"] |= {"VpcName": "renamed", "Tags": OWN}
    first["Switch"]["Properties"] |= {"VSwitchName": "renamed"}
    first["Address"]["Properties"] |= {
        "Bandwidth": 50,
        "AutoPay": True,
        "Name": "renamed",
        "Tags": [{"Key": "other", "Value": "2"}],
    }
    update(ros, stack_id, template(first, Outputs=told))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert {name: one.physical_resource_id for name, one in ros.resources(stack_id).items()} == before
    vpc, switch, address = (house.store.find(kind)[0] for kind in ("vpc", "vswitch", "eip"))
    assert (vpc["VpcName"], switch["VSwitchName"]) == ("renamed", "renamed")
    assert (address["Name"], address["Bandwidth"]) == ("renamed", "50")
    assert address["Tags"] == [TAG, {"Key": "other", "Value": "2"}]
    assert vpc["Tags"] == [TAG, *OWN]
    kind = TYPES["ALIYUN::VPC::EIP"]
    drift = kind.drift(work_of(house.cloud, kind.name, before["Address"], **first["Address"]["Properties"]))
    assert drift is not None
    assert (drift["Bandwidth"], drift["Tags"]) == ("50", [{"Key": "other", "Value": "2"}])
    assert kind.drift(work_of(house.cloud, kind.name, "eip-gone")) is None


def test_a_network_that_goes_out_by_a_gateway(house: House, ros: Ros) -> None:
    """Gateway, address and entry are made in order, told by attributes, and go in the other order."""
    resources = network(
        Gateway=resource(
            "ALIYUN::VPC::NatGateway", VpcId={"Ref": "Vpc"}, VSwitchId={"Ref": "Switch"}, NatGatewayName="out"
        ),
        Address=resource("ALIYUN::VPC::EIP", InternetChargeType="PayByTraffic"),
        Bound=resource("ALIYUN::VPC::EIPAssociation", AllocationId={"Ref": "Address"}, InstanceId={"Ref": "Gateway"}),
        Entry=resource(
            "ALIYUN::VPC::SnatEntry",
            SnatTableId={"Fn::GetAtt": ["Gateway", "SNatTableId"]},
            SnatIp={"Fn::GetAtt": ["Bound", "EipAddress"]},
            SourceVSwitchIds=[{"Ref": "Switch"}],
        ),
    )
    told = outputs(Ids=("Entry", "SnatEntryIds"), Forward=("Gateway", "ForwardTableId"))
    stack_id = made(ros, template(resources, Outputs=told))
    entry = house.store.find("snat_entry")[0]
    assert ros.outputs(stack_id)["Ids"] == [entry["SnatEntryId"]]
    assert ros.outputs(stack_id)["Forward"].startswith("ftb-")
    resources["Gateway"]["Properties"]["NatGatewayName"] = "renamed"
    resources["Entry"]["Properties"]["SnatEntryName"] = "named"
    update(ros, stack_id, template(resources, Outputs=told))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert house.store.find("nat_gateway")[0]["Name"] == "renamed"
    assert house.store.find("snat_entry")[0]["SnatEntryName"] == "named"
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"
    assert left_over(house) == {}
    assert house.store.find("nat_gateway") == house.store.find("snat_entry") == []


def test_rules_in_and_out(house: House, ros: Ros) -> None:
    """A group's two lists and rules of their own: those that differ change, the others keep their ids."""
    inwards = [{"IpProtocol": "tcp", "PortRange": f"{n}/{n}", "SourceCidrIp": "10.0.0.0/8"} for n in (80, 443)]
    outwards = [{"IpProtocol": "all", "PortRange": "-1/-1", "DestCidrIp": "0.0.0.0/0", "Policy": "drop"}]
    group = resource(
        "ALIYUN::ECS::SecurityGroup", VpcId={"Ref": "Vpc"}, SecurityGroupIngress=inwards, SecurityGroupEgress=outwards
    )
    own = resource(
        "ALIYUN::ECS::SecurityGroupEgress", SecurityGroupId={"Ref": "Group"}, IpProtocol="tcp", PortRange="25/25",
        DestCidrIp="0.0.0.0/0", Policy="drop",
    )  # fmt: skip
    resources = network(Group=group, Mail=own)
    stack_id = made(ros, template(resources))
    before = house.store.find("security_group")[0]["Rules"]
    assert [one["Direction"] for one in before] == ["ingress", "ingress", "egress", "egress"]
    inwards[0]["Description"] = "the web"
    inwards[1]["PortRange"] = "8443/8443"
    group["Properties"]["SecurityGroupName"] = "renamed"
    group["Properties"]["SecurityGroupEgress"] = []
    own["Properties"]["Policy"] = "accept"
    update(ros, stack_id, template(resources))
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    body = house.store.find("security_group")[0]
    assert body["SecurityGroupName"] == "renamed"
    assert {(one["Direction"], one["PortRange"], one["Policy"], one["Description"]) for one in body["Rules"]} == {
        ("ingress", "80/80", "Accept", "the web"),
        ("ingress", "8443/8443", "Accept", ""),
        ("egress", "25/25", "Accept", ""),
    }
    assert body["Rules"][0]["SecurityGroupRuleId"] == before[0]["SecurityGroupRuleId"]


PORTS = st.sampled_from(["22/22", "80/80", "443/443", "1/65535"])
RULES = st.lists(
    st.fixed_dictionaries(
        {"IpProtocol": st.sampled_from(["tcp", "udp"]), "PortRange": PORTS},
        optional={
            "Policy": st.sampled_from(["accept", "drop"]),
            "Priority": st.sampled_from([1, "2", 100]),
            "Description": st.sampled_from(["", "one", "two"]),
        },
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(before=RULES, after=RULES, outwards=st.booleans())
def test_any_list_becomes_any_other(before: list[Any], after: list[Any], outwards: bool) -> None:
    """After an update the group has just the rules of the new list; those in both kept their id; again is no change."""
    store = Store(None)
    cloud = Cloud(store, PaperDriver(), Clock(), Faults(store), Background(), "http://127.0.0.1:1", KEY)
    with closing(store):
        vpc = cloud.call("Vpc", "CreateVpc", REGION, {})["VpcId"]
        kind, end = TYPES["ALIYUN::ECS::SecurityGroup"], "DestCidrIp" if outwards else "SourceCidrIp"
        key = "SecurityGroupEgress" if outwards else "SecurityGroupIngress"
        old, new = ([{**rule, end: "10.0.0.0/8"} for rule in rules] for rules in (before, after))
        first = {"VpcId": vpc, key: old}
        group_id = kind.create(work_of(cloud, kind.name, "", **first))
        ids = {one["SecurityGroupRuleId"]: one for one in store.find("security_group")[0]["Rules"]}
        assert len(ids) == len(by_meaning(old))
        work = work_of(cloud, kind.name, group_id, **{**first, key: new})
        for _ in range(2):
            kind.update(work, first)
        rules = store.find("security_group")[0]["Rules"]
        shown = by_meaning(rules)
        assert {rule["PortRange"] + rule["Policy"] + rule["Priority"] for rule in shown.values()} == {
            rule["PortRange"] + rule["Policy"] + rule["Priority"] for rule in by_meaning(new).values()
        }
        assert len(rules) == len(by_meaning(new))
        words = {rule["PortRange"] + rule["IpProtocol"] + rule["Policy"] + rule["Priority"]: rule.get("Description", "")
                 for rule in by_meaning(new).values()}  # fmt: skip
        assert all(
            words[one["PortRange"] + one["IpProtocol"].lower() + one["Policy"].lower() + one["Priority"]]
            == one["Description"]
            for one in rules
        )
        stayed = by_meaning(old).keys() & by_meaning(new).keys()
        assert len([one for one in rules if one["SecurityGroupRuleId"] in ids]) == len(stayed)
