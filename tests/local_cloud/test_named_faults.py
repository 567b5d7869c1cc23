"""Each named fault bites where it says, as often as it was told, and is gone when it is cleared."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from garret.local_cloud.fault_names import NAMED
from garret.local_cloud.faults import Faults
from garret.local_cloud.quotas.registry import LIMITS
from garret.local_cloud.store import Store
from tests.local_cloud.house import REGION, SECRET, TYPE, House, code_of, until
from tests.local_cloud.machines import ZONE, launch, order, plot, running, status
from tests.local_cloud.ros.stage import Ros, network, template, waiting


@pytest.fixture
def ros(house: House) -> Ros:
    """Return the typed client of ROS."""
    return Ros(house)


def on(house: House, fault: str, **told: Any) -> str:
    """Switch one named fault on and return its id."""
    added: list[str] = house.own("POST", "/_garret/faults", {"faults": [{"fault": fault, **told}]})["added"]
    return added[0]


def refused(house: House, action: str, **fields: Any) -> str:
    """Return the code that an ECS call is refused with."""
    with pytest.raises(Exception, match="code") as error:
        house.call(action, **fields)
    return code_of(error.value)


def shown(house: House) -> dict[str, str]:
    """Return what each zone's shelf of the usual type is said to hold."""
    reply = house.call(
        "DescribeAvailableResource", RegionId=REGION, DestinationResource="InstanceType", InstanceType=TYPE
    )
    zones = reply["AvailableZones"]["AvailableZone"]
    return {zone["ZoneId"]: zone["StatusCategory"] for zone in zones}


def test_a_zone_without_stock(house: House) -> None:
    """It is shown and refused, also to a machine that was stopped economically; other zones sell on."""
    asleep = running(house)
    house.call("StopInstance", InstanceId=asleep, StoppedMode="StopCharging")
    until(lambda: status(house, asleep) == "Stopped")
    fault = on(house, "no_stock", zone=ZONE)
    assert shown(house) == {ZONE: "WithoutStock", "cn-hangzhou-j": "WithStock"}
    vswitch, group = plot(house)
    assert (
        refused(house, "RunInstances", **order(house, VSwitchId=vswitch, SecurityGroupId=group))
        == "OperationDenied.NoStock"
    )
    assert refused(house, "StartInstance", InstanceId=asleep) == "OperationDenied.NoStock"
    other, group = plot(house, "cn-hangzhou-j")
    launch(house, VSwitchId=other, SecurityGroupId=group)
    house.own("DELETE", f"/_garret/faults?id={fault}")
    house.call("StartInstance", InstanceId=asleep)


def test_stock_that_is_shown_and_gone_at_creation(house: House) -> None:
    """The shelf looks full; the first two orders find it empty, the third is served."""
    on(house, "no_stock", type=TYPE, region=REGION, shown=True, times=2)
    vswitch, group = plot(house)
    wanted = order(house, VSwitchId=vswitch, SecurityGroupId=group)
    for _ in range(2):
        assert shown(house)[ZONE] == "WithStock"
        assert refused(house, "RunInstances", **wanted) == "OperationDenied.NoStock"
    assert house.call("RunInstances", **wanted)["InstanceIdSets"]
    assert house.own("GET", "/_garret/faults")["faults"] == []


def test_throttling_a_product(house: House) -> None:
    """Twice, whatever the action, with the header that tells how long to wait; another product is not slowed."""
    on(house, "throttle", product="Ecs", times=2, retry_after_ms=300)
    house.vpc("DescribeVpcs")
    assert refused(house, "DescribeZones", RegionId=REGION) == "Throttling.User"
    assert refused(house, "DescribeRegions") == "Throttling.User"
    assert house.call("DescribeRegions")


def test_a_lost_reply_and_an_unsent_call(house: House) -> None:
    """One leaves what it made, the other nothing."""
    for fault, left in (("unsent", 0), ("lost_reply", 1)):
        on(house, fault, action="CreateVpc")
        with pytest.raises(Exception, match=r"(?i)disconnect|closed|aborted|reset|Connection"):
            house.vpc("CreateVpc", CidrBlock="10.0.0.0/8")
        assert house.vpc("DescribeVpcs")["TotalCount"] == left


@pytest.mark.parametrize(("status_code", "code"), [(503, "ServiceUnavailable"), (500, "InternalError")])
def test_server_errors(house: House, status_code: int, code: str) -> None:
    """They come with the code that belongs to the status."""
    on(house, "server_error", action="DescribeRegions", status=status_code)
    assert refused(house, "DescribeRegions") == code
    assert house.call("DescribeRegions")


