"""From the vendor's replies to our records, through the real SDKs: ROS, ECS, VPC, Cloud Assistant."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from garret.errors import CloudError, NodeFailed
from garret.ops.aliyun.account import CloudAccount
from garret.ops.aliyun.assistant import EcsAssistant
from garret.ops.aliyun.bills import BssBills
from garret.ops.aliyun.catalog import EcsCatalog
from garret.ops.aliyun.instances import EcsInstances
from garret.ops.aliyun.network import VpcNetwork
from garret.ops.aliyun.session import Session
from garret.ops.aliyun.snapshots import EcsSnapshots
from garret.ops.aliyun.stacks import RosStacks
from garret.ops.cloud import Billed, Instance
from garret.ops.records import Snapshot, Who
from tests.ops.aliyun.vendor import StandingClock, Vendor

TAG = "garret:deployment"
INSTANCE: dict[str, Any] = {
    "InstanceId": "i-1",
    "Status": "Stopped",
    "StoppedMode": "StopCharging",
    "InstanceType": "ecs.gn7i-c16g1.4xlarge",
    "ZoneId": "cn-hangzhou-k",
    "EipAddress": {"IpAddress": "203.0.113.7", "AllocationId": "eip-1"},
    "PublicIpAddress": {"IpAddress": []},
    "Tags": {"Tag": [{"TagKey": TAG, "TagValue": "garret"}]},
}


def stack(number: int, status: str = "CREATE_COMPLETE") -> dict[str, Any]:
    """One line of ListStacks."""
    name = f"garret-s{number}"
    return {
        "StackId": f"stack-{number}",
        "StackName": name,
        "Status": status,
        "Tags": [{"Key": TAG, "Value": f"s{number}"}],
    }


def test_create_sends_the_same_twice_for_one_token(vendor: Vendor, session: Session) -> None:
    """A reply that is lost is asked for again with the same token, template and parameters: that makes one stack."""
    vendor.breaks("CreateStack")
    vendor.says("CreateStack", {"StackId": "stack-1"})
    made = RosStacks(session).create(
        "garret-garret", "template: 1", {"ZoneId": "k"}, tags={TAG: "garret"}, token="token-1", wait_s=3600
    )
    assert made == "stack-1"
    first, second = (sent.parameters for sent in vendor.of("CreateStack"))
    assert first == second
    assert (first["ClientToken"], first["TemplateBody"], first["StackName"]) == (
        "token-1",
        "template: 1",
        "garret-garret",
    )
    assert (first["Parameters.1.ParameterKey"], first["Parameters.1.ParameterValue"]) == ("ZoneId", "k")
    assert (first["Tags.1.Key"], first["Tags.1.Value"]) == (TAG, "garret")
    assert int(first["TimeoutInMinutes"]) * 60 > 3600
    assert first["DisableRollback"].lower() == "false"


def test_all_pages_of_stacks_are_read(vendor: Vendor, session: Session) -> None:
    """More stacks than fit on a page are all found; deleted ones are not."""
    vendor.says(
        "ListStacks",
        {"Stacks": [stack(number) for number in range(50)], "TotalCount": 52, "PageNumber": 1},
        {"Stacks": [stack(50), stack(51, "DELETE_COMPLETE")], "TotalCount": 52, "PageNumber": 2},
    )
    found = RosStacks(session).tagged()
    assert [one.tags[TAG] for one in found] == [f"s{number}" for number in range(51)]
    assert [sent.parameters["PageNumber"] for sent in vendor.of("ListStacks")] == ["1", "2"]
    assert vendor.of("ListStacks")[0].parameters["Tag.1.Key"] == TAG


def test_a_stack_is_found_by_its_whole_name(vendor: Vendor, session: Session) -> None:
    """The cloud's search may be fuzzy: garret-s1 is not garret-s10."""
    vendor.says("ListStacks", {"Stacks": [stack(10)], "TotalCount": 1})
    assert RosStacks(session).find("garret-s1") is None


@pytest.mark.parametrize("status", ["DELETE_COMPLETE", None])
def test_a_stack_that_is_gone_is_none(vendor: Vendor, session: Session, status: str | None) -> None:
    """Deleted and never there are the same to us."""
    if status:
        vendor.says("GetStack", {"StackId": "stack-1", "Status": status})
    else:
        vendor.refuses("GetStack", "StackNotFound", status=404)
    assert RosStacks(session).get("stack-1") is None


