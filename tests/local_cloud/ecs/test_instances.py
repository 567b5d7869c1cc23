"""Instances through the typed SDK: run, stop, start, delete, and what the vendor refuses on the way."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud.store import Store
from tests.local_cloud.house import REGION, TYPE, House, PaperDriver, code_of, until
from tests.local_cloud.machines import describe, launch, order, plot, running, status


def bill(house: House) -> dict[str, float]:
    """Return what is billed per hour now, by kind."""
    lines = house.own("GET", "/_garret/bill")["lines"]
    return {line["kind"]: line["per_hour"] for line in lines}


def test_an_instance_lives_and_dies(house: House, driver: PaperDriver) -> None:
    """It boots with its user-data, is described in full, stops, starts again on the same disk, and is gone."""
    tags = [{"Key": "garret:deployment", "Value": "demo"}]
    instance = running(house, "#cloud-config\nruncmd: []\n", InstanceName="n", HostName="host", Tag=tags)
    assert driver.nodes[instance].user_data == "#cloud-config\nruncmd: []\n"
    assert driver.nodes[instance].hostname == "host"
    seen = describe(house, instance)
    assert (seen["InstanceType"], seen["ZoneId"], seen["GPUAmount"]) == (TYPE, "cn-hangzhou-i", 1)
    assert seen["StoppedMode"] == "Not-applicable"
    assert seen["Tags"]["Tag"] == [{"TagKey": "garret:deployment", "TagValue": "demo"}]
    assert seen["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == [driver.nodes[instance].private_ip]
    disk = house.call("DescribeDisks", RegionId=REGION, InstanceId=instance)["Disks"]["Disk"][0]
    assert (disk["Size"], disk["Category"], disk["Type"]) == (100, "cloud_essd", "system")
    house.call("StopInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Stopped")
    assert driver.stops == [(instance, False)]
    house.call("StartInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Running")
    again = house.call("DescribeDisks", RegionId=REGION, InstanceId=instance)["Disks"]["Disk"][0]
    assert again["DiskId"] == disk["DiskId"]
    with pytest.raises(Exception, match="IncorrectInstanceStatus"):
        house.call("DeleteInstance", InstanceId=instance)
    house.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: describe(house, instance) == {})
    until(lambda: bill(house) == {})
    assert instance not in driver.nodes
    with pytest.raises(Exception, match=r"InvalidInstanceId\.NotFound"):
        house.call("StartInstance", InstanceId=instance)


def test_an_economical_stop_stops_the_bill_but_for_the_disk(house: House) -> None:
    """StopCharging leaves the disk on the bill, KeepCharging everything; StoppedMode tells which it was."""
    instance = running(house)
    full = bill(house)
    assert set(full) == {"instance", "disk"}
    for mode, rest in (("KeepCharging", {"instance", "disk"}), ("StopCharging", {"disk"})):
        house.call("StopInstance", InstanceId=instance, StoppedMode=mode)
        until(lambda: status(house, instance) == "Stopped")
        assert describe(house, instance)["StoppedMode"] == mode
        assert set(bill(house)) == rest
        house.call("StartInstance", InstanceId=instance)
        until(lambda: status(house, instance) == "Running")
        assert describe(house, instance)["StoppedMode"] == "Not-applicable"
        assert bill(house) == full
    with pytest.raises(Exception, match="StoppedMode"):
        house.call("StopInstance", InstanceId=instance, StoppedMode="Sometimes")


def test_an_economical_stop_gives_the_place_up(house: House) -> None:
    """Started again when the shelf is empty: no stock after StopCharging, but fine after KeepCharging."""
    instance = running(house)
    for mode in ("KeepCharging", "StopCharging"):
        house.call("StopInstance", InstanceId=instance, StoppedMode=mode)
        until(lambda: status(house, instance) == "Stopped")
        house.own("POST", "/_garret/faults", {"stock": {f"cn-hangzhou-i/{TYPE}": "WithoutStock"}})
        if mode == "KeepCharging":
            house.call("StartInstance", InstanceId=instance)
            until(lambda: status(house, instance) == "Running")
            continue
        with pytest.raises(Exception, match=r"OperationDenied\.NoStock"):
            house.call("StartInstance", InstanceId=instance)
        assert status(house, instance) == "Stopped"
        house.own("DELETE", "/_garret/faults")
        house.call("StartInstance", InstanceId=instance)
        until(lambda: status(house, instance) == "Running")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"InstanceType": "ecs.g7.large"}, "InvalidInstanceType.ValueNotSupported"),
    ({"InstanceType": ""}, "MissingParameter"),
    ({"ZoneId": "cn-hangzhou-z"}, "InvalidZoneId.NotFound"),
    ({"ImageId": "win98.vhd"}, "InvalidImageId.NotFound"),
    ({"SystemDisk": {"Category": "cloud_efficiency", "Size": "100"}}, "InvalidSystemDiskCategory.ValueNotSupported"),
    ({"SystemDisk": {"Category": "cloud_essd", "Size": "40"}}, "InvalidSystemDiskSize.LessThanImageSize"),
    ({"SystemDisk": {"Category": "cloud_essd", "Size": "99999"}}, "InvalidParameter"),
    ({"SecurityGroupId": "sg-1"}, "InvalidSecurityGroupId.NotFound"),
    ({"VSwitchId": "vsw-1"}, "InvalidVSwitchId.NotFound"),
    ({"UserData": "not base64!"}, "InvalidParameter"),
    ({"UserData": base64.b64encode(b"x" * 32769).decode()}, "InvalidUserData.SizeExceeded"),
    ({"InstanceType": "ecs.gn7i-8x.32xlarge"}, "OperationDenied.NoStock"),
    ({"InstanceChargeType": "PreyPaid"}, "InvalidInstanceChargeType.NotFound"),
    ({"InstanceChargeType": "PrePaid"}, "MissingParameter"),
    ({"InstanceChargeType": "PrePaid", "Period": 11}, "InvalidPeriod"),
    ({"InstanceChargeType": "PrePaid", "Period": 1, "PeriodUnit": "Day"}, "InvalidPeriodType.ValueNotSupported"),
    ({"InstanceChargeType": "PrePaid", "Period": 1, "SpotStrategy": "SpotAsPriceGo"}, "InvalidSpotPrepaid"),
    ({"SpotStrategy": "SpotSometimes"}, "InvalidSpotStrategy"),
    ({"SpotStrategy": "SpotWithPriceLimit"}, "InvalidSpotPriceLimit"),
    ({"SpotStrategy": "SpotWithPriceLimit", "SpotPriceLimit": 0.01}, "InvalidSpotPriceLimit.LowerThanPublicPrice"),
    ({"Password": "allsmallletters"}, "InvalidPassword.Malformed"),
    ({"KeyPairName": "nobody"}, "InvalidKeyPairName.NotFound"),
    ({"DataDisk": [{"Category": "cloud_ssd", "Size": 40}]}, "InvalidDataDiskCategory.ValueNotSupported"),
    ({"DataDisk": [{"Category": "cloud_essd"}]}, "MissingParameter"),
    ({"InternetMaxBandwidthOut": 101}, "InvalidParameter"),
    ({"HttpTokens": "sometimes"}, "InvalidHttpTokens.NotSupported"),
    ({"HttpEndpoint": "off"}, "InvalidHttpEndpoint.NotSupported"),
    ({"RegionId": "cn-atlantis"}, "InvalidRegionId.NotFound"),
]


def test_a_wrong_order_is_refused_by_its_code(house: House) -> None:
    """Each wrong field has the vendor's code, and a refused order leaves nothing behind."""
    good = order(house)
    for wrong, code in WRONG:
        with pytest.raises(Exception, match=code.replace(".", r"\.")) as refused:
            house.call("RunInstances", **{**good, **wrong})
        assert code_of(refused.value) == code, wrong
    assert house.call("DescribeInstances", RegionId=REGION)["TotalCount"] == 0
    assert house.call("DescribeDisks", RegionId=REGION)["TotalCount"] == 0


