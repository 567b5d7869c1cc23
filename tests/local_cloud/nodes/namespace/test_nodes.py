"""Whole nodes: unmodified cloud-init, systemd, a network of their own, a disk that stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from garret.local_cloud.nodes.driver import Doors, DriverError, FileThere, NodeRequest, Rule
from garret.local_cloud.nodes.namespace import cgroups, sockets
from garret.local_cloud.nodes.namespace.driver import NamespaceDriver
from tests.local_cloud.house import until
from tests.local_cloud.nodes.namespace.conftest import Nodes

USER_DATA = """#cloud-config
write_files:
  - path: /srv/told
    content: from user-data
runcmd:
  - [sh, -c, "echo once >> /srv/boots; env > /srv/environment"]
"""
ADDRESS = "127.88.254.1"


def banner(source: str, address: str, port: int = 22) -> bytes:
    """Return the first bytes that a server says to a caller from one loopback address; nothing when it is closed."""
    with socket.socket() as caller:
        caller.settimeout(1)
        caller.bind((source, 0))
        try:
            caller.connect((address, port))
            return caller.recv(7)
        except OSError:
            return b""


def test_a_node_is_a_machine(nodes: Nodes) -> None:
    """cloud-init finds the vendor's metadata by itself, with a token; systemd runs with nothing failed; all by DHCP."""
    node = nodes.ready(nodes.make(10, USER_DATA))
    assert nodes.says(node, "cat /srv/told /srv/boots; hostname") == "from user-dataonce\nnode-10"
    assert "DataSourceAliYun" in nodes.run(node, "cloud-init status --long").output.decode()
    assert nodes.says(node, "systemctl is-system-running") == "running"
    assert "inet 192.168.1.10/24" in nodes.says(node, "ip -4 address show eth0")
    assert nodes.says(node, "ip route show default").startswith("default via 192.168.1.253")
    assert "GARRET_DRIVER=namespace" in nodes.says(node, "cat /srv/environment")
    assert nodes.metadata.asked[0][:2] == ("192.168.1.10", "PUT")
    assert "could not be resolved" not in nodes.says(node, "getent hosts mirrors.cloud.aliyuncs.com")
    assert "Reached target" in nodes.driver.console(node).decode("utf-8", "replace")
    # Root there is nobody here, and sees nothing of this machine.
    assert int(nodes.says(node, "awk '{ print $2 }' /proc/self/uid_map")) > 65_536
    assert nodes.run(node, f"ls {Path.cwd()}").exit_code != 0


def test_commands_have_a_user_a_time_and_an_end(nodes: Nodes) -> None:
    """Exit codes, limits of time and output, users and folders that are not there."""
    node = nodes.ready(nodes.make(10))
    assert nodes.run(node, "echo out; echo err >&2; exit 3").exit_code == 3
    done = nodes.run(node, "sleep 77 & setsid sleep 77", timeout_s=1)
    assert done.timed_out
    assert nodes.run(node, "pgrep -f 'sleep 77'").exit_code == 1
    long = nodes.run(node, "yes | head -c 40000; echo end")
    assert (len(long.output), long.dropped) == (24 * 1024, 40_004 - 24 * 1024)
    assert long.output.endswith(b"end\n")
    assert nodes.run(node, "id -un", user="nobody").output == b"nobody\n"
    with pytest.raises(DriverError, match="no user mallory"):
        nodes.run(node, "id", user="mallory")
    with pytest.raises(DriverError, match="/nowhere is not a folder"):
        nodes.driver.run(node, b"pwd", 10, "root", "/nowhere")


def test_files_arrive_whole_and_are_not_replaced_unasked(nodes: Nodes) -> None:
    """SendFile's half of the agent, in folders that it makes."""
    node, content = nodes.ready(nodes.make(10)), bytes(range(256)) * 90
    nodes.driver.put(node, "/srv/new/file", content, 0o640, overwrite=False)
    assert nodes.says(node, "stat -c '%a %s %U' /srv/new/file") == f"640 {len(content)} root"
    with pytest.raises(FileThere):
        nodes.driver.put(node, "/srv/new/file", b"other", 0o640, overwrite=False)
    nodes.driver.put(node, "/srv/new/file", b"other", 0o600, overwrite=True)
    assert nodes.says(node, "cat /srv/new/file; ls -A /srv/new") == "otherfile"
    # A link of the node's leads to a file of the node's, not of this machine's.
    nodes.says(node, "ln -s /etc /srv/link")
    nodes.driver.put(node, "/srv/link/planted", b"x", 0o600, overwrite=False)
    assert not Path("/etc/planted").exists()
    assert nodes.says(node, "cat /etc/planted") == "x"


