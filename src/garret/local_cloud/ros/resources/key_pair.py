"""ALIYUN::ECS::SSHKeyPair and SSHKeyPairAttachment: keys that are made or brought along, and who has them."""

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ACCOUNT_ID, ApiError
from garret.local_cloud.ros.resources.base import (
    ResourceType,
    Work,
    forget_intent,
    gone,
    make_once,
    sync_tags,
    tags_drift,
    truth,
)

PRIVATE_KEY = "ros_private_key"  # a kind of record: the private key of a pair that a stack made, for its attribute


def _there(work: Work, name: str) -> bool:
    return bool(work.call("Ecs", "DescribeKeyPairs", KeyPairName=name)["KeyPairs"]["KeyPair"])


class SshKeyPair(ResourceType):
    """A key pair: made with PrivateKeyBody to be read from it, or only kept when PublicKeyBody is given."""

    name = "ALIYUN::ECS::SSHKeyPair"
    attributes = ("KeyPairName", "KeyPairFingerPrint", "PrivateKeyBody", "Arn")
    carried = frozenset({"KeyPairName", "PublicKeyBody", "ResourceGroupId", "Tags"})
    updatable = frozenset({"Tags"})

    def _slot(self, work: Work) -> str:
        return f"{work.stack_id}/{work.name}/{work.physical_id}"

    def create(self, work: Work) -> str:
        """Makes or brings the key."""
        asked = {key: work.properties.get(key) for key in ("KeyPairName", "ResourceGroupId", "PublicKeyBody")}
        asked = {key: value for key, value in asked.items() if value} | {"Tag": work.tag_list()}
        if work.physical_id:
            return work.physical_id  # a crash came after it was made
        name = str(work.properties["KeyPairName"])
        if work.properties.get("PublicKeyBody"):
            make_once(work, name, lambda: work.call("Ecs", "ImportKeyPair", **asked), lambda: _there(work, name))
        else:
            self._make(work, name, asked)
        with work.cloud.store.transaction():
            work.made(name)
            forget_intent(work, name)
        return name

    def _make(self, work: Work, name: str, asked: Mapping[str, Any]) -> None:
        """A pair whose answer was lost is made anew: nobody has its private key."""

        def make() -> None:
            private = work.call("Ecs", "CreateKeyPair", **asked)["PrivateKeyBody"]
            work.cloud.store.put(PRIVATE_KEY, f"{work.stack_id}/{work.name}/{name}", {"private": private})

        fresh = make_once(work, name, make, lambda: _there(work, name))
        if not fresh and work.cloud.store.get(PRIVATE_KEY, f"{work.stack_id}/{work.name}/{name}") is None:
            work.call("Ecs", "DeleteKeyPairs", KeyPairNames=json.dumps([name]))
            make()

    def _describe(self, work: Work) -> dict[str, Any]:
        found = work.call("Ecs", "DescribeKeyPairs", KeyPairName=work.physical_id)["KeyPairs"]["KeyPair"]
        return found[0] if found else {}

    def read(self, work: Work) -> dict[str, Any]:
        """Name, fingerprint, and the private key of a pair that was made here."""
        private = (work.cloud.store.get(PRIVATE_KEY, self._slot(work)) or {}).get("private", "")
        arn = f"acs:ecs:{work.region}:{ACCOUNT_ID}:keypair/{work.physical_id}"
        fingerprint = self._describe(work).get("KeyPairFingerPrint", "")
        return {
            "KeyPairName": work.physical_id,
            "KeyPairFingerPrint": fingerprint,
            "PrivateKeyBody": private,
            "Arn": arn,
        }

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes the tags."""
        sync_tags(work, before, "Ecs", "keypair", str(self._describe(work)["KeyPairId"]))

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Name and tags."""
        found = self._describe(work)
        if not found:
            return None
        return {"KeyPairName": found["KeyPairName"], "Tags": tags_drift(work, found["Tags"])}

    def delete(self, work: Work) -> None:
        """Forgets the pair with its private key."""
        work.call("Ecs", "DeleteKeyPairs", KeyPairNames=json.dumps([work.physical_id]))
        work.cloud.store.delete(PRIVATE_KEY, self._slot(work))


class SshKeyPairAttachment(ResourceType):
    """A key pair on machines."""

    name = "ALIYUN::ECS::SSHKeyPairAttachment"
    attributes = ()
    carried = frozenset({"KeyPairName", "InstanceIds", "AutoReboot"})

    def _call(self, work: Work, action: str, **more: Any) -> dict[str, Any]:
        ids = json.dumps([str(one) for one in work.properties["InstanceIds"]])
        return work.call("Ecs", action, KeyPairName=work.properties["KeyPairName"], InstanceIds=ids, **more)

    def create(self, work: Work) -> str:
        """Gives the machines the key, and boots them again when asked."""
        reply = self._call(work, "AttachKeyPair")
        for one in reply["Results"]["Result"]:
            if one["Success"] != "true":
                raise ApiError(one["Code"], one["Message"])
        if truth(work.properties.get("AutoReboot")):
            for instance_id in work.properties["InstanceIds"]:
                work.call("Ecs", "RebootInstance", InstanceId=str(instance_id))
        return f"{work.properties['KeyPairName']}:{work.token}"

    def read(self, work: Work) -> dict[str, Any]:  # noqa: ARG002 - there is nothing to read
        """It has no attributes."""
        return {}

    def delete(self, work: Work) -> None:
        """Takes the key from the machines; what is gone is no failure."""
        try:
            self._call(work, "DetachKeyPair")
        except ApiError as problem:
            if not gone(problem):
                raise
