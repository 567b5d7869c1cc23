"""Security groups: their rules are kept and shown, and told to the nodes whose driver has a firewall for them."""

from __future__ import annotations

from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.ecs.security_rules import EGRESS, INGRESS, Rule, read_rule, same
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, groups, has_tags, names, numbered, once, page, tags
from garret.local_cloud.quotas import limits
from garret.local_cloud.vpc.networks import find_vpc

RULES_LIMIT = 200


def create_security_group(call: Call, cloud: Cloud) -> Reply:
    """Make a group without rules."""
    params, wanted = call.params, tags(call.params)

    def create() -> Reply:
        vpc_id = params.get("VpcId", "")
        if not vpc_id:
            raise missing("VpcId")  # the vendor's classic network is gone
        find_vpc(cloud, vpc_id)
        limits.check(cloud, "security_group", call.region)
        id = new_id("sg")
        body = {
            "SecurityGroupId": id,
            "RegionId": call.region,
            "VpcId": vpc_id,
            "SecurityGroupName": params.get("SecurityGroupName", ""),
            "SecurityGroupType": params.get("SecurityGroupType", "normal"),
            "Description": params.get("Description", ""),
            "ResourceGroupId": params.get("ResourceGroupId", ""),
            "CreationTime": cloud.clock.stamp(),
            "Rules": [],
            "Tags": wanted,
        }
        cloud.store.put("security_group", id, body, call.region)
        return {"SecurityGroupId": id}

    return once(call, cloud, create)


def authorize_security_group(call: Call, cloud: Cloud) -> Reply:
    """Add rules for what comes in: one in the call itself, or Permissions.N."""
    return _authorize(call, cloud, INGRESS)


def authorize_security_group_egress(call: Call, cloud: Cloud) -> Reply:
    """Add rules for what goes out."""
    return _authorize(call, cloud, EGRESS)


def revoke_security_group(call: Call, cloud: Cloud) -> Reply:
    """Take rules for what comes in away: by id, or those that say the same; a rule that is not there is fine."""
    return _revoke(call, cloud, INGRESS)


def revoke_security_group_egress(call: Call, cloud: Cloud) -> Reply:
    """Take rules for what goes out away."""
    return _revoke(call, cloud, EGRESS)


def modify_security_group_rule(call: Call, cloud: Cloud) -> Reply:
    """Change one rule for what comes in, named by its id; what the call does not say stays."""
    return _modify_rule(call, cloud, INGRESS)


def modify_security_group_egress_rule(call: Call, cloud: Cloud) -> Reply:
    """Change one rule for what goes out."""
    return _modify_rule(call, cloud, EGRESS)


def modify_security_group_attribute(call: Call, cloud: Cloud) -> Reply:
    """Change a group's name or description."""
    keys = ("SecurityGroupName", "Description")
    changes: dict[str, object] = {name: call.params[name] for name in keys if name in call.params}
    with cloud.store.transaction():
        find_group(cloud, call.params["SecurityGroupId"])
        cloud.store.update("security_group", call.params["SecurityGroupId"], **changes)
    return {}


def _authorize(call: Call, cloud: Cloud, direction: str) -> Reply:
    rules = _wanted(call, cloud, direction)
    id = call.params["SecurityGroupId"]
    with cloud.store.transaction():
        group = find_group(cloud, id)
        known = group["Rules"]
        # The same rule again is fine and stays one, as with the vendor.
        fresh: list[Rule] = []
        for rule in rules:
            if not any(same(rule, other) for other in [*known, *fresh]):
                fresh.append(rule)
        if len(known) + len(fresh) > RULES_LIMIT:
            raise ApiError("AuthorizationLimitExceed", f"A security group has at most {RULES_LIMIT} rules.", 403)
        cloud.store.update("security_group", id, Rules=[*known, *fresh])
    lifecycle.guard_again(cloud, group["VpcId"])
    return {}


def _revoke(call: Call, cloud: Cloud, direction: str) -> Reply:
    ids = numbered(call.params, "SecurityGroupRuleId")
    gone = [] if ids else _wanted(call, cloud, direction, strict=False)
    id = call.params["SecurityGroupId"]
    with cloud.store.transaction():
        group = find_group(cloud, id)
        kept = [
            rule
            for rule in group["Rules"]
            if rule["Direction"] != direction
            or (rule["SecurityGroupRuleId"] not in ids and not any(same(rule, other) for other in gone))
        ]
        cloud.store.update("security_group", id, Rules=kept)
    lifecycle.guard_again(cloud, group["VpcId"])
    return {}


