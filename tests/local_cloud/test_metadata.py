"""Metadata for nodes without a network of their own: what the vendor documents, at an address that is a secret."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from garret.local_cloud import metadata
from garret.service_runtime.metadata import Metadata, MetadataError
from garret.service_runtime.self_stop import SelfStop, StopRefused
from tests.local_cloud.house import House, until
from tests.local_cloud.machines import describe, running
from tests.service_runtime.living import fake_settings, serving

TRUST = {
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["ecs.aliyuncs.com"]}}],
}


def role(house: House, wanted_tag: str = "pictures", name: str = "stopper") -> str:
    """Make a role that may stop instances with this deployment's tag."""
    house.ram("CreateRole", RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    condition = {"StringEquals": {"acs:ResourceTag/garret:deployment": [wanted_tag]}}
    statement = {"Effect": "Allow", "Action": ["ecs:StopInstance"], "Resource": ["*"], "Condition": condition}
    document = json.dumps({"Version": "1", "Statement": [statement]})
    house.ram("CreatePolicy", PolicyName=f"{name}-policy", PolicyDocument=document)
    house.ram("AttachPolicyToRole", PolicyType="Custom", PolicyName=f"{name}-policy", RoleName=name)
    return name


def node(house: House, **fields: object) -> str:
    """Run an instance of the deployment `pictures`."""
    return running(house, Tag=[{"Key": "garret:deployment", "Value": "pictures"}], **fields)


def doors(house: House, instance: str) -> dict[str, str]:
    """What the node was told."""
    return metadata.environment(house.cloud, instance)


def test_a_node_learns_who_it_is(house: House) -> None:
    """Its id, region and zone; what is not there is an error, and so is a wrong secret."""
    instance = node(house, HttpTokens="required")
    url = doors(house, instance)["GARRET_METADATA_URL"]
    known = Metadata(url)
    assert known.text("meta-data/instance-id") == instance
    assert known.text("meta-data/region-id") == "cn-hangzhou"
    assert json.loads(known.text("meta-data/all"))["vpc-id"] == describe(house, instance)["VpcAttributes"]["VpcId"]
    with pytest.raises(MetadataError, match="404"):
        known.text("user-data")
    with pytest.raises(MetadataError, match="404"):
        known.text("meta-data/nothing-such")
    with pytest.raises(MetadataError, match="no RAM role"):
        known.role_keys()
    with pytest.raises(MetadataError, match="404"):
        Metadata(url.replace(instance, "i-other")).text("meta-data/instance-id")
    path = url.partition(house.host)[2]
    with pytest.raises(urllib.error.HTTPError, match="403"):  # without a token, where the instance requires one
        urllib.request.urlopen(f"http://{house.host}{path}/meta-data/instance-id", timeout=5)


def test_a_node_stops_itself_and_nobody_else(house: House) -> None:
    """With its role's keys: itself by its tag, not another's machine, and nothing but stop."""
    instance = node(house, RamRoleName=role(house))
    where = doors(house, instance)
    other = running(house)
    stranger = SelfStop(Masked(where["GARRET_METADATA_URL"], other), where["GARRET_ENDPOINT_ECS"])
    with pytest.raises(StopRefused, match="Forbidden"):
        stranger()
    SelfStop(Metadata(where["GARRET_METADATA_URL"]), where["GARRET_ENDPOINT_ECS"])()
    until(lambda: describe(house, instance)["Status"] == "Stopped")
    assert describe(house, instance)["StoppedMode"] == "StopCharging"
    assert describe(house, other)["Status"] == "Running"


def test_a_node_without_the_right_is_refused_and_says_so(house: House) -> None:
    """In the cloud's words, with its request id."""
    instance = node(house, RamRoleName=role(house, wanted_tag="something-else"))
    where = doors(house, instance)
    with pytest.raises(StopRefused, match=r"StopInstance: Forbidden\.RAM: .*\(request [0-9A-F-]{36}\)"):
        SelfStop(Metadata(where["GARRET_METADATA_URL"]), where["GARRET_ENDPOINT_ECS"])()


def test_a_service_that_nobody_uses_has_its_node_stopped(house: House, tmp_path: Path) -> None:
    """The real service, with its own clock: two seconds without a sign of life."""
    instance = node(house, RamRoleName=role(house))
    where = doors(house, instance)
    settings = fake_settings(
        tmp_path, autostop_s=2.0, metadata_url=where["GARRET_METADATA_URL"], ecs_endpoint=where["GARRET_ENDPOINT_ECS"]
    )
    with serving(settings) as service:
        assert service.call("GET", "/machine").json["autostop"]["after_s"] == 2.0
        until(lambda: describe(house, instance)["Status"] in ("Stopping", "Stopped"))
        until(lambda: service.call("GET", "/machine").json["autostop"]["asked"])
    assert describe(house, instance)["StoppedMode"] == "StopCharging"


def test_the_keys_end_with_the_instance(house: House) -> None:
    """What was handed out is good for nothing once the machine is released."""
    instance = node(house, RamRoleName=role(house))
    keys = Metadata(doors(house, instance)["GARRET_METADATA_URL"]).role_keys()
    where = doors(house, instance)["GARRET_ENDPOINT_ECS"]
    house.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: not describe(house, instance))
    with pytest.raises(StopRefused, match="InvalidAccessKeyId"):
        SelfStop(Known(keys, instance), where)()


class Masked(Metadata):
    """Metadata that says it is another machine."""

    def __init__(self, url: str, instance: str) -> None:
        super().__init__(url)
        object.__setattr__(self, "instance", instance)

    def text(self, path: str) -> str:
        """The other's id, else the truth."""
        return str(self.instance) if path == "meta-data/instance-id" else super().text(path)  # type: ignore[attr-defined]


class Known(Metadata):
    """Metadata that somebody wrote down."""

    def __init__(self, keys: object, instance: str) -> None:
        super().__init__("http://127.0.0.1:9")
        object.__setattr__(self, "kept", (keys, instance))

    def text(self, path: str) -> str:
        """As written down."""
        return {"meta-data/instance-id": self.kept[1], "meta-data/region-id": "cn-hangzhou"}[path]  # type: ignore[attr-defined]

    def role_keys(self) -> object:  # type: ignore[override]
        """As written down."""
        return self.kept[0]  # type: ignore[attr-defined]