@pytest.mark.parametrize("by_fault", [True, False])
def test_quotas_are_kept_to(house: House, by_fault: bool) -> None:
    """By the fault board, and by a limit that is reached; Quota Center tells the limit and what is used of it."""
    vswitch, group = plot(house)
    if by_fault:
        for code in LIMITS:
            on(house, "quota", quota=code)
    else:
        house.own("POST", "/_garret/quotas", dict.fromkeys(LIMITS, 0) | {"vpc_quota_instances_num": 1})
    wanted = order(house, VSwitchId=vswitch, SecurityGroupId=group)
    assert refused(house, "RunInstances", **wanted) == "QuotaExceed.ElasticQuota"
    assert refused(house, "RunInstances", **wanted, SpotStrategy="SpotAsPriceGo") == "QuotaExceed.ElasticQuota"
    vpc = house.store.find("vpc")[0]["VpcId"]
    assert refused(house, "CreateSecurityGroup", RegionId=REGION, VpcId=vpc) == "QuotaExceed.SecurityGroup"
    with pytest.raises(Exception, match=r"QuotaExceeded\.Vpc"):
        house.vpc("CreateVpc")
    with pytest.raises(Exception, match=r"QuotaExceeded\.Eip"):
        house.vpc("AllocateEipAddress")
    house.own("DELETE", "/_garret/quotas")
    house.own("DELETE", "/_garret/faults")
    house.vpc("AllocateEipAddress")
    place = {"Dimensions__1__Key": "regionId", "Dimensions__1__Value": REGION}
    for product, code, total in (("eip", "eip_quota_instances_num", 20), ("vpc", "vpc_quota_instances_num", 10)):
        asked = {"ProductCode": product, "QuotaActionCode": code, **place}
        listed = house.common("2020-05-10", "ListProductQuotas", **asked)["Quotas"]
        assert [(one["TotalQuota"], one["TotalUsage"]) for one in listed] == [(total, 1)]
        assert house.common("2020-05-10", "GetProductQuota", **asked)["Quota"] == listed[0]
    limits = house.call("DescribeAccountAttributes", RegionId=REGION, AttributeName=["max-security-groups"])
    assert (
        limits["AccountAttributeItems"]["AccountAttributeItem"][0]["AttributeValues"]["ValueItem"][0]["Value"] == "100"
    )


def test_an_idempotent_create_is_no_second_one(house: House) -> None:
    """A token whose thing is there already gets it again, however full the quota is meanwhile."""
    first = house.vpc("AllocateEipAddress", ClientToken="one")
    house.own("POST", "/_garret/quotas", {"eip_quota_instances_num": 1})
    assert house.vpc("AllocateEipAddress", ClientToken="one")["AllocationId"] == first["AllocationId"]


def test_an_account_in_arrears(house: House) -> None:
    """What costs is refused by the vendor's codes, what costs nothing goes on, and the balance is below zero."""
    vswitch, group = plot(house)
    on(house, "arrears")
    wanted = order(house, VSwitchId=vswitch, SecurityGroupId=group)
    assert refused(house, "RunInstances", **wanted) == "InvalidAccountStatus.NotEnoughBalance"
    with pytest.raises(Exception, match="InsufficientBalance"):
        house.vpc("AllocateEipAddress")
    balance = house.common("2017-12-14", "QueryAccountBalance")["Data"]["AvailableAmount"]
    assert float(balance.replace(",", "")) < 0
    assert house.call("DescribeRegions")


def test_a_resource_that_takes_its_time(house: House, ros: Ros) -> None:
    """The stack waits for the slow kind only."""
    on(house, "slow_creation", type="ALIYUN::ECS::VSwitch", seconds=0.6)
    started = time.monotonic()
    stack = ros.create(template(network()))
    assert ros.settled(stack).status == "CREATE_COMPLETE"
    assert time.monotonic() - started > 0.6


def deployment(ros: Ros, name: str) -> str:
    """Begin a stack of this deployment that waits for its node."""
    from alibabacloud_ros20190910 import models

    tags = [models.CreateStackRequestTags(key="garret:deployment", value=name)]
    outputs = {"Url": {"Value": {"Fn::GetAtt": ["Handle", "URL"]}}}
    stack_id = ros.create(template(waiting(), Outputs=outputs), name, tags=tags, disable_rollback=True)
    until(lambda: ("Ready", "CREATE_IN_PROGRESS") in ros.events(stack_id))
    return stack_id


def signal(house: House, ros: Ros, stack_id: str) -> int:
    """Signal as the node does and return the status of the answer."""
    url = urlsplit(ros.outputs(stack_id)["Url"])
    body = json.dumps({"status": "SUCCESS", "id": "node"}).encode()
    return house.http("POST", f"{url.path}?{url.query}", body)[0]


