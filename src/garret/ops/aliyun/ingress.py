"""Doors in a machine's security group: opened for one range of callers, known by their note, and closed again."""

from __future__ import annotations

import json
from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.pages import rows
from garret.ops.aliyun.session import Session

_GONE = ("InvalidSecurityGroupId.NotFound", "InvalidSecurityGroupRuleId.NotFound")


class EcsIngress:
    """The security groups of one region's machines."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def groups(self, instance_id: str) -> list[str]:
        """The security groups of a machine; none when it is gone."""
        reply = self._session.read("ecs", "DescribeInstances", {"InstanceIds": json.dumps([instance_id])})
        return [
            str(group)
            for raw in rows(reply, "Instances.Instance")
            for group in (raw.get("SecurityGroupIds") or {}).get("SecurityGroupId") or []
        ]

    def open(self, group_id: str, port: int, cidr: str, note: str, *, token: str) -> None:
        """Let callers of a range in at a TCP port; a rule that says the same already is fine, and stays as it is."""
        models = _models()
        rule = models.AuthorizeSecurityGroupRequestPermissions(
            ip_protocol="TCP", port_range=f"{port}/{port}", source_cidr_ip=cidr, policy="accept", priority="1",
            description=note,
        )  # fmt: skip
        request = models.AuthorizeSecurityGroupRequest(
            region_id=self._session.region, security_group_id=group_id, permissions=[rule], client_token=token
        )
        self._session.call("AuthorizeSecurityGroup", lambda: self._session.ecs.authorize_security_group(request))

    def opened(self, group_id: str, note: str) -> dict[str, str]:
        """The rules whose note begins so, by their id: what each lets in, as "203.0.113.7/32 22/22"."""
        wanted = {"SecurityGroupId": group_id, "Direction": "ingress"}
        try:
            reply = self._session.read("ecs", "DescribeSecurityGroupAttribute", wanted)
        except CloudError as error:
            if error.code in _GONE:
                return {}
            raise
        return {
            str(rule["SecurityGroupRuleId"]): f"{rule.get('SourceCidrIp') or ''} {rule.get('PortRange') or ''}"
            for rule in rows(reply, "Permissions.Permission")
            if str(rule.get("Description") or "").startswith(note)
        }

    def close(self, group_id: str, rule_ids: list[str]) -> None:
        """Take rules away; one that is gone already is no error."""
        request = _models().RevokeSecurityGroupRequest(
            region_id=self._session.region, security_group_id=group_id, security_group_rule_id=rule_ids
        )
        try:
            self._session.call("RevokeSecurityGroup", lambda: self._session.ecs.revoke_security_group(request))
        except CloudError as error:
            if error.code not in _GONE:
                raise


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