def test_deleting_what_is_gone_is_no_error(vendor: Vendor, session: Session) -> None:
    """Delete may be said twice; another refusal is told."""
    vendor.refuses("DeleteStack", "StackNotFound", status=404)
    RosStacks(session).delete("stack-1")
    vendor.answers.clear()
    vendor.refuses("DeleteStack", "DeletionProtection")
    with pytest.raises(CloudError):
        RosStacks(session).delete("stack-1")


def test_events_come_oldest_first(vendor: Vendor, session: Session) -> None:
    """The cloud lists the newest first, a person reads the other way."""
    events = [
        {"EventId": f"e{number}", "LogicalResourceId": "Node", "ResourceType": "T", "Status": "S", "CreateTime": "t"}
        for number in (3, 2, 1)
    ]
    vendor.says("ListStackEvents", {"Events": events, "TotalCount": 3})
    assert [event.id for event in RosStacks(session).events("stack-1")] == ["e1", "e2", "e3"]


def test_a_price_adds_what_is_paid_by_the_hour(vendor: Vendor, session: Session) -> None:
    """What is paid by traffic, and what could not be priced, is not in the sum; nothing priced is no price."""

    def order(amount: float, unit: str) -> dict[str, Any]:
        return {"Order": {"TradeAmount": amount, "Currency": "CNY"}, "OrderSupplement": {"PriceUnit": unit}}

    resources = {
        "Node": {"Success": True, "Type": "ALIYUN::ECS::InstanceGroup", "Result": order(10.25, "/Hour")},
        "Disk": {"Success": True, "Type": "D", "Result": order(0.5, "/Hour")},
        "Address": {"Success": True, "Type": "ALIYUN::VPC::EIP", "Result": order(0.8, "/GB")},
        "Other": {"Success": False, "Type": "O", "Result": {}},
    }
    vendor.says("GetTemplateEstimateCost", {"Resources": resources}, {"Resources": {}})
    stacks = RosStacks(session)
    assert stacks.price_per_hour("t", {"ZoneId": "k"}) == (10.75, "CNY")
    assert stacks.price_per_hour("t", {}) is None


def test_an_instance_is_read_with_what_its_stop_stopped(vendor: Vendor, session: Session) -> None:
    """The elastic address comes before any other; StoppedMode and the tag are kept."""
    vendor.says("DescribeInstances", {"Instances": {"Instance": [INSTANCE]}}, {"Instances": {"Instance": []}})
    instances = EcsInstances(session)
    assert instances.get("i-1") == Instance(
        "i-1",
        "Stopped",
        "ecs.gn7i-c16g1.4xlarge",
        "cn-hangzhou-k",
        "203.0.113.7",
        "StopCharging",
        {TAG: "garret"},
    )
    assert instances.get("i-1") is None
    assert vendor.sent[0].parameters["InstanceIds"] == '["i-1"]'


def test_stop_says_what_to_stop_paying_for(vendor: Vendor, session: Session) -> None:
    """The mode is always said in so many words: the cloud's default goes on charging."""
    vendor.says("StopInstance", {})
    EcsInstances(session).stop("i-1", economical=True)
    EcsInstances(session).stop("i-1", economical=False)
    assert [sent.parameters["StoppedMode"] for sent in vendor.sent] == ["StopCharging", "KeepCharging"]


def test_stock_is_told_best_first(vendor: Vendor, session: Session) -> None:
    """Zones without stock are left out, other families too; a type that is sold out everywhere is still known."""

    def zone(name: str, **types: str) -> dict[str, Any]:
        sold = [
            {"Value": f"ecs.{kind.replace('_', '-')}.4xlarge", "Status": "Available", "StatusCategory": category}
            for kind, category in types.items()
        ]
        group = {"Type": "InstanceType", "SupportedResources": {"SupportedResource": sold}}
        return {"ZoneId": name, "AvailableResources": {"AvailableResource": [group]}}

    zones = [
        zone("cn-hangzhou-a", gn7i_c16g1="ClosedWithStock", g6="WithStock"),
        zone("cn-hangzhou-b", gn7i_c16g1="WithoutStock", gn7i_c32g1="WithoutStock"),
        zone("cn-hangzhou-c", gn7i_c16g1="WithStock"),
    ]
    vendor.says("DescribeAvailableResource", {"AvailableZones": {"AvailableZone": zones}}, {})
    catalog = EcsCatalog(session)
    assert catalog.stock("ecs.gn7i") == {
        "ecs.gn7i-c16g1.4xlarge": ["cn-hangzhou-c", "cn-hangzhou-a"],
        "ecs.gn7i-c32g1.4xlarge": [],
    }
    assert catalog.stock("ecs.gn7i") == {}


