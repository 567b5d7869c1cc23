"""Cloud Assistant, metadata and security groups on a whole Linux node: its own users, systemd, cloud-init, firewall."""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest

from garret.local_cloud import metadata
from garret.local_cloud.nodes.driver import Doors
from garret.local_cloud.nodes.namespace.driver import NamespaceDriver
from tests.local_cloud.ecs.test_assistant import put, result, send
from tests.local_cloud.house import REGION, House, until
from tests.local_cloud.machines import describe, running, status

USER_DATA = "#cloud-config\nusers: [default, {name: painter, shell: /bin/bash}]\n"


class Node:
    """One node and its cloud."""

    def __init__(self, house: House, instance: str, private_key: str) -> None:
        self.house, self.instance, self.private_key = house, instance, private_key

    def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Run a command and return its result, its output as a text; one that comes up takes it once it can."""
        found = result(self.house, send(self.house, self.instance, command, **fields))
        return {**found, "Output": base64.b64decode(found["Output"]).decode()}

    def ended(self, command: str, **fields: Any) -> tuple[str, str, int]:
        """Run a command and return how it ended."""
        found = self.ask(command, **fields)
        return found["InvocationStatus"], found["ErrorCode"], found["ExitCode"]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, whole_nodes: None) -> Iterator[Node]:
    """A whole node whose metadata asks for tokens."""
    folder: Path = tmp_path_factory.mktemp("whole") / "nodes"
    folder.mkdir()
    driver = NamespaceDriver(folder)
    with House(driver) as house:
        driver.connect(Doors(f"http://{house.host}", lambda *asked: metadata.answer(house.cloud, *asked)))
        private_key = house.call("CreateKeyPair", RegionId=REGION, KeyPairName="keys")["PrivateKeyBody"]
        instance = running(house, USER_DATA, HttpTokens="required", KeyPairName="keys", HostName="brush")
        try:
            one = Node(house, instance, private_key)
            assert one.ask("cloud-init status --wait", Timeout=60)["Output"].endswith("status: done\n")
            yield one
        finally:
            house.call("DeleteInstance", InstanceId=instance, Force=True)
            until(lambda: not describe(house, instance), 60)
            driver.clear()


def test_cloud_init_read_its_metadata_with_a_token(node: Node) -> None:
    """Host name, key and serial number are on the node; without a token nothing is read, with one the node's own."""
    shown = describe(node.house, node.instance)
    key = node.house.call("DescribeKeyPairs", RegionId=REGION, IncludePublicKey=True)["KeyPairs"]["KeyPair"][0][
        "PublicKey"
    ]
    seen = node.ask(
        "hostname; cat /sys/class/dmi/id/product_serial; cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys"
    )
    assert seen["Output"].splitlines()[:2] == ["brush", shown["SerialNumber"]]
    assert key in seen["Output"]
    door = "http://100.100.100.200/latest"
    assert node.ask(f"curl -s -o /dev/null -w '%{{http_code}}' {door}/meta-data/")["Output"] == "403"
    token = f"$(curl -s -X PUT -H 'X-aliyun-ecs-metadata-token-ttl-seconds: 60' {door}/api/token)"
    read = f'curl -s -H "X-aliyun-ecs-metadata-token: {token}" {door}'
    whole = json.loads(node.ask(f"{read}/meta-data/all")["Output"])
    interface = shown["NetworkInterfaces"]["NetworkInterface"][0]
    assert (whole["instance-id"], whole["mac"]) == (node.instance, interface["MacAddress"])
    addresses = node.ask("cat /sys/class/net/eth0/address; ip -o -4 addr show dev eth0; ip route show default")[
        "Output"
    ]
    assert addresses.startswith(interface["MacAddress"] + "\n")
    assert f" {interface['PrimaryIpAddress']}/24 " in addresses
    assert whole["network"]["interfaces"]["macs"][whole["mac"]]["gateway"] in addresses
    assert node.ask(f"{read}/user-data")["Output"] == USER_DATA


