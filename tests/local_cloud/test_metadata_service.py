"""100.100.100.200 as nodes with a network of their own see it: found by network and address, read as by cloud-init."""

from __future__ import annotations

import json
from typing import Any

import pytest

from garret.local_cloud import metadata
from garret.local_cloud.ros import waitcondition
from tests.local_cloud.house import REGION, House, PaperDriver
from tests.local_cloud.machines import describe, plot, running
from tests.local_cloud.test_metadata import role

TOKEN, TTL = "x-aliyun-ecs-metadata-token", "x-aliyun-ecs-metadata-token-ttl-seconds"
USER_DATA = "#cloud-config\nruncmd: []\n# ümläut\n"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZJ7b1dGZ0qGW6J0Yw1vYk8p2J5pXy7l7mXn2pQbM1 somebody"


class Asker:
    """One node that asks."""

    def __init__(self, house: House, instance: str) -> None:
        seen = describe(house, instance)
        self._cloud, self.vpc = house.cloud, str(seen["VpcAttributes"]["VpcId"])
        self.address = str(seen["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0])

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str | bytes]:
        """Ask with these headers; "_" in a name stands for "-"."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return metadata.answer(self._cloud, self.vpc, self.address, method, path, given)

    def text(self, path: str) -> str:
        """Return a value that must be there."""
        status, content = self.ask(path)
        assert status == 200, (path, status, content)
        assert isinstance(content, str)
        return content

    def walk(self, path: str) -> dict[str, Any]:
        """Read a whole folder, each name that a listing tells; none may be missing."""
        found: dict[str, Any] = {}
        for name in self.text(path).splitlines():
            if name.endswith("/"):
                found[name.rstrip("/")] = self.walk(path + name)
            else:
                found[name] = self.text(path + name)
        return found


@pytest.fixture
def asker(house: House) -> Asker:
    """A node with key pair, user-data and address."""
    house.call("ImportKeyPair", RegionId=REGION, KeyPairName="mine", PublicKeyBody=PUBLIC)
    instance = running(house, USER_DATA, KeyPairName="mine", HostName="painter", InstanceName="first")
    eip = house.vpc("AllocateEipAddress")["AllocationId"]
    house.vpc("AssociateEipAddress", AllocationId=eip, InstanceId=instance)
    return Asker(house, instance)


def test_walking_the_tree_and_reading_it_whole_is_the_same(house: House, asker: Asker) -> None:
    """Old cloud-init walks, new one reads `all`; both versions have the same content, and nothing in it is missing."""
    walked = asker.walk("/2016-01-01/meta-data/")
    assert walked == asker.walk("/latest/meta-data/")
    assert (
        walked == json.loads(asker.text("/2016-01-01/meta-data/all")) == json.loads(asker.text("/latest/meta-data/all"))
    )
    shown = house.call("DescribeInstances", RegionId=REGION)["Instances"]["Instance"][0]
    mac = shown["NetworkInterfaces"]["NetworkInterface"][0]["MacAddress"]
    assert mac.startswith("00:16:3e:")
    expected = {
        "instance-id": shown["InstanceId"], "hostname": "painter", "region-id": REGION, "zone-id": shown["ZoneId"],
        "image-id": shown["ImageId"], "private-ipv4": asker.address, "eipv4": shown["EipAddress"]["IpAddress"],
        "mac": mac, "serial-number": shown["SerialNumber"], "vpc-id": asker.vpc, "vpc-cidr-block": "192.168.0.0/16",
        "vswitch-cidr-block": "192.168.1.0/24", "network-type": "vpc", "owner-account-id": "1000000000000000",
        "source-address": "http://mirrors.cloud.aliyuncs.com", "public-keys": {"0": {"openssh-key": PUBLIC}},
    }  # fmt: skip
    assert {name: walked[name] for name in expected} == expected
    assert walked["dns-conf"]["nameservers"].split() == ["100.100.2.136", "100.100.2.138"]
    assert "ntp1.aliyun.com" in walked["ntp-conf"]["ntp-servers"].split()
    assert walked["instance"]["instance-type"] == shown["InstanceType"]
    assert (walked["instance"]["instance-name"], int(walked["instance"]["max-netbw-egress"]) > 0) == ("first", True)
    interface = walked["network"]["interfaces"]["macs"][mac]
    assert (interface["gateway"], interface["netmask"]) == ("192.168.1.253", "255.255.255.0")
    assert json.loads(interface["private-ipv4s"]) == [asker.address]
    disk = house.call("DescribeDisks", RegionId=REGION)["Disks"]["Disk"][0]["DiskId"]
    assert walked["disks"][disk.removeprefix("d-")]["id"] == disk
    document = json.loads(asker.text("/latest/dynamic/instance-identity/document"))
    assert (document["instance-id"], document["mac"]) == (shown["InstanceId"], mac)
    assert asker.text("/latest/").split() == ["dynamic/", "meta-data/", "user-data"]
    assert asker.text("/").split() == ["2016-01-01", "latest"]


def test_user_data_comes_as_it_was_sent(house: House, asker: Asker) -> None:
    """Its bytes, out of their Base64; without user-data, and for vendor-data, there is nothing."""
    for version in ("latest", "2016-01-01"):
        assert asker.ask(f"/{version}/user-data") == (200, USER_DATA.encode())
        assert asker.ask(f"/{version}/vendor-data")[0] == 404
    assert Asker(house, running(house)).ask("/latest/user-data")[0] == 404


def test_who_asks_decides_what_is_answered(house: House, asker: Asker) -> None:
    """The same address in another network is another node; one that nobody has gets nothing at all."""
    vswitch, group = plot(house)
    twin = Asker(house, running(house, VSwitchId=vswitch, SecurityGroupId=group, PrivateIpAddress=asker.address))
    assert twin.address == asker.address
    assert twin.text("/latest/meta-data/instance-id") != asker.text("/latest/meta-data/instance-id")
    twin.address = "192.168.1.200"
    assert twin.ask("/latest/meta-data/instance-id")[0] == 404
    assert twin.ask("/latest/api/token", "PUT", x_aliyun_ecs_metadata_token_ttl_seconds="60")[0] == 404


def test_tokens_are_asked_for_where_the_instance_wants_them(house: House) -> None:
    """Tokenless, wrong and too old reads are refused; a token lives as long as was asked, 1 s to 6 h."""
    asker = Asker(house, running(house, USER_DATA, HttpTokens="required"))
    paths = ("/latest/meta-data/instance-id", "/2016-01-01/meta-data/all", "/latest/user-data", "/latest/", "/")
    for path in paths:
        assert asker.ask(path)[0] == 403
        assert asker.ask(path, x_aliyun_ecs_metadata_token="guessed")[0] == 403
    for ttl in ("", "0", "21601", "a while", "-5", "²"):
        assert asker.ask("/latest/api/token", "PUT", **{TTL: ttl})[0] == 400
    assert asker.ask("/latest/api/token", **{TTL: "60"})[0] == 405
    status, token = asker.ask("/latest/api/token", "PUT", **{TTL: "60"})
    assert (status, isinstance(token, str)) == (200, True)
    for path in paths:
        assert asker.ask(path, **{TOKEN: str(token)})[0] == 200
    assert asker.ask(paths[0], "POST", **{TOKEN: str(token)})[0] == 405
    other = Asker(house, running(house, HttpTokens="required"))
    assert other.ask(paths[0], **{TOKEN: str(token)})[0] == 403
    house.own("POST", "/_garret/clock", {"advance_s": 61})
    assert asker.ask(paths[0], **{TOKEN: str(token)})[0] == 403


def test_an_endpoint_that_is_shut_tells_nothing(house: House) -> None:
    """HttpEndpoint=disabled: no token, no value."""
    asker = Asker(house, running(house, HttpEndpoint="disabled"))
    assert asker.ask("/latest/meta-data/instance-id")[0] == 403
    assert asker.ask("/latest/api/token", "PUT", **{TTL: "60"})[0] == 403


def test_the_roles_keys_stay_for_hours(house: House) -> None:
    """Whoever asks on the node gets the same keys until they grow old; those before stay good a while longer."""
    asker = Asker(house, running(house, RamRoleName=role(house)))
    place = "/latest/meta-data/ram/security-credentials/"
    assert asker.text(place) == "stopper"
    first = json.loads(asker.text(place + "stopper"))
    assert json.loads(asker.text(place + "stopper")) == first
    assert first["Code"] == "Success"
    assert first["Expiration"] > first["LastUpdated"]
    assert asker.ask(place + "somebody")[0] == 404
    assert "ram" not in json.loads(asker.text("/latest/meta-data/all"))
    house.own("POST", "/_garret/clock", {"advance_s": 5 * 3600 + 60})
    second = json.loads(asker.text(place + "stopper"))
    assert second["AccessKeyId"] != first["AccessKeyId"]
    living = {key["access_key_id"] for key in house.own("GET", "/_garret/keys")["keys"]}
    assert {first["AccessKeyId"], second["AccessKeyId"]} <= living
    house.ram("DetachPolicyFromRole", PolicyType="Custom", PolicyName="stopper-policy", RoleName="stopper")
    third = json.loads(asker.text(place + "stopper"))
    living = {key["access_key_id"] for key in house.own("GET", "/_garret/keys")["keys"]}
    assert second["AccessKeyId"] not in living  # what the role may no longer do, its older keys may not either
    assert third["AccessKeyId"] in living


def test_keys_of_people_outlive_their_pair(house: House, asker: Asker) -> None:
    """A deleted pair stays with the instances that booted with it; a detached one goes."""
    house.call("DeleteKeyPairs", RegionId=REGION, KeyPairNames=json.dumps(["mine"]))
    assert asker.text("/latest/meta-data/public-keys/0/openssh-key") == PUBLIC
    house.call("ImportKeyPair", RegionId=REGION, KeyPairName="mine", PublicKeyBody=PUBLIC)
    instance = asker.text("/latest/meta-data/instance-id")
    fields = {"RegionId": REGION, "KeyPairName": "mine", "InstanceIds": json.dumps([instance])}
    house.call("DetachKeyPair", **fields)
    assert asker.ask("/latest/meta-data/public-keys/")[0] == 404
    house.call("AttachKeyPair", **fields)
    assert asker.text("/latest/meta-data/public-keys/") == "0/"


class Behind(PaperDriver):
    """A driver whose nodes reach the cloud at an address in their own network."""

    def door_url(self, default: str) -> str:  # noqa: ARG002 - an address of its own
        """Say where."""
        return "http://100.100.64.1"


def test_a_driver_says_what_it_is_told_and_where_the_cloud_is() -> None:
    """The request names network, switch, interface, image and region; signals and calls go to the driver's door."""
    driver = Behind()
    with House(driver) as house:
        instance = running(house)
        node, shown = driver.nodes[instance], describe(house, instance)
        assert (node.vpc_cidr, node.vswitch_cidr) == ("192.168.0.0/16", "192.168.1.0/24")
        assert (node.vpc_id, node.region, node.image_id) == (shown["VpcAttributes"]["VpcId"], REGION, shown["ImageId"])
        assert node.mac == shown["NetworkInterfaces"]["NetworkInterface"][0]["MacAddress"]
        assert node.environment["GARRET_ENDPOINT_ECS"] == "http://100.100.64.1"
        told = waitcondition.attributes(house.cloud, "stack", "name", "ready", REGION)
        assert str(told["URL"]).startswith("http://100.100.64.1/waitcondition?")
        assert "http://100.100.64.1/waitcondition" in told["CurlCli"]
