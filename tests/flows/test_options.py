"""Every option of a deployment, from a file and from flags, carried out, changed in place, and seen by the SDK."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import house_at
from tests.flows.house import House

pytestmark = pytest.mark.flow

SMALL, LARGER = "ecs.gn7i-c8g1.2xlarge", "ecs.gn7i-c16g1.4xlarge"
PASSWORD, NODE_PASSWORD = "Correct-horse-7", "Node-horse-9"
FILE = """\
name: film
region: cn-hangzhou
zone: cn-hangzhou-j
charge_type: Spot
spot_price_limit: 9.5
disk_size_gib: 120
bandwidth_mbps: 20
domain: pictures.example.com
login: artist
key_pair: studio
resource_group: rg-acfm2garretstudio
tags: {team: studio, "cost center": "47\\"11"}
fallback_zones: [cn-hangzhou-i]
fallback_types: [ecs.gn7i-c32g1.8xlarge]
max_price_per_hour: 30
allow_cidr: [127.0.0.0/16]
autostop_min: 1h
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all of these."""
    with house_at(tmp_path_factory.mktemp("options") / "home") as house:
        yield house


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def machine_of(house: House, name: str) -> Any:
    """The machine of a deployment, as the SDK sees it."""
    tagged = [one for one in house.instances() if tags_of(one).get("garret:deployment") == name]
    assert len(tagged) == 1
    return tagged[0]


def tags_of(machine: Any) -> dict[str, str]:
    """Its tags."""
    return {one.tag_key: one.tag_value for one in machine.tags.tag}


def address_of(house: House, machine: Any) -> Any:
    """The public address of a machine, with its bandwidth."""
    found = house.ask("vpc", "DescribeEipAddresses", AssociatedInstanceId=machine.instance_id,
                      AssociatedInstanceType="EcsInstance")  # fmt: skip
    return found["EipAddresses"]["EipAddress"][0]


def rules_of(house: House, machine: Any) -> list[tuple[str, str]]:
    """Who may come in, and at which ports."""
    group = machine.security_group_ids.security_group_id[0]
    found = house.ask("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group, Direction="ingress")
    return sorted((rule["SourceCidrIp"], rule["PortRange"]) for rule in found["Permissions"]["Permission"])


def test_a_file_and_flags_make_one_deployment_that_changes_in_place(house: House, tmp_path: Path) -> None:
    """All options at once: shown, made, seen; then bandwidth, ranges, tags, disk and type, and nothing done twice."""
    house.ask("ecs", "CreateKeyPair", KeyPairName="studio")
    file, port = tmp_path / "studio.yaml", free_port()
    file.write_text(FILE, "utf-8")
    said = ("deploy", "--file", str(file), "--bandwidth", "30", "--port", str(port), "--instance-type", LARGER)
    written = house.calls("write")
    plan = house.json(*said, "--dry-run")
    assert house.calls("write") == written, "a dry run writes nothing"
    assert not (house.home / "deployments" / "local" / "film").exists(), "and remembers nothing"
    assert (plan["zone"], plan["stock"], len(plan["resources"])) == ("cn-hangzhou-j", "in stock", 9)
    assert plan["prices"]["stopped_per_hour"]["amount"] < plan["prices"]["running_per_hour"]["amount"] < 30

    made = house.json(*said, "--yes", GARRET_PASSWORD=PASSWORD)
    assert (made["login"], made["domain_endpoint"]) == ("artist", f"http://pictures.example.com:{port}")
    assert made["endpoint"].endswith(f":{port}")
    machine = machine_of(house, "film")
    seen = (machine.instance_type, machine.zone_id, machine.spot_strategy, machine.key_pair_name)
    assert seen == (LARGER, "cn-hangzhou-j", "SpotWithPriceLimit", "studio")
    assert machine.resource_group_id == "rg-acfm2garretstudio"
    tags = tags_of(machine)
    assert (tags["team"], tags["cost center"]) == ("studio", '47"11')
    assert address_of(house, machine)["Bandwidth"] == "30"
    assert rules_of(house, machine) == [("127.0.0.0/16", f"{port}/{port}")]
    (stack,) = house.stacks()
    assert {one.key: one.value for one in stack.tags}["team"] == "studio"
    written = house.calls("write")
    assert house.json(*said, "--yes")["changed"] is False
    assert house.calls("write") == written, "a second deploy with nothing to change writes nothing"

    change(house, machine)


def change(house: House, machine: Any) -> None:
    """Change what was just made, without and with a restart, and while it is stopped."""
    written = house.calls("write")
    shown = house.json("update", "film", "--bandwidth", "50", "--dry-run")
    assert [(one["field"], one["effect"]) for one in shown["changes"]] == [("bandwidth_mbps", "live")]
    assert house.calls("write") == written
    live = ("--bandwidth", "50", "--allow-cidr", "127.0.0.0/8", "--tag", "team=films", "--disk-size", "150")
    assert house.json("update", "film", *live, "--yes")["changed"] is True
    same = machine_of(house, "film")
    assert (same.instance_id, tags_of(same)["team"]) == (machine.instance_id, "films")
    assert address_of(house, same)["Bandwidth"] == "50"
    assert [who for who, _ in rules_of(house, same)] == ["127.0.0.0/8"]
    (disk,) = house.ask("ecs", "DescribeDisks", InstanceId=same.instance_id)["Disks"]["Disk"]
    assert disk["Size"] == 150

    house.faults(stock={f"cn-hangzhou-j/{SMALL}": "WithoutStock"})
    written = house.calls("write")
    refused = house.run("update", "film", "--instance-type", SMALL, "--yes")
    assert refused.returncode == 2
    assert f"cn-hangzhou-j has no {SMALL} now" in refused.stderr
    assert house.calls("write") == written
    house.clear_faults()
    told = house.garret("update", "film", "--instance-type", SMALL, "--yes")
    assert "the node stops and starts again" in told
    smaller = machine_of(house, "film")
    assert (smaller.instance_id, smaller.instance_type) == (machine.instance_id, SMALL)
    refused = house.run("deploy", "film", "--domain", "other.example.com", "--yes")
    assert refused.returncode == 2
    assert "needs a new node: domain: pictures.example.com → other.example.com" in refused.stderr

    house.garret("ops", "stop", "film")
    assert house.json("update", "film", "--bandwidth", "60", "--yes")["state"] == "stopped"
    assert address_of(house, machine_of(house, "film"))["Bandwidth"] == "60"
    house.garret("delete", "film", "--yes")
    assert (house.stacks(), house.instances(), house.billed()) == ([], [], [])


def test_a_network_that_exists_is_used_and_left_as_it_was(house: House) -> None:
    """With a password for the node, which is told to the cloud, kept for its owner only, and forgotten by delete."""
    network = house.ask("vpc", "CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]
    switch = house.ask("vpc", "CreateVSwitch", VpcId=network, ZoneId="cn-hangzhou-j", CidrBlock="10.1.0.0/16")[
        "VSwitchId"
    ]
    there = ("--vpc-id", network, "--vswitch-id", switch, "--region", "cn-hangzhou", "--port", str(free_port()))
    wrong = house.run("deploy", "guest", *there, "--zone", "cn-hangzhou-i", "--yes")
    assert (wrong.returncode, f"{switch} is in cn-hangzhou-j" in wrong.stderr) == (2, True)
    unasked = house.run("deploy", "guest", *there, "--instance-password", "--yes")
    assert (unasked.returncode, "GARRET_INSTANCE_PASSWORD" in unasked.stderr) == (2, True)
    killed = house.run(
        "deploy", "guest", *there, "--instance-password", "--yes",
        GARRET_INSTANCE_PASSWORD=NODE_PASSWORD, GARRET_CRASH_AT="deploy.journaled",
    )  # fmt: skip
    assert killed.returncode == -9
    assert house.json("deploy", "guest", "--yes")["state"] == "running"
    machine = machine_of(house, "guest")
    assert (machine.vpc_attributes.vpc_id, machine.vpc_attributes.v_switch_id) == (network, switch)
    folder = house.home / "deployments/local/guest"
    kept = folder / "instance-password"
    assert (kept.read_text("utf-8"), kept.stat().st_mode & 0o777) == (NODE_PASSWORD, 0o600)
    assert NODE_PASSWORD not in (folder / "journal.jsonl").read_text("utf-8")
    (stack,) = house.stacks()
    assert NODE_PASSWORD not in json.dumps(house.ask("ros", "GetStack", StackId=stack.stack_id))
    house.garret("delete", "guest", "--yes")
    assert not kept.exists()
    assert house.billed() == []
    assert house.ask("vpc", "DescribeVSwitches", VpcId=network)["TotalCount"] == 1


def test_what_is_paid_in_advance_is_priced_for_its_period(house: House) -> None:
    """Three months of a machine, and a limit per hour that the whole of it is held against."""
    asked = ("deploy", "yearly", "--region", "cn-hangzhou", "--charge-type", "Subscription", "--period", "3")
    written = house.calls("write")
    prices = house.json(*asked, "--dry-run")["prices"]
    assert (prices["advance_months"], prices["advance"]["made_up"]) == (3, True)
    spread = prices["advance"]["amount"] / (3 * 730) + prices["running_per_hour"]["amount"]
    refused = house.run(*asked, "--max-price", f"{spread - 0.5:.4f}", "--dry-run")
    assert refused.returncode == 2
    assert "0.50 more than the limit" in refused.stderr
    assert house.json(*asked, "--max-price", f"{spread + 0.01:.4f}", "--dry-run")["changed"] is True
    assert house.calls("write") == written
