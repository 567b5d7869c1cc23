"""Everything that can carry a tag carries the deployment's: by it, all that is billed is found again."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "tags"
RULE = "ecs-instance-tags-required"
TAG = "garret:deployment"
TAGGABLE = (
    "ALIYUN::ECS::VPC",
    "ALIYUN::ECS::VSwitch",
    "ALIYUN::ECS::SecurityGroup",
    "ALIYUN::ECS::InstanceGroup",
    "ALIYUN::ECS::Instance",
    "ALIYUN::VPC::EIP",
)


def check(subject: Subject) -> Iterator[Finding]:
    """Ours: each taggable resource has the tag, with a value. Others: each machine has some tag."""
    if not subject.own:
        for name, properties in subject.resources(*NODE_TYPES):
            if not properties.get("Tags"):
                yield Finding(ID, f"Resources.{name}", "has no tag", "Tags: [{Key: team, Value: studio}]")
        return
    for name, properties in subject.resources(*TAGGABLE):
        tags = properties.get("Tags")
        pairs = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
        if not any(tag.get("Key") == TAG and tag.get("Value") for tag in pairs):
            hint = f"Tags: [{{Key: {TAG}, Value: <name of the deployment>}}]"
            yield Finding(ID, f"Resources.{name}", f"has no tag {TAG}", hint)