def test_commands_run_as_whom_and_where_the_call_says(node: Node) -> None:
    """Another user at home, missing ones by the vendor's codes, any exit code as it is, #! as it says."""
    who = node.ask("id -un; pwd; echo $HOME; touch /run/x 2>/dev/null || echo no", Username="painter")
    assert who["Output"].split() == ["painter", "/home/painter", "/home/painter", "no"]
    assert node.ask("id -un; pwd")["Output"].split() == ["root", "/root"]
    assert node.ended("true", Username="nobody-here") == ("Invalid", "AccountNotExists", 0)
    assert node.ended("true", WorkingDir="/no/such") == ("Invalid", "DirectoryNotExists", 0)
    for code in (1, 87, 88, 89, 90):
        assert node.ended(f"exit {code}") == ("Failed", "ExitCodeNonzero", code)
    assert node.ended("kill -TERM $$") == ("Failed", "ExitCodeNonzero", 143)
    script = "#!/usr/bin/env python3\nimport os\nprint(os.getuid() > 0)\nraise SystemExit(5)\n"
    found = node.ask(script, Username="painter")
    assert (found["Output"], found["ExitCode"]) == ("True\n", 5)
    long = node.ask("head -c 30000 /dev/zero | tr '\\0' x; echo end")
    assert (len(long["Output"]), long["Dropped"]) == (24 * 1024, 30_004 - 24 * 1024)


def test_what_a_command_leaves_in_the_background_goes_on(node: Node) -> None:
    """As long as the command itself ends; the call does not wait for it, and the node's next start ends it."""
    began = time.monotonic()
    assert node.ask("setsid sleep 4712 & sleep 4712 & echo left")["Output"] == "left\n"
    assert time.monotonic() - began < 30
    assert node.ask("pgrep -fc '^sleep 4712'")["Output"] == "2\n"
    assert node.ask("pkill -f '^sleep 4712'")["ExitCode"] == 0


def test_what_a_command_says_is_its_own_affair(node: Node) -> None:
    """It may open /dev/stderr, whoever it is, and say what systemd says; a reload of systemd does not disturb it."""
    for user in ("root", "painter"):
        found = node.ask("echo one > /dev/stderr; echo two > /dev/stdout; echo three", Username=user)
        assert found["Output"] == "one\ntwo\nthree\n"
    text = "Failed to connect to bus: no such thing"
    assert node.ask(f"echo x >> /tmp/times; echo {text}; exit 1")["Output"] == text + "\n"
    assert node.ask("cat /tmp/times")["Output"] == "x\n"
    reloads = send(node.house, node.instance, "for n in 1 2 3 4 5 6 7 8 9; do systemctl daemon-reload; done")
    for _ in range(8):
        assert node.ask("#!/bin/sh\necho ok")["Output"] == "ok\n"
    assert result(node.house, reloads)["InvocationStatus"] == "Success"


def test_another_users_command_is_ended_with_all_it_started(node: Node) -> None:
    """One that ignores being asked, and a child that left its session."""
    command = "trap '' TERM; setsid sleep 4711 & sleep 4711 & : > /tmp/begun; while :; do sleep 1; done"
    invoke_id = send(node.house, node.instance, command, Username="painter", Timeout=600)
    until(lambda: node.ask("test -e /tmp/begun")["ExitCode"] == 0)
    node.house.call("StopInvocation", RegionId=REGION, InvokeId=invoke_id)
    assert result(node.house, invoke_id)["InvocationStatus"] == "Terminated"
    until(lambda: node.ask("pgrep -fc '^sleep 4711'")["Output"] == "0\n")


def test_files_have_their_owner(node: Node) -> None:
    """With the folders of the way; who is missing is named, and a folder in the way stays what it was."""
    sent = put(node.house, node.instance, "a", b"\0\xff", FileOwner="painter", FileGroup="painter", FileMode="640",
               TargetDir="/srv/deep/er")  # fmt: skip
    assert sent["InvocationStatus"] == "Success"
    seen = node.ask("stat -c '%U:%G %a %s' /srv/deep/er/a; stat -c '%U' /srv/deep; ls -A /srv/deep/er")["Output"]
    assert seen.splitlines() == ["painter:painter 640 2", "root", "a"]
    for fields, code in (
        ({"FileOwner": "nobody-here"}, "AccountNotExists"),
        ({"FileGroup": "nobody-here"}, "UserGroupNotExists"),
        ({"TargetDir": "/srv", "Overwrite": True}, "FileCreateFail"),
        ({"TargetDir": "/srv"}, "FileAlreadyExists"),
    ):
        found = put(node.house, node.instance, "deep", b"x", **fields)
        assert (found["InvocationStatus"], found["ErrorCode"]) == ("Failed", code)
    assert node.ask("ls -A /srv /srv/deep")["Output"].split() == ["/srv:", "deep", "/srv/deep:", "er"]