def test_the_account_is_asked_of_sts(vendor: Vendor, session: Session) -> None:
    """Whose keys these are, and so who pays, is known before anything is made."""
    vendor.says("GetCallerIdentity", {"AccountId": "1234567890123456", "Arn": "acs:ram::1234567890123456:user/me"})
    assert EcsCatalog(session).account() == "1234567890123456"
    assert vendor.sent[0].parameters["Version"] == "2015-04-01"


def test_what_is_billed_beside_the_machine(vendor: Vendor, session: Session) -> None:
    """Addresses, disks, gateways and snapshots are asked for by the deployment's tag, to the last page."""

    def addresses(*numbers: int) -> dict[str, Any]:
        found = [{"AllocationId": f"eip-{number}", "IpAddress": "a"} for number in numbers]
        return {"EipAddresses": {"EipAddress": found}, "TotalCount": 51}

    def disk(number: int) -> dict[str, Any]:
        return {"Disks": {"Disk": [{"DiskId": f"d-{number}", "Size": 100, "Category": "cloud_essd"}]}}

    vendor.says("DescribeEipAddresses", addresses(*range(50)), addresses(50))
    vendor.says("DescribeDisks", disk(1) | {"NextToken": "more"}, disk(2) | {"NextToken": ""})
    vendor.says("DescribeNatGateways", {"NatGateways": {"NatGateway": [{"NatGatewayId": "ngw-1", "Name": "n"}]}})
    vendor.says("DescribeSnapshots", {"Snapshots": {"Snapshot": [{"SnapshotId": "s-1", "SourceDiskSize": "100"}]}})
    billed = VpcNetwork(session).billed("garret")
    assert billed[:51] == [Billed("address", f"eip-{number}", "a") for number in range(51)]
    assert billed[51:] == [
        Billed("disk", "d-1", "100 GiB cloud_essd"), Billed("disk", "d-2", "100 GiB cloud_essd"),
        Billed("NAT gateway", "ngw-1", "n"), Billed("snapshot", "s-1", "of 100 GiB"),
    ]  # fmt: skip
    assert {(sent.parameters["Tag.1.Key"], sent.parameters["Tag.1.Value"]) for sent in vendor.sent} == {(TAG, "garret")}
    assert vendor.of("DescribeDisks")[1].parameters["NextToken"] == "more"


def test_all_pages_of_machines_are_read(vendor: Vendor, session: Session) -> None:
    """A machine on the second page is billed, too."""
    vendor.says(
        "DescribeInstances",
        {"Instances": {"Instance": [INSTANCE]}, "NextToken": "more"},
        {"Instances": {"Instance": [INSTANCE | {"InstanceId": "i-2"}]}, "NextToken": ""},
    )
    assert [one.id for one in EcsInstances(session).tagged("garret")] == ["i-1", "i-2"]


def test_a_snapshot_is_asked_for_once_and_found_by_its_own_tag(vendor: Vendor, session: Session) -> None:
    """A lost reply is asked for again with the same token; the tag is not that of what delete looks for."""
    vendor.breaks("CreateSnapshot")
    vendor.says("CreateSnapshot", {"SnapshotId": "s-1"})
    snapshots = EcsSnapshots(session)
    assert snapshots.create("d-1", "garret", token="token-1") == "s-1"
    first, second = (sent.parameters for sent in vendor.of("CreateSnapshot"))
    assert first == second
    assert (first["ClientToken"], first["DiskId"], first["Tag.1.Key"]) == ("token-1", "d-1", "garret:snapshot-of")
    row = {"SnapshotId": "s-1", "SourceDiskId": "d-1", "SourceDiskSize": "100", "Status": "progressing"}
    vendor.says("DescribeSnapshots", {"Snapshots": {"Snapshot": [row | {"Progress": "40%"}]}})
    assert snapshots.kept("garret") == [Snapshot("s-1", "d-1", 100, "progressing", "40%")]
    vendor.refuses("DeleteSnapshot", "InvalidSnapshotId.NotFound", status=404)
    snapshots.delete("s-1")


