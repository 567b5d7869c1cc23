"""The machines of ECS by its typed client."""

from __future__ import annotations

import json
from typing import Any

from garret.ops.aliyun.session import Session
from garret.ops.cloud import DEPLOYMENT_TAG, Instance

PAGE = 50


class EcsInstances:
    """Instances of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def tagged(self, deployment: str) -> list[Instance]:
        """The instances of a deployment."""
        tag = _models().DescribeInstancesRequestTag(key=DEPLOYMENT_TAG, value=deployment)
        request = _models().DescribeInstancesRequest(region_id=self._session.region, tag=[tag], max_results=PAGE)
        reply = self._session.call("DescribeInstances", lambda: self._session.ecs.describe_instances(request))
        found = reply.body.instances.instance if reply.body.instances else []
        return [_instance(raw) for raw in found or []]

    def get(self, instance_id: str) -> Instance | None:
        """An instance by its id; None when it is gone."""
        request = _models().DescribeInstancesRequest(
            region_id=self._session.region, instance_ids=json.dumps([instance_id])
        )
        reply = self._session.call("DescribeInstances", lambda: self._session.ecs.describe_instances(request))
        found = (reply.body.instances.instance if reply.body.instances else []) or []
        return _instance(found[0]) if found else None

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


def _instance(raw: Any) -> Instance:
    public = ""
    if raw.eip_address and raw.eip_address.ip_address:
        public = raw.eip_address.ip_address
    elif raw.public_ip_address and raw.public_ip_address.ip_address:
        public = raw.public_ip_address.ip_address[0]
    tags = raw.tags.tag if raw.tags else []
    return Instance(
        id=raw.instance_id,
        status=raw.status,
        instance_type=raw.instance_type or "",
        zone=raw.zone_id or "",
        public_ip=public,
        stopped_mode=raw.stopped_mode or "",
        tags={tag.tag_key: tag.tag_value for tag in tags or []},
    )


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