def test_a_zone_that_does_not_sell_the_type_says_so(house: House) -> None:
    """A VSwitch in a zone without the family is Zone.NotOnSale."""
    vswitch, group = plot(house, "cn-hangzhou-h")
    with pytest.raises(Exception, match=r"Zone\.NotOnSale"):
        launch(house, VSwitchId=vswitch, SecurityGroupId=group)


def test_a_token_runs_one_instance(house: House) -> None:
    """The same ClientToken gives the same instance, also after its reply was lost; other parameters are refused."""
    fields = order(house, ClientToken="token-1")
    house.own("POST", "/_garret/faults", {"faults": [{"action": "RunInstances", "effect": "lost"}]})
    with pytest.raises(Exception, match="Connection aborted"):
        house.call("RunInstances", **fields)
    first = house.call("RunInstances", **fields)["InstanceIdSets"]["InstanceIdSet"]
    assert house.call("RunInstances", **fields)["InstanceIdSets"]["InstanceIdSet"] == first
    with pytest.raises(Exception, match="IdempotentParameterMismatch"):
        house.call("RunInstances", **{**fields, "InstanceName": "another"})
    assert house.call("DescribeInstances", RegionId=REGION)["TotalCount"] == 1


def test_a_dry_run_makes_nothing(house: House) -> None:
    """DryRun is answered by the vendor's error and nothing is made."""
    with pytest.raises(Exception, match="DryRunOperation"):
        house.call("RunInstances", **order(house, DryRun=True))
    assert house.call("DescribeInstances", RegionId=REGION)["TotalCount"] == 0