def test_a_disk_stays_over_a_stop_a_reboot_and_a_cut_of_power(nodes: Nodes) -> None:
    """User-data runs once in a node's life; the private address is the same each time."""
    node = nodes.ready(nodes.make(10, USER_DATA))
    nodes.says(node, "echo mine > /srv/kept; sync")
    nodes.driver.stop(node, force=False)
    assert not nodes.driver.alive(node)
    with pytest.raises(DriverError, match="does not run"):
        nodes.run(node, "true")
    nodes.driver.boot(node)
    nodes.ready(node)
    boot = nodes.says(node, "cat /srv/boots /srv/kept; cat /proc/1/stat | cut -d' ' -f22")
    assert boot.startswith("once\nmine")
    nodes.run(node, "systemctl reboot --no-block")
    until(lambda: _boot_of(nodes, node) not in ("", boot.splitlines()[-1]), 30)
    nodes.ready(node)
    nodes.driver.stop(node, force=True)
    nodes.driver.boot(node)
    nodes.ready(node)
    assert nodes.says(node, "cat /srv/boots") == "once"
    assert "inet 192.168.1.10/24" in nodes.says(node, "ip -4 address show eth0")
    nodes.run(node, "systemctl poweroff --no-block")
    until(lambda: not nodes.driver.alive(node), 30)


def _boot_of(nodes: Nodes, node: str) -> str:
    """Return when the node's first process began, nothing while it goes down or comes up."""
    try:
        done = nodes.run(node, "cat /proc/1/stat | cut -d' ' -f22")
    except DriverError:
        return ""
    return done.output.decode().strip() if done.exit_code == 0 else ""


def test_security_groups_hold_from_outside_and_between_nodes(nodes: Nodes) -> None:
    """What no rule opens is closed, at the public address, inside the VPC, and for a scan from anywhere in it."""
    one, two = nodes.make(10), nodes.make(11)
    nodes.driver.attach_address(one, ADDRESS)
    for node in (one, two):
        nodes.ready(node)
    probe = "timeout 2 bash -c '</dev/tcp/192.168.1.10/22'"
    assert banner("127.0.0.1", ADDRESS) == b""
    assert nodes.run(two, probe).exit_code != 0
    nodes.driver.guard(one, (Rule("tcp", 22, 22, "127.0.0.1/32"), Rule("tcp", 22, 22, "192.168.1.0/24")))
    assert banner("127.0.0.1", ADDRESS) == b"SSH-2.0"
    assert banner("127.0.0.5", ADDRESS) == b""
    assert nodes.run(two, probe).exit_code == 0
    assert _open_ports(nodes, one, "203.0.113.10") == []
    # A node that takes another's address is heard by nobody: it could ask for the other's keys.
    nodes.says(two, "ip address add 192.168.1.10/32 dev lo")
    ask = "curl -s -m 2 --interface 192.168.1.10 -X PUT http://100.100.100.200/latest/api/token"
    assert nodes.run(two, ask).exit_code != 0
    nodes.says(two, "ip address del 192.168.1.10/32 dev lo")
    nodes.driver.guard(one, (Rule("tcp", 22, 22, "203.0.113.0/24"),))
    assert _open_ports(nodes, one, "203.0.113.10") == [22]
    assert nodes.run(two, probe).exit_code != 0
    nodes.driver.attach_address(one, None)
    with pytest.raises(ConnectionRefusedError), socket.create_connection((ADDRESS, 22), timeout=1):
        pass


def _open_ports(nodes: Nodes, node: str, source: str) -> list[int]:
    """Scan a node from an address outside its network, inside the namespace of its VPC; the ports that answer."""
    netns = nodes.driver.network_of(node)
    subprocess.run(["ip", "-n", netns, "addr", "replace", f"{source}/32", "dev", "lo"], check=True)

    def scan() -> list[int]:
        found = []
        for port in (22, 25, 53, 68, 80, 111, 443, 5355, 7860, 8080):
            with socket.socket() as caller:
                caller.settimeout(0.15)
                caller.bind((source, 0))
                if caller.connect_ex(("192.168.1.10", port)) == 0:
                    found.append(port)
        return found

    return sockets.inside(netns, scan)


