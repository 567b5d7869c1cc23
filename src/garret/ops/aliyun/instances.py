"""The machines of ECS: signed reads look, its typed client starts and stops."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.pages import by_token, rows
from garret.ops.aliyun.session import Session
from garret.ops.cloud import DEPLOYMENT_TAG, Instance


class EcsInstances:
    """Instances of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def tagged(self, deployment: str) -> list[Instance]:
        """The instances of a deployment."""
        tag = {"Key": DEPLOYMENT_TAG, "Value": deployment}
        found = by_token(self._session, "ecs", "DescribeInstances", {"Tag": [tag]}, "Instances.Instance")
        return [_instance(raw) for raw in found]

    def made_of(self, image_id: str) -> list[Instance]:
        """The instances that were made of an image."""
        found = by_token(self._session, "ecs", "DescribeInstances", {"ImageId": image_id}, "Instances.Instance")
        return [_instance(raw) for raw in found]

    def get(self, instance_id: str) -> Instance | None:
        """An instance by its id; None when it is gone."""
        reply = self._session.read("ecs", "DescribeInstances", {"InstanceIds": json.dumps([instance_id])})
        return next((_instance(raw) for raw in rows(reply, "Instances.Instance")), None)

    def console(self, instance_id: str) -> str:
        """What the machine wrote to its console; empty when it is gone or wrote nothing."""
        wanted = {"InstanceId": instance_id, "RemoveSymbols": True}
        try:
            reply = self._session.read("ecs", "GetInstanceConsoleOutput", wanted)
        except CloudError as error:
            if error.code.startswith("InvalidInstanceId"):
                return ""
            raise
        return base64.b64decode(reply.get("ConsoleOutput") or "").decode("utf-8", "replace")

    def start(self, instance_id: str) -> None:
        """Ask for a stopped instance to start."""
        request = _models().StartInstanceRequest(instance_id=instance_id)
        # Sent twice, the second says IncorrectInstanceStatus: no harm, but no success either. The caller looks.
        self._session.call("StartInstance", lambda: self._session.ecs.start_instance(request), again=False)

    def stop(self, instance_id: str, *, economical: bool) -> None:
        """Ask for an instance to stop; `economical` also stops paying for it."""
        mode = "StopCharging" if economical else "KeepCharging"
        request = _models().StopInstanceRequest(instance_id=instance_id, stopped_mode=mode)
        self._session.call("StopInstance", lambda: self._session.ecs.stop_instance(request), again=False)

    def release(self, instance_id: str, at: str) -> None:
        """Have an instance released at a time ("2026-01-31T08:00:00Z", half an hour ahead or more); empty: not at all.

        The same again changes nothing.
        """
        request = _models().ModifyInstanceAutoReleaseTimeRequest(
            instance_id=instance_id, region_id=self._session.region, auto_release_time=at or None
        )
        self._session.call(
            "ModifyInstanceAutoReleaseTime", lambda: self._session.ecs.modify_instance_auto_release_time(request)
        )


def _instance(raw: Mapping[str, Any]) -> Instance:
    addresses = (raw.get("PublicIpAddress") or {}).get("IpAddress") or [""]
    tags = (raw.get("Tags") or {}).get("Tag") or []
    return Instance(
        id=raw["InstanceId"],
        status=raw["Status"],
        instance_type=raw.get("InstanceType") or "",
        zone=raw.get("ZoneId") or "",
        public_ip=(raw.get("EipAddress") or {}).get("IpAddress") or addresses[0],
        stopped_mode=raw.get("StoppedMode") or "",
        tags={tag["TagKey"]: tag.get("TagValue") or "" for tag in tags},
        release_at=raw.get("AutoReleaseTime") or "",
    )


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
