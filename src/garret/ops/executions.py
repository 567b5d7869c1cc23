"""Executions: long work on a node that outlives whoever asked for it; asked for as data, never as shell text."""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from garret.errors import Interrupted, NodeFailed, UsageError
from garret.ops.channels import Channel
from garret.ops.channels.cloud_assistant import CloudAssistantChannel
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment, flag
from garret.ops.execution import ENDED, IDENTIFIER, STARTED, Execution
from garret.ops.mirror import keep_begun, keep_lost, keep_seen
from garret.ops.power import machine_of
from garret.ops.records import CommandResult
from garret.ops.tell import Teller

REQUESTS = "/var/lib/garret/requests"
EVERY_S = 0.3


@dataclass(frozen=True)
class Node:
    """The node of a deployment, by its own command line, reached through a channel."""

    cloud: Cloud
    deployment: Deployment
    instance_id: str
    channel: Channel

    @classmethod
    def of(cls, cloud: Cloud, deployment: Deployment, channel: Channel | None = None) -> Node:
        """The node, if it runs; through Cloud Assistant, unless another channel is given.

        Raises:
            UsageError: it does not.
        """
        machine = machine_of(cloud, deployment)
        if machine.status != "Running":
            raise UsageError(
                f"{deployment.name} is {machine.status.lower()}; its node cannot be asked",
                f"garret ops start{flag(deployment.name)}",
            )
        return cls(cloud, deployment, machine.id, channel or CloudAssistantChannel(cloud.assistant, machine.id))

    def begin(
        self, verb: str, parameters: Mapping[str, Any], *, hand_over: Callable[[str], Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Put a request onto the node and start it; the execution.

        `hand_over` is called with its id before it begins, and may add parameters: secrets go by a way of their own.
        """
        identifier = uuid.uuid4().hex
        known = keep_begun(self.deployment, identifier, verb, parameters, hands_over=hand_over is not None)
        if hand_over is None:
            return self._send(known, parameters)
        return self._send(known, {**parameters, **hand_over(identifier)})

    def rejoin(self, known: Execution) -> dict[str, Any]:
        """One that was begun from this machine; what the node has not heard of, since the command died, it hears now.

        Raises:
            NodeFailed: it needs what this machine keeps nowhere.
        """
        try:
            return self.show(known.id)
        except NodeFailed:
            if known.status != STARTED or known.needs:
                raise
        return self._send(known, known.parameters)

    def _send(self, known: Execution, parameters: Mapping[str, Any]) -> dict[str, Any]:
        request = {"verb": known.verb, "parameters": dict(parameters), "requested_by": known.requested_by}
        content = json.dumps(request).encode("utf-8")
        self.channel.put(f"{REQUESTS}/{known.id}.json", content)
        return self._ask(f"garret-node operation start {known.id}")

    def show(self, identifier: str) -> dict[str, Any]:
        """One execution."""
        return self._ask(f"garret-node operation show {_checked(identifier)}")

    def all(self) -> list[dict[str, Any]]:
        """All executions, the newest first."""
        found = self._reply(self.channel.run("garret-node operation list"))
        if not isinstance(found, list):
            raise NodeFailed("the node's answer is not a list of executions", "garret status")
        kept = [keep_seen(self.deployment, one).to_dict() for one in found]
        keep_lost(self.deployment, {one["id"] for one in kept})
        return kept

    def cancel(self, identifier: str) -> dict[str, Any]:
        """Leave word for one execution to stop; as it is then."""
        return self._ask(f"garret-node operation cancel {_checked(identifier)}")

    def follow(self, execution: dict[str, Any], tell: Teller) -> dict[str, Any]:
        """Look on until an execution has ended; Ctrl-C stops the looking only.

        Raises:
            Interrupted: says how to look again.
            NodeFailed: it did not end well.
        """
        identifier = str(execution["id"])
        try:
            while execution["status"] not in ENDED:
                self.cloud.clock.sleep(max(EVERY_S, self.cloud.poll_s))
                execution = self.show(identifier)
                progress = execution.get("progress") or {}
                tell.progress(str(execution["verb"]), int(progress.get("done") or 0), progress.get("total"))
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped looking; execution {identifier} goes on on the node",
                f"garret ops executions wait {identifier}; to end it: garret ops executions cancel {identifier}",
            ) from None
        if execution["status"] != "Success":
            raise _failed(execution)
        return execution

    def _ask(self, command: str) -> dict[str, Any]:
        reply = self._reply(self.channel.run(command))
        if not isinstance(reply, dict) or not {"id", "verb", "status"} <= set(reply):
            raise NodeFailed("the node's answer is not an execution", "garret status")
        return keep_seen(self.deployment, reply).to_dict()

    def _reply(self, result: CommandResult) -> Any:
        try:
            reply = json.loads(result.output)
        except ValueError:
            said = result.output.strip() or result.error or result.status
            raise NodeFailed(f"garret-node on {self.instance_id}: {said[-500:]}", "garret status") from None
        if isinstance(reply, dict) and set(reply) == {"packed"}:
            reply = json.loads(zlib.decompress(base64.b64decode(str(reply["packed"]))))
        if result.exit_code != 0:
            error = reply.get("error") if isinstance(reply, dict) else None
            error = error if isinstance(error, dict) else {"message": result.output.strip()[-500:]}
            hint = str(error.get("hint") or "").replace("garret-node operation", "garret ops executions")
            raise NodeFailed(str(error.get("message")), hint)
        return reply


def _checked(identifier: str) -> str:
    if not IDENTIFIER.fullmatch(identifier):  # it becomes a word of a command
        raise UsageError(f"{identifier!r} is not the id of an execution", "garret ops executions")
    return identifier


def _failed(execution: Mapping[str, Any]) -> NodeFailed:
    error = execution.get("error") or {}
    return NodeFailed(
        f"{execution['verb']} {execution['status'].lower()}: {error.get('message') or 'no reason was given'}",
        str(error.get("hint") or "") or f"garret ops executions show {execution['id']}",
    )
