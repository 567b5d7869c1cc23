"""Deletion protection and tags of stacks."""

from __future__ import annotations

from typing import Any

import pytest
from Tea.exceptions import TeaException

from tests.local_cloud.house import REGION
from tests.local_cloud.ros.changing import made, update, with_group
from tests.local_cloud.ros.stage import Ros, network, template


def test_protection_switched(ros: Ros) -> None:
    """SetDeletionProtection keeps a stack from being deleted until it is taken off."""
    stack_id = made(ros, template(network()))
    ros.ask("set_deletion_protection", stack_id=stack_id, deletion_protection="Enabled")
    assert ros.see(stack_id).deletion_protection == "Enabled"
    with pytest.raises(TeaException, match="deletion protection"):
        ros.ask("delete_stack", stack_id=stack_id)
    ros.ask("set_deletion_protection", stack_id=stack_id, deletion_protection="Disabled")
    ros.ask("delete_stack", stack_id=stack_id)
    assert ros.settled(stack_id).status == "DELETE_COMPLETE"


def test_tags_of_stacks(ros: Ros) -> None:
    """Tags are added, listed, filtered by and taken off."""
    from alibabacloud_ros20190910 import models

    stack_id = made(ros, template(network()))
    about: Any = {"resource_type": "stack", "resource_id": [stack_id]}
    ros.ask("tag_resources", **about, tag=[models.TagResourcesRequestTag(key="owner", value="ada")])
    listed = ros.ask("list_tag_resources", **about).tag_resources
    assert {(one.tag_key, one.tag_value) for one in listed} == {("garret:deployment", "demo"), ("owner", "ada")}
    assert ros.ask("list_stacks", tag=[models.ListStacksRequestTag(key="owner", value="ada")]).total_count == 1
    ros.ask("untag_resources", **about, tag_key=["owner"])
    assert len(ros.ask("list_tag_resources", **about).tag_resources) == 1
    ros.ask("untag_resources", **about, all=True)
    assert ros.see(stack_id).tags == []
    with pytest.raises(TeaException, match="template"):
        ros.ask("untag_resources", resource_type="template", resource_id=["x"], all=True)


def test_tags_of_an_update_reach_the_stack(ros: Ros) -> None:
    """UpdateStack with other tags is a change, and what it makes carries them."""
    from alibabacloud_ros20190910 import models

    stack_id = made(ros, template(network()))
    tags = [models.UpdateStackRequestTags(key="owner", value="ada")]
    update(ros, stack_id, with_group(443), tags=tags)
    assert ros.settled(stack_id).status == "UPDATE_COMPLETE"
    assert [(one.key, one.value) for one in ros.see(stack_id).tags] == [("owner", "ada")]
    group = ros.resources(stack_id)["Group"].physical_resource_id
    found = ros.house.call("DescribeSecurityGroups", RegionId=REGION, SecurityGroupId=group)
    (one,) = found["SecurityGroups"]["SecurityGroup"]
    assert one["Tags"]["Tag"] == [{"TagKey": "owner", "TagValue": "ada"}]
