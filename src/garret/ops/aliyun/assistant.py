"""Cloud Assistant by ECS's typed client: commands and small files on a node, without a login."""

from __future__ import annotations

import base64
import os
from pathlib import PurePosixPath
from typing import Any

from garret.errors import CloudError, NodeFailed
from garret.ops.aliyun.session import Session
from garret.ops.records import CommandResult

_DONE = ("Success", "Finished")
_PENDING = ("Pending", "Running", "Scheduled", "Stopping")
SEND_TIMEOUT_S = 60


class EcsAssistant:
    """Cloud Assistant of one region; `poll_s` is how long to wait between two looks at a result."""

    def __init__(self, session: Session, poll_s: float = 1.0) -> None:
        self._session = session
        self._poll_s = poll_s

    def reachable(self, instance_id: str) -> bool:
        """Say whether the node's agent answers now."""
        request = _models().DescribeCloudAssistantStatusRequest(
            region_id=self._session.region, instance_id=[instance_id]
        )
        reply = self._session.call(
            "DescribeCloudAssistantStatus", lambda: self._session.ecs.describe_cloud_assistant_status(request)
        )
        states = reply.body.instance_cloud_assistant_status_set
        found = (states.instance_cloud_assistant_status if states else []) or []
        return any(str(state.cloud_assistant_status).lower() == "true" for state in found)

    def send_file(self, instance_id: str, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Put a small file (24 KB at most) onto a node, replacing one of that name.

        Raises:
            CloudError: the cloud refuses.
            NodeFailed: the node does.
        """
        target = PurePosixPath(path)
        request = _models().SendFileRequest(
            region_id=self._session.region,
            instance_id=[instance_id],
            name=target.name,
            target_dir=str(target.parent),
            content=base64.b64encode(content).decode("ascii"),
            content_type="Base64",
            file_mode=mode,
            overwrite=True,
            timeout=SEND_TIMEOUT_S,
        )
        reply = self._session.call("SendFile", lambda: self._session.ecs.send_file(request))
        self._wait_for_file(_checked(reply.body.invoke_id, "SendFile"), path)

    def run(self, instance_id: str, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Run a constant command as root and wait for its end."""
        request = _models().RunCommandRequest(
            region_id=self._session.region,
            instance_id=[instance_id],
            type="RunShellScript",
            command_content=base64.b64encode(command.encode("utf-8")).decode("ascii"),
            content_encoding="Base64",
            timeout=max(10, timeout_s),
            client_token=os.urandom(16).hex(),
        )
        reply = self._session.call("RunCommand", lambda: self._session.ecs.run_command(request))
        return self._wait_for_command(_checked(reply.body.invoke_id, "RunCommand"), timeout_s)

    def _wait_for_file(self, invoke_id: str, path: str) -> None:
        clock = self._session.clock
        request = _models().DescribeSendFileResultsRequest(region_id=self._session.region, invoke_id=invoke_id)
        deadline = clock.monotonic() + SEND_TIMEOUT_S + 30
        while clock.monotonic() < deadline:
            reply = self._session.call(
                "DescribeSendFileResults", lambda: self._session.ecs.describe_send_file_results(request)
            )
            found = _nested(reply.body.invocations, "invocation")
            nodes = [node for one in found for node in _nested(one.invoke_instances, "invoke_instance")]
            states = [node.invocation_status for node in nodes]
            if states and all(state in _DONE for state in states):
                return
            failed = [node for node in nodes if node.invocation_status not in (*_DONE, *_PENDING)]
            if failed:
                raise NodeFailed(f"{path} could not be sent: {failed[0].error_code}: {failed[0].error_info}")
            clock.sleep(self._poll_s)
        raise NodeFailed(
            f"{path} was not delivered within {SEND_TIMEOUT_S + 30} s", "is the node running? garret status"
        )

    def _wait_for_command(self, invoke_id: str, timeout_s: int) -> CommandResult:
        clock = self._session.clock
        request = _models().DescribeInvocationResultsRequest(region_id=self._session.region, invoke_id=invoke_id)
        deadline = clock.monotonic() + timeout_s + 30
        while clock.monotonic() < deadline:
            reply = self._session.call(
                "DescribeInvocationResults", lambda: self._session.ecs.describe_invocation_results(request)
            )
            results = _nested(reply.body.invocation and reply.body.invocation.invocation_results, "invocation_result")
            if results and results[0].invocation_status not in _PENDING:
                return _result(results[0])
            clock.sleep(self._poll_s)
        return CommandResult("Timeout", None, "", f"no result within {timeout_s + 30} s")


def _checked(invoke_id: str | None, action: str) -> str:
    if not invoke_id:  # asked about without one, the cloud answers with some other command's result
        raise CloudError(action, "NoInvokeId", "the cloud took it and gave it no id")
    return str(invoke_id)


def _result(raw: Any) -> CommandResult:
    output = base64.b64decode(raw.output or "").decode("utf-8", "replace")
    code = int(raw.exit_code) if raw.exit_code is not None else None
    ran = raw.invocation_status in ("Success", "Failed")
    error = " ".join(part for part in (raw.error_code, raw.error_info) if part)
    return CommandResult(raw.invocation_status, code if ran else None, output, error)


def _nested(parent: Any, name: str) -> list[Any]:
    """The vendor's lists lie in an object of their own, which may be missing."""
    return list(getattr(parent, name) or []) if parent else []


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