def test_a_bill_is_read_to_its_last_page(vendor: Vendor, session: Session) -> None:
    """Amounts come as numbers or texts; each line says what it is of."""
    line = {"InstanceID": "i-1", "BillingItem": "Instance", "PretaxAmount": 9.5, "Currency": "CNY", "Usage": "1"}
    vendor.says(
        "DescribeInstanceBill",
        {"Data": {"Items": [line | {"UsageUnit": "Hour"}], "NextToken": "more"}},
        {"Data": {"Items": [line | {"PretaxAmount": "1,000.5", "UsageUnit": "Hour"}]}},
    )
    found = BssBills(session).items("i-1", "2026-11")
    assert [(one.kind, one.amount, one.usage, one.unit) for one in found] == [
        ("instance", 9.5, 1.0, "Hour"),
        ("instance", 1000.5, 1.0, "Hour"),
    ]
    asked = vendor.of("DescribeInstanceBill")[0].parameters
    assert (asked["BillingCycle"], asked["InstanceID"], "RegionId" in asked) == ("2026-11", "i-1", False)


def test_the_account_is_asked_who_it_is_and_what_it_has(vendor: Vendor, session: Session) -> None:
    """User, balance and quotas, each as its product tells it."""
    account = CloudAccount(session, now=lambda: 0.0)
    vendor.says("GetCallerIdentity", {"AccountId": "12", "Arn": "acs:ram::12:user/studio"})
    vendor.says("QueryAccountBalance", {"Data": {"AvailableAmount": "10,000.50", "Currency": "CNY"}})
    items = [
        {"AttributeName": name, "AttributeValues": {"ValueItem": [{"Value": value}]}}
        for name, value in (
            ("max-postpaid-instance-vcpu-count", "100"),
            ("used-postpaid-instance-vcpu-count", "96"),
            ("max-security-groups", "500"),
        )
    ]
    vendor.says("DescribeAccountAttributes", {"AccountAttributeItems": {"AccountAttributeItem": items}})
    quota = {"QuotaActionCode": "vpc_quota_instances_num", "TotalQuota": 10, "TotalUsage": 10, "QuotaUnit": "个"}
    other = {"QuotaActionCode": "vpc_quota_vswitches_num", "TotalQuota": 24}
    vendor.says("ListProductQuotas", {"Quotas": [other, quota]}, {"Quotas": []})
    assert account.who() == Who("12", "user/studio")
    assert account.balance() == (10000.5, "CNY")
    assert [(one.code, one.total, one.used) for one in account.quotas()] == [
        ("max-postpaid-instance-vcpu-count", 100.0, 96.0),
        ("max-security-groups", 500.0, None),
        ("vpc_quota_instances_num", 10.0, 10.0),
    ]


def test_rights_are_learned_without_a_change(vendor: Vendor, session: Session) -> None:
    """Denied is denied, any other answer means allowed; what nothing safe tells is not asked."""
    account = CloudAccount(session)
    vendor.refuses("StartInstance", "Forbidden.RAM", "User not authorized to operate on the specified resource.")
    vendor.refuses("DeleteStack", "StackNotFound", status=404)
    assert "not authorized" in (account.lacks("ecs:StartInstance") or "")
    assert account.lacks("ros:DeleteStack") == ""
    assert account.lacks("vpc:AllocateEipAddress") is None
    assert vendor.of("StartInstance")[0].parameters["DryRun"] == "true"
    assert "nobody" in vendor.of("StartInstance")[0].parameters["InstanceId"]


def invocation(status: str, **fields: Any) -> dict[str, Any]:
    """One reply of DescribeInvocationResults."""
    return {"Invocation": {"InvocationResults": {"InvocationResult": [{"InvocationStatus": status, **fields}]}}}


