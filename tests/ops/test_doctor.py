"""Doctor names what is wrong, with what mends it, and is not stopped by the first fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from garret.errors import CloudError
from garret.ops import policy
from garret.ops.doctor import Check, Wanted, cloud_checks, credential_check, local_checks, vcpus_of
from garret.ops.records import Quota
from tests.ops.fake import TYPE, World, cloud_of

WANTED = Wanted("cn-hangzhou", TYPE, "acs:ubuntu")


def checked(world: World, wanted: Wanted = WANTED) -> dict[str, Check]:
    """The checks by name."""
    return {one.name: one for one in cloud_checks(cloud_of(world), wanted)}


def test_where_all_is_well_nothing_is_to_mend(world: World, tmp_path: Path) -> None:
    """Every check is ok and no fix is shown."""
    world.quotas = [
        Quota("max-postpaid-instance-vcpu-count", "vCPUs", 100, 84),
        Quota("eip_quota_instances_num", "addresses", 20, 19),
    ]
    found = [*cloud_checks(cloud_of(world), WANTED), *local_checks(tmp_path / "home")]
    assert {one.state for one in found} == {"ok"}, found
    assert not any(one.fix for one in found)
    assert "user/studio" in checked(world)["account"].text


@pytest.mark.parametrize(("skew", "state"), [(10, "ok"), (-120, "warning"), (1000, "failed"), (-901, "failed")])
def test_a_clock_that_is_off_is_told(world: World, skew: float, state: str) -> None:
    """From fifteen minutes on, the cloud refuses every request."""
    world.skew_s = skew
    assert checked(world)["clock"].state == state


def test_a_missing_permission_is_named(world: World) -> None:
    """Each missing action by its exact name, and by the verbs that need it."""
    world.denied = {"ecs:StartInstance": "not authorized", "ros:DeleteStack": "not authorized"}
    found = checked(world)["permissions"]
    assert found.state == "failed"
    assert "missing: ecs:StartInstance (for " in found.text
    assert "ops start, " in found.text
    assert "ros:DeleteStack" in found.text
    assert "ecs:StopInstance" not in found.text
    assert "--policy" in found.fix


def test_quotas_are_held_against_the_need(world: World) -> None:
    """Eight vCPUs do not fit into seven that are left, nor one address more does not fit into a full house."""
    world.quotas = [
        Quota("max-postpaid-instance-vcpu-count", "vCPUs", 100, 93),
        Quota("vpc_quota_instances_num", "VPCs", 10, 3),
    ]
    found = checked(world)["quotas"]
    assert (found.state, "vCPUs: 93 of 100 used, 8 needed" in found.text, "VPCs" in found.text) == (
        "failed",
        True,
        False,
    )
    world.quotas = [Quota("eip_quota_instances_num", "addresses", 20, 20)]
    assert checked(world)["quotas"].state == "failed"


@pytest.mark.parametrize(
    ("kind", "count"), [("ecs.gn7i-c8g1.2xlarge", 8), ("ecs.gn7i-c32g1.16xlarge", 64), ("ecs.gn7i-2x.8xlarge", 32)]
)
def test_vcpus_by_name(kind: str, count: int) -> None:
    """As the vendor's table has them."""
    assert vcpus_of(kind) == count


def test_what_is_sold_out_or_not_sold_has_another(world: World) -> None:
    """A type without stock, and one that the region does not sell, lead to one that it has."""
    for kind in ("ecs.gn7i-c16g1.4xlarge", "ecs.gn7i-c99g1.99xlarge"):
        found = checked(world, Wanted("cn-hangzhou", kind, "acs:ubuntu"))["stock"]
        assert (found.state, found.fix) == ("failed", f"--instance-type {TYPE}")
    assert checked(world, Wanted("cn-atlantis", TYPE, "acs:ubuntu"))["region"].state == "failed"


def test_one_failing_check_hides_no_other(world: World) -> None:
    """A denied balance and a cloud without quotas are told; everything else is still asked."""
    world.refusals = {
        "QueryAccountBalance": CloudError("QueryAccountBalance", "NotAuthorized", "no"),
        "ListProductQuotas": CloudError("ListProductQuotas", "InvalidAction.NotFound", "not emulated"),
    }
    found = checked(world)
    assert (found["balance"].state, found["quotas"].state, found["stock"].state) == ("failed", "skipped", "ok")
    world.balance = (0.0, "CNY")
    assert checked(world)["balance"].state == "failed"


def test_credentials_are_told_by_their_place_only(tmp_path: Path) -> None:
    """The first rung that holds is named; a file that others may read is warned about; no key is ever shown."""
    home = {"HOME": str(tmp_path)}
    assert credential_check(home, "aliyun").state == "failed"
    assert credential_check(home, "local").state == "ok"
    file = tmp_path / ".aliyun/config.json"
    file.parent.mkdir()
    file.write_text('{"access_key_secret": "PLANTED"}')
    file.chmod(0o644)
    found = credential_check(home, "aliyun")
    assert (found.state, found.fix) == ("warning", f"chmod 600 {file}")
    file.chmod(0o600)
    assert credential_check(home, "aliyun") == Check("credentials", "ok", f"from {file}")
    keys = home | {"ALIBABA_CLOUD_ACCESS_KEY_ID": "PLANTED", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "PLANTED"}
    assert "PLANTED" not in str(credential_check(keys, "aliyun"))


def test_a_home_that_others_may_read_is_told(tmp_path: Path) -> None:
    """The folder and the file with the token."""
    home = tmp_path / "home"
    secret = home / "deployments/local/garret/login.json"
    secret.parent.mkdir(parents=True)
    secret.write_text("{}")
    home.chmod(0o700)
    secret.chmod(0o644)
    found = {one.name: one for one in local_checks(home)}["home"]
    assert (found.state, str(secret) in found.fix) == ("warning", True)


def test_the_policy_is_exact() -> None:
    """No wildcard, no full access, one document; what it needs is less than RAM's limit of 6,144 characters."""
    document = policy.document()
    actions = [action for statement in document["Statement"] for action in statement["Action"]]
    assert actions == policy.actions()
    assert not any("*" in action for action in actions)
    assert {statement["Effect"] for statement in document["Statement"]} == {"Allow"}
    assert len(str(document)) < 6144


def test_the_command_prints_the_policy_and_exits(tmp_path: Path) -> None:
    """For a file: JSON and nothing else, without any cloud."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-m", "garret.cli", "doctor", "--policy"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith('{\n  "Version": "1"')
    assert not (tmp_path / ".garret").exists()
