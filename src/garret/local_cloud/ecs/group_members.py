"""Instances that come into a security group or leave it, one at a time."""

from __future__ import annotations

from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.ecs.security_groups import find_group
from garret.local_cloud.params import Reply

GROUPS_OF_ONE = 5  # groups that one instance can be in


def join_security_group(call: Call, cloud: Cloud) -> Reply:
    """Put an instance into one more group of its network."""
    id, instance_id = call.params["SecurityGroupId"], call.params["InstanceId"]
    with cloud.store.transaction():
        group, body = find_group(cloud, id), lifecycle.find_instance(cloud, instance_id)
        known = body["SecurityGroupIds"]
        if group["VpcId"] != body["VpcId"]:
            text = f"{id} is in the VPC {group['VpcId']}, {instance_id} in {body['VpcId']}."
            raise ApiError("InvalidInstanceId.VpcNotMatch", text, 403)
        if id in known:
            raise ApiError("InvalidInstanceId.AlreadyExists", f"{instance_id} is in {id} already.", 400)
        if len(known) >= GROUPS_OF_ONE:
            text = f"{instance_id} is in {GROUPS_OF_ONE} security groups already."
            raise ApiError("InstanceSecurityGroupLimitExceeded", text, 403)
        cloud.store.update("instance", instance_id, SecurityGroupIds=[*known, id])
    lifecycle.guard_again(cloud, body["VpcId"])
    return {}


def leave_security_group(call: Call, cloud: Cloud) -> Reply:
    """Take an instance out of a group; it stays in one at least."""
    id, instance_id = call.params["SecurityGroupId"], call.params["InstanceId"]
    with cloud.store.transaction():
        find_group(cloud, id)
        body = lifecycle.find_instance(cloud, instance_id)
        left = [group for group in body["SecurityGroupIds"] if group != id]
        if left == body["SecurityGroupIds"]:
            raise ApiError("InstanceNotInSecurityGroup", f"{instance_id} is not in {id}.", 403)
        if not left:
            raise ApiError("InstanceLastSecurityGroup", f"{id} is the only security group of {instance_id}.", 403)
        cloud.store.update("instance", instance_id, SecurityGroupIds=left)
    lifecycle.guard_again(cloud, body["VpcId"])
    return {}
