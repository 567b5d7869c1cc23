"""ALIYUN::OOS::Template: a template for operations, kept and checked."""

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.adopting import adopted, let_be, make_or_adopt, there
from garret.local_cloud.ros.resources.base import ResourceType, Work, gone, own_tags


class OosTemplate(ResourceType):
    """Made by CreateTemplate; its tags are a map."""

    name = "ALIYUN::OOS::Template"
    attributes = ("TemplateId", "TemplateName", "ExecutionPolicy")
    carried = frozenset({"TemplateName", "Content", "Tags", "ResourceGroupId", "IgnoreExisting"})
    updatable = frozenset({"Content", "Tags", "IgnoreExisting"})

    def _asked(self, work: Work) -> dict[str, Any]:
        content = work.properties["Content"]
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        tags = {tag["Key"]: tag["Value"] for tag in work.tag_list()}
        return {"Content": text, "Tags": json.dumps(tags, ensure_ascii=False)}

    def create(self, work: Work) -> str:
        """Keeps the template."""
        name = str(work.properties["TemplateName"])
        if work.physical_id:
            return work.physical_id
        group = work.properties.get("ResourceGroupId") or None
        asked = {"TemplateName": name, "ResourceGroupId": group, **self._asked(work)}
        return make_or_adopt(
            work,
            name,
            lambda: work.call("Oos", "CreateTemplate", **asked),
            lambda: there(work, "Oos", "GetTemplate", TemplateName=name),
        )

    def read(self, work: Work) -> dict[str, Any]:
        """Its id and name; nobody executes it, so there is no policy for that."""
        found = work.call("Oos", "GetTemplate", TemplateName=work.physical_id)["Template"]
        return {"TemplateId": found["TemplateId"], "TemplateName": work.physical_id, "ExecutionPolicy": ""}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Another text, or other tags, are another version."""
        same_text = before.get("Content") == work.properties.get("Content")
        tags = {tag["Key"]: tag["Value"] for tag in work.tag_list()}
        if not adopted(work) and not (same_text and own_tags(before) == tags):
            work.call("Oos", "UpdateTemplate", TemplateName=work.physical_id, **self._asked(work))

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Its text."""
        try:
            found = work.call("Oos", "GetTemplate", TemplateName=work.physical_id)
        except ApiError as problem:
            if gone(problem):
                return None
            raise
        as_text = isinstance(work.properties.get("Content"), str)
        content = found["Content"] if as_text else json.loads(found["Content"])
        return {"TemplateName": work.physical_id, "Content": content}

    def delete(self, work: Work) -> None:
        """Forgets the template, unless it was there before."""
        if adopted(work):
            let_be(work)
            return
        try:
            work.call("Oos", "DeleteTemplate", TemplateName=work.physical_id)
        except ApiError as problem:
            if not gone(problem):
                raise