def test_instances_are_found_by_tag_and_name(house: House) -> None:
    """Filters narrow; a tag given later counts too."""
    vswitch, group = plot(house)
    place = {"VSwitchId": vswitch, "SecurityGroupId": group}
    one = running(house, InstanceName="alpha", **place)
    two = running(house, InstanceName="beta", **place)

    def found(**filters: Any) -> set[str]:
        reply = house.call("DescribeInstances", RegionId=REGION, **filters)
        return {entry["InstanceId"] for entry in reply["Instances"]["Instance"]}

    assert found() == {one, two}
    assert found(InstanceName="al*") == {one}
    tag = [{"Key": "garret:deployment", "Value": "demo"}]
    assert found(Tag=tag) == set()
    house.call("TagResources", RegionId=REGION, ResourceType="instance", ResourceId=[two], Tag=tag)
    assert found(Tag=tag) == {two}
    listed = house.call("ListTagResources", RegionId=REGION, ResourceType="instance", Tag=tag)
    assert [entry["ResourceId"] for entry in listed["TagResources"]["TagResource"]] == [two]
    statuses = house.call("DescribeInstanceStatus", RegionId=REGION)["InstanceStatuses"]["InstanceStatus"]
    assert {(entry["InstanceId"], entry["Status"]) for entry in statuses} == {(one, "Running"), (two, "Running")}
    for instance in (one, two):
        with pytest.raises(Exception, match="DependencyViolation"):
            house.vpc("DeleteVSwitch", VSwitchId=vswitch)
        with pytest.raises(Exception, match="DependencyViolation"):
            house.call("DeleteSecurityGroup", RegionId=REGION, SecurityGroupId=group)
        house.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: found() == set())
    house.vpc("DeleteVSwitch", VSwitchId=vswitch)
    house.call("DeleteSecurityGroup", RegionId=REGION, SecurityGroupId=group)


def test_the_plural_actions_answer_for_each(house: House) -> None:
    """StopInstances and StartInstances say for every instance how it went."""
    instance = running(house)
    reply = house.call("StopInstances", RegionId=REGION, InstanceId=[instance, "i-none"])
    codes = {entry["InstanceId"]: entry["Code"] for entry in reply["InstanceResponses"]["InstanceResponse"]}
    assert codes == {instance: "200", "i-none": "InvalidInstanceId.NotFound"}
    until(lambda: status(house, instance) == "Stopped")
    house.call("StartInstances", RegionId=REGION, InstanceId=[instance])
    until(lambda: status(house, instance) == "Running")


def test_user_data_comes_back_as_it_went(house: House) -> None:
    """DescribeUserData gives the Base64 that was sent."""
    text = "#cloud-config\n# Grüße, 中文\n"
    instance = running(house, text)
    reply = house.call("DescribeUserData", RegionId=REGION, InstanceId=instance)
    assert base64.b64decode(reply["UserData"]).decode() == text


