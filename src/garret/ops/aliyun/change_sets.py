"""ROS's previews and change sets: what a creation or an update would do, and doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.errors import CloudError, NotReady
from garret.ops.aliyun.session import Session
from garret.ops.aliyun.stacks import said
from garret.ops.records import ChangeSet, ResourceChange

PREFIX = "garret-"
WORKED_OUT_S = 120.0
PAGE = 50
_NOT_FOUND = ("ChangeSetNotFound", "ChangeSetNotFound.NotFound", "StackNotFound")


class RosChanges:
    """Previews and change sets of one region; `poll_s` is how long to wait between two looks at one."""

    def __init__(self, session: Session, poll_s: float = 1.0) -> None:
        self._session = session
        self._poll_s = poll_s

    def preview(self, name: str, template: str, parameters: Mapping[str, str]) -> list[ResourceChange]:
        """What creating a stack would make."""
        return self._preview({"StackName": name, "TemplateBody": template}, parameters)

    def preview_update(self, stack_id: str, template: str, parameters: Mapping[str, str]) -> list[ResourceChange]:
        """What updating a stack would do."""
        return self._preview({"StackId": stack_id, "TemplateBody": template}, parameters)

    def propose(
        self, stack_id: str, template: str, parameters: Mapping[str, str], *, token: str, replace: bool = False
    ) -> ChangeSet:
        """A change set of a stack, or the one that this token made before; earlier ones of ours are dropped."""
        name = f"{PREFIX}{token[:16]}"
        for other, its_name in self._ours(stack_id):
            if its_name != name:
                self.drop(other)
        models = _models()
        request = models.CreateChangeSetRequest(
            region_id=self._session.region,
            stack_id=stack_id,
            change_set_name=name,
            change_set_type="UPDATE",
            template_body=template,
            parameters=[
                models.CreateChangeSetRequestParameters(parameter_key=key, parameter_value=value)
                for key, value in said(parameters).items()
            ],
            client_token=token,
            replacement_option="Enabled" if replace else "Disabled",
        )
        reply = self._session.call("CreateChangeSet", lambda: self._session.ros.create_change_set(request))
        return self._worked_out(str(reply.body.change_set_id))

    def get(self, change_set_id: str) -> ChangeSet | None:
        """A change set by its id; None when it is gone."""
        try:
            raw = self._session.read("ros", "GetChangeSet", {"ChangeSetId": change_set_id})
        except CloudError as error:
            if error.code in _NOT_FOUND:
                return None
            raise
        return ChangeSet(
            id=raw["ChangeSetId"],
            status=raw["Status"],
            execution=raw.get("ExecutionStatus") or "",
            changes=tuple(_change(one.get("ResourceChange") or one) for one in raw.get("Changes") or []),
            reason=raw.get("StatusReason") or "",
        )

    def execute(self, change_set_id: str, *, token: str) -> None:
        """Ask for a change set to be carried out."""
        request = _models().ExecuteChangeSetRequest(
            region_id=self._session.region, change_set_id=change_set_id, client_token=token
        )
        self._session.call("ExecuteChangeSet", lambda: self._session.ros.execute_change_set(request))

    def drop(self, change_set_id: str) -> None:
        """Forget a change set; one that is gone is no error."""
        request = _models().DeleteChangeSetRequest(region_id=self._session.region, change_set_id=change_set_id)
        try:
            self._session.call("DeleteChangeSet", lambda: self._session.ros.delete_change_set(request))
        except CloudError as error:
            if error.code not in _NOT_FOUND:
                raise

    def _worked_out(self, change_set_id: str) -> ChangeSet:
        clock = self._session.clock
        deadline = clock.monotonic() + WORKED_OUT_S
        while clock.monotonic() < deadline:
            found = self.get(change_set_id)
            if found is not None and found.status not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                return found
            clock.sleep(self._poll_s)
        raise NotReady(
            f"change set {change_set_id} is not worked out after {WORKED_OUT_S:.0f} s", "the same command again"
        )

    def _ours(self, stack_id: str) -> list[tuple[str, str]]:
        reply = self._session.read("ros", "ListChangeSets", {"StackId": stack_id, "PageSize": PAGE})
        found = reply.get("ChangeSets") or []
        waiting = [one for one in found if one.get("ExecutionStatus") in ("AVAILABLE", "UNAVAILABLE", "OBSOLETE")]
        names = [(str(one["ChangeSetId"]), str(one.get("ChangeSetName") or "")) for one in waiting]
        return [(identity, name) for identity, name in names if name.startswith(PREFIX)]

    def _preview(self, asked: Mapping[str, Any], parameters: Mapping[str, str]) -> list[ResourceChange]:
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in said(parameters).items()]
        reply = self._session.read("ros", "PreviewStack", {**asked, "Parameters": listed})
        return [_change(one) for one in (reply.get("Stack") or {}).get("Resources") or []]


def _change(raw: Mapping[str, Any]) -> ResourceChange:
    """A row of a change set or of a preview; their words for what changes differ a little."""
    details = raw.get("Details") or []
    names = [str((one.get("Target") or {}).get("Name") or "") for one in details if isinstance(one, Mapping)]
    return ResourceChange(
        resource=str(raw.get("LogicalResourceId") or ""),
        kind=str(raw.get("ResourceType") or ""),
        action=str(raw.get("Action") or ""),
        replaced=str(raw.get("Replacement") or "") == "True",
        properties=tuple(dict.fromkeys(name for name in names if name)),
    )


def _models() -> Any:
    from alibabacloud_ros20190910 import models

    return models
