"""The whole thing as a person has it: a server of its own with process nodes, killed and brought back, ended whole."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from garret.local_cloud import daemon
from garret.local_cloud.nodes.processes import marked
from tests.local_cloud.house import until

# What anybody may write with nothing but the vendor's packages.
SCRIPT = """
import base64, json, sys, time
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.models import Config

endpoint, key, secret, verb, argument = sys.argv[1:]
host, region = endpoint.removeprefix("http://"), "cn-hangzhou"
ecs = Client(Config(access_key_id=key, access_key_secret=secret, endpoint=host, protocol="http", region_id=region))

def vpc(action, **params):
    request = CommonRequest(domain=host, version="2016-04-28", action_name=action)
    request.set_method("POST")
    for name, value in {"RegionId": region, **params}.items():
        request.add_query_param(name, value)
    return json.loads(AcsClient(key, secret, region).do_action_with_exception(request))

def status(id):
    request = models.DescribeInstancesRequest(region_id=region, instance_ids=json.dumps([id]))
    found = ecs.describe_instances(request).body.instances.instance
    return found[0].status if found else ""

def until(id, wanted):
    for _ in range(600):
        if status(id) == wanted:
            return
        time.sleep(0.05)
    sys.exit(f"{id} is {status(id)}, not {wanted}")

if verb == "run":
    net = vpc("CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    switch = vpc("CreateVSwitch", VpcId=net, CidrBlock="192.168.1.0/24", ZoneId="cn-hangzhou-i")["VSwitchId"]
    group = ecs.create_security_group(models.CreateSecurityGroupRequest(region_id=region, vpc_id=net)).body
    request = models.RunInstancesRequest(
        region_id=region, instance_type="ecs.gn7i-c16g1.4xlarge", v_switch_id=switch,
        security_group_id=group.security_group_id, image_family="acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda",
        user_data=base64.b64encode(argument.encode()).decode(),
        system_disk=models.RunInstancesRequestSystemDisk(size="100"),
    )
    id = ecs.run_instances(request).body.instance_id_sets.instance_id_set[0]
    until(id, "Running")
    print(id)
elif verb == "stop":
    ecs.stop_instance(models.StopInstanceRequest(instance_id=argument, stopped_mode="StopCharging"))
    until(argument, "Stopped")
elif verb == "start":
    ecs.start_instance(models.StartInstanceRequest(instance_id=argument))
    until(argument, "Running")
elif verb == "status":
    print(status(argument))
elif verb == "delete":
    ecs.delete_instance(models.DeleteInstanceRequest(instance_id=argument, force=True))
    until(argument, "")
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose local cloud is ended afterwards."""
    yield tmp_path / "home"
    daemon.down(tmp_path / "home", erase=True)


def sdk(home: Path, verb: str, argument: str) -> str:
    """Run the script against the home's local cloud, as a program that knows nothing of garret."""
    record = daemon.up(home)
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, record.endpoint, record.access_key_id, record.access_key_secret, verb,
         argument],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def page(port: int) -> str:
    """Return what the node's web server says, or nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/boots", timeout=5) as reply:
            return str(reply.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


def user_data(port: int) -> str:
    """User-data of a node that counts its first boots and serves the count."""
    unit = textwrap.dedent(
        f"""\
        [Service]
        ExecStart="{sys.executable}" -m http.server --bind 127.0.0.1 --directory @srv@ {port}
        Restart=on-failure
        """
    )
    install = 'sed -i "s|@srv@|$GARRET_PREFIX/srv|" "$GARRET_PREFIX/etc/systemd/system/web.service"'
    document = {
        "write_files": [{"path": "/etc/systemd/system/web.service", "content": unit}],
        "runcmd": [
            ["sh", "-c", f'mkdir -p "$GARRET_PREFIX/srv"; echo once >> "$GARRET_PREFIX/srv/boots"; {install}'],
            ["systemctl", "enable", "--now", "web"],
        ],
    }
    return "#cloud-config\n" + yaml.safe_dump(document)


def test_a_node_outlives_its_server_and_nothing_outlives_down(home: Path) -> None:
    """kill -9 of the server leaves the node serving; it is adopted, stopped, started on its disk, and ended by down."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    instance = sdk(home, "run", user_data(port))
    until(lambda: page(port) == "once\n", 30)
    server = daemon.status(home).pid
    assert server is not None
    os.kill(server, signal.SIGKILL)
    until(lambda: not daemon.status(home).running)
    assert page(port) == "once\n"
    init = json.loads((home / "local-cloud/nodes" / instance / "init.json").read_text())["pid"]
    assert sdk(home, "status", instance) == "Running"
    assert json.loads((home / "local-cloud/nodes" / instance / "init.json").read_text())["pid"] == init
    sdk(home, "stop", instance)
    assert page(port) == ""
    assert marked(instance) == []
    sdk(home, "start", instance)
    until(lambda: page(port) == "once\n", 30)
    daemon.down(home)
    assert marked(instance) == []
    assert page(port) == ""
    daemon.up(home)
    until(lambda: page(port) == "once\n", 30)
    sdk(home, "delete", instance)
    assert marked(instance) == []
    assert not (home / "local-cloud/nodes" / instance).exists()


def test_what_a_killed_node_leaves_is_ended(home: Path) -> None:
    """After kill -9 of a node's first process down ends its children; up boots it on its disk."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    instance = sdk(home, "run", user_data(port))
    until(lambda: page(port) == "once\n", 30)
    init = json.loads((home / "local-cloud/nodes" / instance / "init.json").read_text())["pid"]
    os.kill(init, signal.SIGKILL)
    until(lambda: init not in marked(instance))
    assert marked(instance)
    daemon.down(home)
    assert marked(instance) == []
    assert page(port) == ""
    daemon.up(home)
    until(lambda: page(port) == "once\n", 30)