def reached(address: str, port: int) -> bool:
    """Say whether a web server answers there."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def test_the_security_group_opens_and_closes_the_node(node: Node) -> None:
    """A rule lets its source in at its port and nobody at another; a drop before it, and its end, shut it again."""
    house, instance = node.house, node.instance
    node.ask("systemd-run -q python3 -m http.server 8080; systemd-run -q python3 -m http.server 8081")
    until(lambda: node.ask("curl -fsS -o /dev/null localhost:8080 localhost:8081")["ExitCode"] == 0)
    eip = house.vpc("AllocateEipAddress")
    house.vpc("AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=instance)
    address = eip["EipAddress"]
    rules = {"RegionId": REGION, "SecurityGroupId": describe(house, instance)["SecurityGroupIds"]["SecurityGroupId"][0]}
    rule = {"IpProtocol": "tcp", "PortRange": "8080/8080", "SourceCidrIp": "127.0.0.1/32"}
    assert not reached(address, 8080)
    house.call("AuthorizeSecurityGroup", **rules, Permissions=[{**rule, "SourceCidrIp": "203.0.113.7/32"}])
    house.cloud.background.join(10)
    assert not reached(address, 8080)
    house.call("AuthorizeSecurityGroup", **rules, Permissions=[{**rule, "Priority": "5"}])
    until(lambda: reached(address, 8080))
    assert not reached(address, 8081)
    drop = {**rule, "Policy": "drop", "Priority": "4"}
    house.call("AuthorizeSecurityGroup", **rules, Permissions=[drop])
    until(lambda: not reached(address, 8080))
    house.call("RevokeSecurityGroup", **rules, Permissions=[drop])
    until(lambda: reached(address, 8080))
    house.vpc("UnassociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=instance)
    until(lambda: not reached(address, 8080))


@contextmanager
def public(node: Node, port: int) -> Iterator[str]:
    """Give the node an address whose port is open to this machine; both are taken back."""
    house, groups = node.house, describe(node.house, node.instance)["SecurityGroupIds"]["SecurityGroupId"]
    rule = {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": "127.0.0.1/32"}
    fields = {"RegionId": REGION, "SecurityGroupId": groups[0], "Permissions": [rule]}
    house.call("AuthorizeSecurityGroup", **fields)
    eip = house.vpc("AllocateEipAddress")
    house.vpc("AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=node.instance)
    try:
        yield eip["EipAddress"]
    finally:
        house.vpc("UnassociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=node.instance)
        house.call("RevokeSecurityGroup", **fields)


def test_the_key_pair_logs_in_where_its_port_is_open(node: Node) -> None:
    """With the private key that CreateKeyPair told once, as the image's own user, and with no other key."""
    with public(node, 22) as address, paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())

        def logged_in(key: paramiko.PKey) -> bool:
            try:
                client.connect(address, username="debian", pkey=key, timeout=5, allow_agent=False, look_for_keys=False)
            except OSError:
                return False
            return True

        until(lambda: logged_in(paramiko.RSAKey.from_private_key(io.StringIO(node.private_key))))
        _, out, _ = client.exec_command("id -un; sudo -n id -un")
        assert out.read().decode().split() == ["debian", "root"]
        with pytest.raises(paramiko.AuthenticationException):
            logged_in(paramiko.RSAKey.generate(2048))


def test_a_stop_in_the_middle_interrupts_and_the_disk_stays(node: Node) -> None:
    """The command's result says so; after the start the node has the same address and its files."""
    before = describe(node.house, node.instance)["VpcAttributes"]
    invoke_id = send(node.house, node.instance, ": > /var/begun; sync; sleep 600", Timeout=3600)
    until(lambda: node.ask("test -e /var/begun")["ExitCode"] == 0)
    node.house.call("StopInstance", InstanceId=node.instance)
    found = result(node.house, invoke_id)
    assert (found["InvocationStatus"], found["ErrorCode"]) == ("Error", "ExecutionInterrupted")
    until(lambda: status(node.house, node.instance) == "Stopped", 40)
    node.house.call("StartInstance", InstanceId=node.instance)
    until(lambda: status(node.house, node.instance) == "Running", 40)
    assert node.ended("test -e /var/begun") == ("Success", "", 0)
    assert describe(node.house, node.instance)["VpcAttributes"] == before