def test_nodes_that_fail_or_say_nothing(house: House, ros: Ros) -> None:
    """Of one deployment by its tag: its signal is taken and dropped, or arrives as a failure; others are heard."""
    silent = on(house, "node_never_signals", deployment="quiet")
    on(house, "node_fails", deployment="broken", reason="no GPU on this node")
    stacks = {name: deployment(ros, name) for name in ("quiet", "broken", "fine")}
    assert {signal(house, ros, stack_id) for stack_id in stacks.values()} == {200}
    assert ros.settled(stacks["fine"]).status == "CREATE_COMPLETE"
    broken = ros.settled(stacks["broken"])
    assert broken.status == "CREATE_FAILED"
    assert "no GPU on this node" in broken.status_reason
    assert ros.see(stacks["quiet"]).status == "CREATE_IN_PROGRESS"
    house.own("DELETE", f"/_garret/faults?id={silent}")
    signal(house, ros, stacks["quiet"])
    assert ros.settled(stacks["quiet"]).status == "CREATE_COMPLETE"


def test_latency_is_added_to_every_call_and_blocks_none(house: House) -> None:
    """Five calls side by side take as long as one; the control doors are not slowed."""
    house.own("POST", "/_garret/faults", {"faults": [{"latency_ms": 300}]})
    house.own("POST", "/_garret/faults", {"faults": [{"latency_ms": 200}]})
    assert [fault["latency_ms"] for fault in house.own("GET", "/_garret/faults")["faults"]] == [200]
    house.call("DescribeRegions")
    started = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: house.vpc("DescribeVpcs"), range(5)))
    took = time.monotonic() - started
    assert 0.2 <= took < 0.9
    house.own("DELETE", "/_garret/faults")
    assert house.cloud.faults.latency_ms == 0


def test_a_clock_that_is_off(house: House) -> None:
    """The Date header tells by how much; a call signed by the right time is refused as expired."""
    on(house, "clock_skew", clock_skew_s=3600.0)
    with pytest.raises(Exception, match=r"InvalidTimeStamp\.Expired"):
        house.call("DescribeRegions")
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=10)
    connection.request("GET", "/healthz")
    date = connection.getresponse().getheader("Date") or ""
    connection.close()
    assert 3590 < parsedate_to_datetime(date).timestamp() - time.time() < 3610
    on(house, "clock_skew", clock_skew_s=-600)
    assert house.call("DescribeRegions")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"fault": "no_stok"}, "no_stock"),
        ({"fault": "no_stock", "zones": "x"}, "no_stock.zones"),
        ({"fault": "no_stock", "shown": "yes"}, "no_stock.shown"),
        ({"fault": "throttle", "times": -1}, "throttle.times"),
        ({"fault": "throttle", "times": True}, "throttle.times"),
        ({"fault": "quota"}, "quota.quota"),
        ({"fault": "quota", "quota": "gpus"}, "eip_quota_instances_num"),
        ({"fault": "server_error", "status": 404}, "server_error.status"),
        ({"latency_ms": "fast"}, "latency.latency_ms"),
        ("no_stock", "faults"),
    ],
)
def test_a_word_that_the_board_does_not_know(house: House, fault: object, said: str) -> None:
    """It is refused with its name, and nothing of the request is on."""
    body = json.dumps({"faults": [{"fault": "arrears"}, fault], "stock": {f"{ZONE}/{TYPE}": "WithStock"}}).encode()
    code, reply = house.http("POST", "/_garret/faults", body, {"x-garret-secret": SECRET})
    assert code == 400
    assert said in reply["error"]
    assert house.own("GET", "/_garret/faults") == {"faults": [], "stock": []}


def test_the_board_outlives_a_restart() -> None:
    """Latency and named faults are read again from the store."""
    store = Store(None)
    Faults(store).switch([{"latency_ms": 40}, {"fault": "arrears"}], {})
    again = Faults(store)
    assert again.latency_ms == 40
    assert {fault["fault"] for fault in again.listed()} == {"latency", "arrears"} < set(NAMED)
    store.close()


def test_a_node_is_told_where_to_die(house: House) -> None:
    """Of one deployment by its tag, and once; what it is told reaches its driver."""
    on(house, "node_crash", deployment="film", at="ensure_front,ensure_service:after")
    others = running(house)
    tag = {"Key": "garret:deployment", "Value": "film"}
    dying, fresh = (running(house, Tag=[tag]) for _ in range(2))
    told = {id: house.cloud.driver.nodes[id].environment.get("GARRET_NODE_CRASH_AT") for id in (others, dying, fresh)}
    assert told == {others: None, dying: "ensure_front,ensure_service:after", fresh: None}
