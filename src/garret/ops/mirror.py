"""A node's executions as this machine has seen them last: they can be told while the node is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from garret.errors import UsageError
from garret.ops.deployment import Deployment
from garret.ops.execution import FAILED, NODE, STARTED, Execution, now
from garret.ops.execution_files import FOLDER, ExecutionFiles

SECRETS = frozenset({"token", "tokens", "password", "secret"})
"""Parameters of a node's verbs that are in no record."""
PATIENCE_S = 120.0
"""How long a request may be on its way to a node."""


def files_of(deployment: Deployment) -> ExecutionFiles:
    """Where this machine keeps the executions of a deployment."""
    return ExecutionFiles(deployment.journal.folder / FOLDER)


def keep_begun(
    deployment: Deployment, identifier: str, verb: str, parameters: Mapping[str, Any], *, hands_over: bool = False
) -> Execution:
    """Note that a node is about to be asked for something, before it hears of it.

    `hands_over` says that the node is told a secret, by a way of its own.
    """
    told = {name: value for name, value in parameters.items() if name not in SECRETS}
    needs = (*sorted(set(parameters) - set(told)), *(["a secret"] if hands_over else []))
    cloud = deployment.journal.folder.parent.name
    return files_of(deployment).save(
        Execution(verb, deployment.name, identifier, NODE, parameters=told, cloud=cloud, needs=needs)
    )


def keep_seen(deployment: Deployment, said: Mapping[str, Any]) -> Execution:
    """Keep what a node says of one execution; who asked for what is as it was noted here, where it was begun here."""
    files, identifier = files_of(deployment), str(said["id"])
    known: dict[str, Any] = {}
    with suppress(UsageError):
        before = files.read(identifier)
        known = {name: getattr(before, name) for name in ("parameters", "requested_by", "created_at", "needs")}
    about = {"place": NODE, "deployment": deployment.name, "cloud": deployment.journal.folder.parent.name}
    return files.save(Execution.from_dict({**said, **known, **about}))


def keep_lost(deployment: Deployment, seen: set[str]) -> None:
    """Of those that a node should have begun: the ones that it, having been asked for all, has not heard of."""
    files, moment = files_of(deployment), datetime.now(UTC)
    for one in files.all():
        waits = one.place == NODE and one.status == STARTED and one.id not in seen
        if waits and (moment - datetime.fromisoformat(one.created_at)).total_seconds() > PATIENCE_S:
            error = {"type": "NodeFailed", "message": "the node never heard of it: the command ended before it could",
                     "hint": f"garret ops {one.verb} …   (the same command again)"}  # fmt: skip
            files.save(replace(one, status=FAILED, ended_at=now(), error=error))
