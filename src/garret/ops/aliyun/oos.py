"""OOS by its typed client: executions that go on in the cloud, with no machine of ours; signed reads look at them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.pages import by_token, rows
from garret.ops.aliyun.session import Session
from garret.ops.cloud import DEPLOYMENT_TAG
from garret.ops.execution import ENDED
from garret.ops.records import CloudExecution, CloudTask


class OosAutomation:
    """The executions of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(
        self, template: str, parameters: Mapping[str, Any], *, tags: Mapping[str, str], token: str, description: str
    ) -> str:
        """Start an execution of a template's text, or get the one that this token started before; its id."""
        request = _models().StartExecutionRequest(
            region_id=self._session.region,
            template_content=template,
            parameters=json.dumps(dict(parameters), ensure_ascii=False),
            tags=dict(tags),
            description=description,
            mode="Automatic",
            safety_check="Skip",  # nobody sits there to confirm a stop at night
            client_token=token,
        )
        reply = self._session.call("StartExecution", lambda: self._session.oos.start_execution(request))
        return str(reply.body.execution.execution_id)

    def executions(self, deployment: str) -> list[CloudExecution]:
        """The executions of a deployment, the newest first, those that a timer began left out."""
        wanted = {"Tags": json.dumps({DEPLOYMENT_TAG: deployment})}
        return [_execution(raw) for raw in by_token(self._session, "oos", "ListExecutions", wanted, "Executions")]

    def begun_by(self, execution_id: str) -> list[CloudExecution]:
        """Those that a timer began, the newest first."""
        wanted = {"ParentExecutionId": execution_id}
        return [_execution(raw) for raw in by_token(self._session, "oos", "ListExecutions", wanted, "Executions")]

    def get(self, execution_id: str) -> CloudExecution | None:
        """One execution; None when there is none of this id."""
        reply = self._session.read("oos", "ListExecutions", {"ExecutionId": execution_id})
        return next((_execution(raw) for raw in rows(reply, "Executions")), None)

    def tasks(self, execution_id: str) -> list[CloudTask]:
        """The tasks of an execution, oldest first."""
        wanted = {"ExecutionId": execution_id}
        found = by_token(self._session, "oos", "ListTaskExecutions", wanted, "TaskExecutions")
        return sorted((_task(raw) for raw in found), key=lambda task: task.began_at)

    def cancel(self, execution_id: str) -> None:
        """End an execution; one that has ended already is no error."""
        request = _models().CancelExecutionRequest(region_id=self._session.region, execution_id=execution_id)
        try:
            self._session.call("CancelExecution", lambda: self._session.oos.cancel_execution(request))
        except CloudError:
            found = self.get(execution_id)
            if found is not None and found.status not in ENDED:
                raise


def _execution(raw: Mapping[str, Any]) -> CloudExecution:
    return CloudExecution(
        id=str(raw["ExecutionId"]),
        status=str(raw.get("Status") or ""),
        message=str(raw.get("StatusMessage") or ""),
        description=str(raw.get("Description") or ""),
        tags={str(key): str(value) for key, value in _map(raw.get("Tags")).items()},
        parameters=_map(raw.get("Parameters")),
        outputs=_map(raw.get("Outputs")),
        requested_by=str(raw.get("ExecutedBy") or ""),
        created_at=str(raw.get("CreateDate") or ""),
        started_at=str(raw.get("StartDate") or ""),
        ended_at=str(raw.get("EndDate") or ""),
        next_at=str(raw.get("NextScheduleTime") or ""),
        last_at=str(raw.get("LastTriggerTime") or ""),
        last_status=str(raw.get("LastTriggerStatus") or ""),
        last_message=str(raw.get("LastTriggerStatusMessage") or ""),
    )


def _task(raw: Mapping[str, Any]) -> CloudTask:
    return CloudTask(
        name=str(raw.get("TaskName") or ""),
        action=str(raw.get("TaskAction") or ""),
        status=str(raw.get("Status") or ""),
        message=str(raw.get("StatusMessage") or ""),
        began_at=str(raw.get("StartDate") or raw.get("CreateDate") or ""),
        ended_at=str(raw.get("EndDate") or ""),
    )


def _map(value: Any) -> dict[str, Any]:
    """A map that may come as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError:
            return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _models() -> Any:
    from alibabacloud_oos20190601 import models

    return models