def _modify_rule(call: Call, cloud: Cloud, direction: str) -> Reply:
    id, rule_id = call.params["SecurityGroupId"], call.params["SecurityGroupRuleId"]
    with cloud.store.transaction():
        group = find_group(cloud, id)
        rules = group["Rules"]
        found = [rule for rule in rules if (rule["SecurityGroupRuleId"], rule["Direction"]) == (rule_id, direction)]
        if not found:
            raise ApiError("InvalidSecurityGroupRuleId.NotFound", f"{id} has no rule {rule_id!r}.", 404)
        asked = {name: value for name, value in call.params.items() if name not in ("SecurityGroupId", "RegionId")}
        fresh = read_rule(cloud, {**found[0], **asked}, direction, lambda group: find_group(cloud, group))
        fresh |= {"SecurityGroupRuleId": rule_id, "CreateTime": found[0]["CreateTime"]}
        if any(same(fresh, rule) for rule in rules if rule["SecurityGroupRuleId"] != rule_id):
            raise ApiError("InvalidSecurityGroupRule.RuleRepeat", f"{id} has the same rule already.", 400)
        changed = [fresh if rule["SecurityGroupRuleId"] == rule_id else rule for rule in rules]
        cloud.store.update("security_group", id, Rules=changed)
    lifecycle.guard_again(cloud, group["VpcId"])
    return {}


def _wanted(call: Call, cloud: Cloud, direction: str, *, strict: bool = True) -> list[Rule]:
    fields = groups(call.params, "Permissions") or [dict(call.params)]
    # A rule that is taken away may name a group that is gone by now.
    return [
        read_rule(cloud, one, direction, (lambda group: find_group(cloud, group)) if strict else (lambda _: None))
        for one in fields
    ]


def describe_security_groups(call: Call, cloud: Cloud) -> Reply:
    """Groups by id, name, network or tag."""
    params, wanted = call.params, tags(call.params)
    ids = names(params, "SecurityGroupIds") or names(params, "SecurityGroupId")
    filters = {name: params[name] for name in ("VpcId", "SecurityGroupName", "SecurityGroupType") if params.get(name)}
    found = [
        body
        for body in cloud.store.find("security_group", call.region, **filters)
        if (not ids or body["SecurityGroupId"] in ids) and has_tags(body, wanted)
    ]
    some, counts = page(call, found)
    shown = [_view(cloud, body) for body in some]
    return {"SecurityGroups": {"SecurityGroup": shown}, "RegionId": call.region, "NextToken": "", **counts}


def describe_security_group_attribute(call: Call, cloud: Cloud) -> Reply:
    """One group with its rules."""
    body = find_group(cloud, call.params["SecurityGroupId"])
    direction = call.params.get("Direction", "") or "all"
    rules = [rule for rule in body["Rules"] if direction in ("all", rule["Direction"])]
    shown = {name: body[name] for name in ("SecurityGroupId", "SecurityGroupName", "Description", "VpcId", "RegionId")}
    return {**shown, "InnerAccessPolicy": "Accept", "Permissions": {"Permission": rules}, "NextToken": ""}


def delete_security_group(call: Call, cloud: Cloud) -> Reply:
    """Remove a group that no instance uses any more."""
    id = call.params["SecurityGroupId"]
    with cloud.store.transaction():
        find_group(cloud, id)
        users = [body for body in cloud.store.find("instance") if id in body["SecurityGroupIds"]]
        if users:
            text = f"The security group {id} is still used by {users[0]['InstanceId']}."
            raise ApiError("DependencyViolation", text, 403)
        asking = [
            body["SecurityGroupId"]
            for body in cloud.store.find("security_group")
            if body["SecurityGroupId"] != id
            and any(id in (rule.get("SourceGroupId"), rule.get("DestGroupId")) for rule in body["Rules"])
        ]
        if asking:
            text = f"A rule of {asking[0]} names the security group {id}."
            raise ApiError("DependencyViolation", text, 403)
        cloud.store.delete("security_group", id)
    return {}


def find_group(cloud: Cloud, id: str) -> dict[str, Any]:
    """The security group of this id; ApiError InvalidSecurityGroupId.NotFound otherwise."""
    body = cloud.store.get("security_group", id)
    if body is None:
        raise ApiError("InvalidSecurityGroupId.NotFound", f"The security group {id!r} does not exist.", 404)
    return body


def _view(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    users = [1 for instance in cloud.store.find("instance") if body["SecurityGroupId"] in instance["SecurityGroupIds"]]
    shown = {name: value for name, value in body.items() if name not in ("Tags", "Rules", "RegionId")}
    return {**shown, "EcsCount": len(users), "RuleCount": len(body["Rules"]), "Tags": tagging.view(body)}