def test_a_node_that_cannot_boot_is_not_running(house: House, driver: PaperDriver) -> None:
    """When the driver fails, the instance ends Stopped, and can still be deleted."""
    driver.boot_error = "no room on this machine"
    instance = launch(house)
    until(lambda: status(house, instance) == "Stopped")
    house.call("DeleteInstance", InstanceId=instance)
    until(lambda: describe(house, instance) == {})


def test_a_node_that_ended_by_itself_is_stopped_and_can_start(house: House, driver: PaperDriver) -> None:
    """An instance whose node died goes to Stopped, is still paid for, takes no commands, and starts again."""
    instance = running(house)
    driver.running.clear()
    until(lambda: status(house, instance) == "Stopped")
    assert describe(house, instance)["StoppedMode"] == "KeepCharging"
    assert "instance" in bill(house)
    assert driver.stops == [(instance, True)]
    house.call("StartInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Running")


def test_half_done_work_goes_on_after_a_kill(tmp_path: Path) -> None:
    """A server on the store of a killed one boots what was to run and deletes what was to go."""
    path, driver = tmp_path / "cloud.sqlite", PaperDriver()
    with House(driver, store=Store(path)) as house:
        keep, gone = running(house), running(house)
    # As a kill leaves it: one node died with the machine; of the other only the wish to delete was written down.
    driver.running.clear()
    store = Store(path)
    store.update("instance", gone, Goal="Deleted")
    with House(driver, store=store) as house:
        house.cloud.recover()
        until(lambda: status(house, keep) == "Running")
        until(lambda: describe(house, gone) == {})
        assert driver.running == {keep}


def test_nodes_that_still_run_are_adopted_not_booted_again(tmp_path: Path) -> None:
    """A node that outlived its server keeps running untouched."""
    path, driver = tmp_path / "cloud.sqlite", PaperDriver()
    with House(driver, store=Store(path)) as house:
        instance = running(house)
    driver.boot_error = "must not be booted"
    with House(driver, store=Store(path)) as house:
        house.cloud.recover()
        house.cloud.background.join()
        assert status(house, instance) == "Running"


def test_the_console_is_read_with_and_without_its_symbols(house: House) -> None:
    """What the driver keeps of it, Base64; of an instance that is not there, nothing."""
    instance = running(house, "")
    asked = {"RegionId": REGION, "InstanceId": instance}
    said = base64.b64decode(house.call("GetInstanceConsoleOutput", **asked)["ConsoleOutput"])
    assert said == b"\x1b[1mpaper\x1b[0m node " + instance.encode() + b"\n"
    plain = house.call("GetInstanceConsoleOutput", **asked, RemoveSymbols="true")
    assert base64.b64decode(plain["ConsoleOutput"]) == b"paper node " + instance.encode() + b"\n"
    assert plain["InstanceId"] == instance
    with pytest.raises(Exception) as refused:
        house.call("GetInstanceConsoleOutput", RegionId=REGION, InstanceId="i-gone")
    assert code_of(refused.value) == "InvalidInstanceId.NotFound"


def test_an_address_of_its_own_lasts_until_an_economical_stop(house: House, driver: PaperDriver) -> None:
    """A node keeps it over a plain stop; after one that ends the bill it has another, and the same private one."""
    instance = running(house, InternetMaxBandwidthOut=5)

    def own() -> list[str]:
        found: list[str] = describe(house, instance)["PublicIpAddress"]["IpAddress"]
        return found

    private = describe(house, instance)["VpcAttributes"]["PrivateIpAddress"]
    first = own()
    assert len(first) == 1
    assert driver.addresses.get(instance, driver.nodes[instance].public_ip) == first[0]
    for mode, kept in (("KeepCharging", True), ("StopCharging", False)):
        house.call("StopInstance", InstanceId=instance, StoppedMode=mode)
        until(lambda: status(house, instance) == "Stopped")
        assert own() == (first if kept else [])
        house.call("StartInstance", InstanceId=instance)
        until(lambda: status(house, instance) == "Running")
        assert (own() == first) is kept
    until(lambda: driver.addresses.get(instance) == own()[0])
    assert describe(house, instance)["VpcAttributes"]["PrivateIpAddress"] == private
    elastic = house.vpc("AllocateEipAddress")["AllocationId"]
    with pytest.raises(Exception, match="of its own"):
        house.vpc("AssociateEipAddress", AllocationId=elastic, InstanceId=instance)
