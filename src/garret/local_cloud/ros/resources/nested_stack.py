"""ALIYUN::ROS::Stack: a stack inside a stack."""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.resources.base import ResourceType, Work, whole
from garret.local_cloud.ros.scope import UNKNOWN

if TYPE_CHECKING:
    from garret.local_cloud.ros.children import Child

OUTPUTS = "Outputs."
_KEPT = ("TemplateURL", "TemplateId", "TemplateVersion")


class NestedStack(ResourceType):
    """Made with the parent's tags; complete once that stack is; its attributes are that stack's outputs."""

    name = "ALIYUN::ROS::Stack"
    attributes = (f"{OUTPUTS}*",)
    carried = frozenset({"TemplateBody", "Parameters", "TimeoutMins", "Tags"})
    harmless = frozenset({"ResourceGroupId"})
    updatable = carried
    patience_s = 3600.0

    def check(self, work: Work) -> None:
        """The template stands in the template: addresses and kept templates are not fetched."""
        body = work.properties.get("TemplateBody")
        if body is not UNKNOWN and not body:
            where = f"Resources.{work.name}.Properties"
            for key in (key for key in _KEPT if work.properties.get(key)):
                raise errors.not_emulated(f"{key} of {self.name} ({where}.{key}; use TemplateBody)")
            raise errors.validation_failed(f"{where}: {self.name} needs a TemplateBody.")
        # With a TemplateBody the vendor does not look at the others.
        rest = {key: value for key, value in work.properties.items() if key not in _KEPT}
        super().check(dataclasses.replace(work, properties=rest))

    def _child(self, work: Work) -> "Child":
        from garret.local_cloud.ros.children import Child  # stacks know the types, so types learn of stacks late

        body = work.properties["TemplateBody"]
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        passed = work.properties.get("Parameters") or {}
        minutes = whole(work.properties.get("TimeoutMins"), 60)
        return Child(text, {key: _text(value) for key, value in passed.items() if value is not None}, minutes)

    def _tagged(self, work: Work) -> Work:
        """The nested stack gives its own tags and the parent's to all that it makes."""
        return dataclasses.replace(work, tags=tuple((tag["Key"], tag["Value"]) for tag in work.tag_list()))

    def create(self, work: Work) -> str:
        """Makes the stack and waits for it."""
        from garret.local_cloud.ros.children import create_child

        return create_child(self._tagged(work), self._child(work))

    def read(self, work: Work) -> dict[str, Any]:
        """The outputs that the stack has now."""
        from garret.local_cloud.ros.children import child_outputs

        return {f"{OUTPUTS}{key}": value for key, value in child_outputs(work).items()}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Updates the stack, unless nothing in it differs."""
        from garret.local_cloud.ros.children import update_child

        del before
        update_child(self._tagged(work), self._child(work))

    def delete(self, work: Work) -> None:
        """Deletes the stack and waits until it is gone."""
        from garret.local_cloud.ros.children import delete_child

        delete_child(work)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