def test_two_networks_are_strangers(nodes: Nodes) -> None:
    """The same addresses in two VPCs are two nodes, and neither reaches the other."""
    first = nodes.make(10, vpc="vpc-a")
    other = NodeRequest(
        "i-other", "", "192.168.1.10", "other", vpc_id="vpc-b", vpc_cidr="192.168.0.0/16",
        vswitch_cidr="192.168.1.0/24", mac="00:16:3e:00:00:0a",
    )  # fmt: skip
    nodes.driver.create(other)
    nodes.driver.boot("i-other")
    nodes.driver.guard("i-other", (Rule("tcp", 1, 65535, "0.0.0.0/0"),))
    nodes.ready("i-other")
    nodes.ready(first)
    assert nodes.run("i-other", "ip route get 192.168.1.11").exit_code == 0
    assert nodes.run("i-other", "timeout 1 bash -c '</dev/tcp/192.168.1.11/22'").exit_code != 0


def test_a_later_server_adopts_the_nodes_and_opens_their_doors_again(nodes: Nodes) -> None:
    """Nodes go on when the server is gone; the next one serves their metadata and their public addresses."""
    node = nodes.ready(nodes.make(10))
    nodes.driver.attach_address(node, ADDRESS)
    nodes.driver.guard(node, (Rule("tcp", 22, 22, "127.0.0.0/8"),))
    nodes.driver.disconnect()
    assert nodes.driver.alive(node)
    assert banner("127.0.0.1", ADDRESS) == b""
    later = NamespaceDriver(nodes.folder)
    later.connect(Doors("http://127.0.0.1:9", nodes.metadata.answer))
    try:
        assert banner("127.0.0.1", ADDRESS) == b"SSH-2.0"
        fetch = "curl -s -m 5 -X PUT http://100.100.100.200/latest/api/token"
        assert later.run(node, fetch.encode(), 10, "root", "/").output == b"a-token"
    finally:
        later.disconnect()


@pytest.mark.parametrize("victim", ["keeper", "init"])
def test_nothing_is_left_after_a_crash(nodes: Nodes, victim: str) -> None:
    """A keeper or a node killed outright takes all its processes along; clear leaves no namespace and no group."""
    node = nodes.ready(nodes.make(10))
    nodes.run(node, "systemd-run -q sleep 4242")
    door = nodes.driver.door_of(node)
    os.kill(door["pid" if victim == "keeper" else "init"], signal.SIGKILL)
    until(lambda: not nodes.driver.alive(node) and not Path(f"/proc/{door['init']}").exists(), 10)
    nodes.driver.stop(node, force=False)
    nodes.driver.clear()
    netns = nodes.driver.network_of(node)
    assert not (sockets.RUN / netns).exists()
    top = cgroups.root()
    assert top is not None
    assert not list(top.glob(f"garret-{netns[2:8]}-*"))
    assert str(nodes.folder) not in Path("/proc/self/mounts").read_text("utf-8")
    assert subprocess.run(["pgrep", "-f", "sleep 4242"], check=False, capture_output=True).stdout == b""


def test_an_image_is_a_frozen_disk_that_outlives_its_node(nodes: Nodes) -> None:
    """A node made from an image has what was on the disk; the image stays while a node stands on it, dropped or not."""
    node = nodes.ready(nodes.make(10, USER_DATA))
    nodes.says(node, "echo baked > /srv/baked; rm /etc/motd; cloud-init clean --logs; sync")
    nodes.driver.stop(node, force=False)
    assert nodes.driver.freeze(node, "m-one") > 0
    assert nodes.driver.has_image("m-one")
    nodes.driver.boot(node)  # the node itself goes on from where it was
    assert nodes.says(nodes.ready(node), "cat /srv/baked") == "baked"
    nodes.driver.destroy(node)
    twin = nodes.ready(nodes.make(12, USER_DATA, image_id="m-one"))
    assert nodes.says(twin, "cat /srv/baked; cat /srv/boots; hostname") == "baked\nonce\nonce\nnode-12"
    assert nodes.run(twin, "test -e /etc/motd").exit_code == 1
    nodes.driver.drop_image("m-one")
    assert not nodes.driver.has_image("m-one")
    assert nodes.says(twin, "cat /srv/baked") == "baked"
    nodes.driver.destroy(twin)
    assert not (nodes.folder.parent / "images" / "m-one").exists()


def test_a_boot_that_fails_says_why(nodes: Nodes) -> None:
    """A disk whose system is not there is told as such, and leaves nothing running."""
    node = nodes.ready(nodes.make(10))
    nodes.driver.stop(node, force=True)
    record = nodes.folder / node / "node.json"
    record.write_text(record.read_text("utf-8").replace("/base-", "/no-base-"), "utf-8")
    with pytest.raises(DriverError, match=r"the node did not start.*No such file"):
        nodes.driver.boot(node)
    started = time.monotonic()
    assert not nodes.driver.alive(node)
    assert time.monotonic() - started < 1
