"""Logs: what a node has written, read through Cloud Assistant in pieces, and what is new as it is written."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from garret.errors import CloudError, NodeFailed, OperationError, UsageError
from garret.ops.cloud import Cloud, Instance
from garret.ops.deployment import Deployment, flag
from garret.ops.node_journal import ENDED, Sight, read_sight

if TYPE_CHECKING:
    from garret.ops.roles import Assistant

PIECE_BYTES = 16_000
"""Of a log in one answer: Cloud Assistant keeps 24 KB of output, and Base64 makes four bytes of three."""
FOLLOW_S = 2.0
COMMAND_S = 30


class Source(NamedTuple):
    """A log on the node: `show` is a shell command that writes all of it, `hint` what to try where there is none.

    `now` is a command that writes how it is at this moment, which goes before what was written.
    """

    name: str
    show: str
    hint: str = ""
    now: str = ""


_FILE = 'cat "${{GARRET_PREFIX}}{path}" 2>/dev/null'
SOURCES = {
    "bootstrap": Source("bootstrap", _FILE.format(path="/var/log/garret/bootstrap.log")),
    # A process node has a file, a whole machine systemd's journal.
    "service": Source(
        "service",
        _FILE.format(path="/var/log/garret.service.log")
        + " || journalctl --unit garret.service --no-pager --quiet --output short-iso",
        "garret logs --bootstrap",
    ),
    "nginx": Source(
        "nginx",
        '{ ' + _FILE.format(path="/var/log/nginx/access.log") + "; "
        + _FILE.format(path="/var/log/nginx/error.log") + "; }",
        "only a whole machine has nginx: garret logs --service",
    ),
    # What the driver said to the kernel's log, of every boot that is kept; Xid lines are the GPU's own errors.
    "gpu": Source(
        "gpu",
        "journalctl --dmesg --boot all --no-pager --quiet --output short-iso 2>/dev/null"
        " | grep -E 'NVRM|nvidia|Xid'",
        now="if command -v nvidia-smi >/dev/null; then nvidia-smi; nvidia-smi --query-compute-apps=pid,name,used_memory"
        " --format=csv; else echo 'this node has no NVIDIA driver'; fi 2>&1",
    ),
}  # fmt: skip


@dataclass
class Log:
    """One log of one node; `at` is how many of its bytes were read."""

    cloud: Cloud
    instance_id: str
    source: Source
    at: int = 0
    _rest: str = ""

    def last(self, lines: int) -> list[str]:
        """The last lines, oldest first; what is written after that is `new`.

        Raises:
            OperationError: the node does not answer, or has no such log.
        """
        sizes = self._ask(f"({self.source.show}) | wc -c; ({self.source.show}) | tail -n {int(lines)} | wc -c").split()
        total, wanted = (int(size) for size in sizes) if len(sizes) == 2 else (0, 0)
        now = self._ask(self.source.now).splitlines() if self.source.now else []
        if not total and not now:
            raise OperationError(f"{self.instance_id} has no log of {self.source.name} yet", self.source.hint)
        self.at = max(0, total - wanted)
        return [*now, *self.new(total)]

    def new(self, until: int | None = None) -> list[str]:
        """The lines that were written since, whole ones only; `until` is a size of the log in bytes."""
        said = self._rest.encode("utf-8")
        while until is None or self.at < until:
            piece = self._piece()
            said += piece
            self.at += len(piece)
            if len(piece) < PIECE_BYTES:
                break
        whole, newline, rest = said.rpartition(b"\n")
        self._rest = rest.decode("utf-8", "replace")
        return whole.decode("utf-8", "replace").splitlines() if newline else []

    def _piece(self) -> bytes:
        command = f"({self.source.show}) | tail -c +{self.at + 1} | head -c {PIECE_BYTES} | base64 -w0"
        try:
            return base64.b64decode(self._ask(command), validate=True)
        except binascii.Error:
            raise OperationError(f"what {self.instance_id} answered was cut", "the same again") from None

    def _ask(self, command: str) -> str:
        try:
            result = self.cloud.assistant.run(self.instance_id, command, timeout_s=COMMAND_S)
        except (CloudError, NodeFailed) as error:
            raise OperationError(
                f"{self.instance_id} cannot be asked for its log: {error.message}",
                "its console may say more: garret logs --console",
            ) from error
        if result.exit_code != 0:
            raise OperationError(f"{self.instance_id} cannot be asked for its log: {result.error or result.status}")
        return result.output.strip()


def node_of(cloud: Cloud, deployment: Deployment) -> Instance:
    """The machine of a deployment, also of one whose stack failed, as long as it is there.

    Raises:
        UsageError: there is none.
    """
    machines = cloud.instances.tagged(deployment.name)
    if not machines:
        raise UsageError(
            f"{deployment.name} has no machine now", f"garret events{flag(deployment.name)}   (says what became of it)"
        )
    return next((one for one in machines if one.status == "Running"), machines[0])


def log_of(cloud: Cloud, deployment: Deployment, source: str) -> Log:
    """A log of a deployment's node.

    Raises:
        UsageError: it has no machine, or the machine does not run.
    """
    machine = node_of(cloud, deployment)
    if machine.status != "Running":
        raise UsageError(
            f"the machine {machine.id} is {machine.status}, and only one that runs can be asked for its logs",
            f"garret ops start{flag(deployment.name)}",
        )
    return Log(cloud, machine.id, SOURCES[source])


def console_of(cloud: Cloud, deployment: Deployment, lines: int) -> list[str]:
    """The last lines of the machine's console, which is there also when Cloud Assistant's agent is not."""
    return cloud.instances.console(node_of(cloud, deployment).id).splitlines()[-lines:]


def follow(log: Log) -> Iterator[str]:
    """What is new, as it is written; a bootstrap's ends when the bootstrap does."""
    while True:
        ended = log.source.name == "bootstrap" and has_ended(read_sight(log.cloud.assistant, log.instance_id))
        yield from log.new()
        if ended:
            return
        log.cloud.clock.sleep(min(FOLLOW_S, log.cloud.poll_s))


def has_ended(sight: Sight) -> bool:
    """Say whether a bootstrap is over: its signal was tried, or a step failed."""
    last = sight.last
    return last.get("state") == "failed" or (last.get("step") == "signal" and last.get("state") in ENDED)


def journal_of(assistant: Assistant, instance_id: str) -> list[dict[str, object]]:
    """The bootstrap's journal, line by line."""
    return list(read_sight(assistant, instance_id).entries)