def test_a_command_is_waited_for_and_read(vendor: Vendor, session: Session, clock: StandingClock) -> None:
    """The command goes encoded, its output comes back decoded, and its own exit code is no error of ours."""
    vendor.says("RunCommand", {"InvokeId": "t-1"})
    output = base64.b64encode("做完了".encode()).decode()
    vendor.says(
        "DescribeInvocationResults",
        invocation("Pending"),
        invocation("Running"),
        invocation("Failed", ExitCode=3, Output=output, ErrorCode="ExitCodeNonzero", ErrorInfo="not zero"),
    )
    result = EcsAssistant(session, 0.5).run("i-1", "exit 3", timeout_s=30)
    assert (result.status, result.exit_code, result.output) == ("Failed", 3, "做完了")
    assert clock.slept == [0.5, 0.5]
    sent = vendor.sent[0].parameters
    assert base64.b64decode(sent["CommandContent"]) == b"exit 3"
    assert (sent["ContentEncoding"], sent["InstanceId.1"], sent["Timeout"]) == ("Base64", "i-1", "30")
    assert sent["ClientToken"]


def test_a_command_that_never_ran_has_no_exit_code(vendor: Vendor, session: Session) -> None:
    """Statuses such as Invalid come with an exit code of zero on the wire; it means nothing."""
    vendor.says("RunCommand", {"InvokeId": "t-1"})
    vendor.says(
        "DescribeInvocationResults", invocation("Invalid", ExitCode=0, ErrorCode="ClientNotRunning", ErrorInfo="x")
    )
    result = EcsAssistant(session).run("i-1", "true")
    assert result.exit_code is None
    assert "ClientNotRunning" in result.error


def test_a_command_without_an_end_is_given_up(vendor: Vendor, session: Session, clock: StandingClock) -> None:
    """An agent that never answers costs the command's own time and half a minute."""
    vendor.says("RunCommand", {"InvokeId": "t-1"})
    vendor.says("DescribeInvocationResults", invocation("Pending"))
    assert EcsAssistant(session).run("i-1", "true", timeout_s=10).exit_code is None
    assert 35 <= clock.now <= 45


@pytest.mark.parametrize("action", ["run", "send_file"])
def test_an_invocation_without_an_id_is_an_error(vendor: Vendor, session: Session, action: str) -> None:
    """Asked about an empty id, the cloud answers with some other command's result."""
    vendor.says("RunCommand", {})
    vendor.says("SendFile", {})
    assistant = EcsAssistant(session)
    with pytest.raises(CloudError, match="NoInvokeId"):
        assistant.run("i-1", "true") if action == "run" else assistant.send_file("i-1", "/tmp/file", b"x")
    assert len(vendor.sent) == 1


def delivery(status: str, **fields: Any) -> dict[str, Any]:
    """One reply of DescribeSendFileResults."""
    nodes = {"InvokeInstance": [{"InstanceId": "i-1", "InvocationStatus": status, **fields}]}
    return {"Invocations": {"Invocation": [{"InvokeInstances": nodes}]}}


def test_a_file_is_delivered_or_the_reason_told(vendor: Vendor, session: Session) -> None:
    """The name and folder are split, the mode is kept; a node's refusal is NodeFailed with its words."""
    vendor.says("SendFile", {"InvokeId": "f-1"})
    vendor.says(
        "DescribeSendFileResults",
        delivery("Pending"),
        delivery("Success"),
        delivery("Failed", ErrorCode="DiskFull", ErrorInfo="no space"),
    )
    assistant = EcsAssistant(session)
    assistant.send_file("i-1", "/var/lib/garret/incoming/a.000", b"\x00\x01", mode="0640")
    sent = vendor.sent[0].parameters
    assert (sent["TargetDir"], sent["Name"], sent["FileMode"]) == ("/var/lib/garret/incoming", "a.000", "0640")
    assert base64.b64decode(sent["Content"]) == b"\x00\x01"
    with pytest.raises(NodeFailed, match=r"a\.000.*DiskFull"):
        assistant.send_file("i-1", "/var/lib/garret/incoming/a.000", b"x")


def test_an_empty_parameter_is_left_to_the_template(vendor: Vendor, session: Session) -> None:
    """The API wants a value wherever it is told a parameter: what is empty keeps the template's default, which is."""
    vendor.says("CreateStack", {"StackId": "stack-1"})
    RosStacks(session).create("garret-a", "t", {"VpcId": "", "ZoneId": "k"}, tags={TAG: "a"}, token="t", wait_s=60)
    sent = vendor.sent[0].parameters
    assert {name: value for name, value in sent.items() if name.startswith("Parameters.")} == {
        "Parameters.1.ParameterKey": "ZoneId",
        "Parameters.1.ParameterValue": "k",
    }
