"""Bring the runtime onto a node: pieces by Cloud Assistant, any of them twice without harm; else the whole by SFTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from garret.errors import CloudError, NodeFailed
from garret.image_bootstrap.bundle import Bundle, chunks

if TYPE_CHECKING:
    from garret.ops.channels.ssh import SshAddress
    from garret.ops.roles import Assistant

INCOMING = "/var/lib/garret/incoming"
AT_ONCE = 4
"""How many pieces are under way together; each waits most of its time for the node's agent."""
MOST_AT_ONCE = 12
"""The same for a bundle of hundreds of pieces."""
MANY = 100
WORTH_A_LOOK = 8
"""From so many pieces on, it pays to ask first which of them an earlier run has brought."""
NAME_TAIL = 19
"""The last characters of a piece's name: fifteen of the bundle's hash, a dot and the number."""
# Sizes and ends of names only: Cloud Assistant keeps 24 KB of output, and there may be hundreds of pieces.
LIST = (
    'ls -ln "${GARRET_PREFIX}/var/lib/garret/incoming" 2>/dev/null'
    f" | awk 'NF >= 9 {{ print $5, substr($9, length($9) - {NAME_TAIL - 1}) }}'"
)


class Way(Protocol):
    """One way to bring a bundle onto a node."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    def send(self, bundle: Bundle, told: Callable[[int], None]) -> None:
        """Bring all of it; `told` hears how many bytes have arrived. Raises CloudError or NodeFailed."""


@dataclass(frozen=True)
class InPieces:
    """By Cloud Assistant: needs no open port and no key."""

    assistant: Assistant
    instance_id: str
    again: bool = False
    name: str = "Cloud Assistant"

    def send(self, bundle: Bundle, told: Callable[[int], None]) -> None:
        """Send what is not there yet."""
        deliver(self.assistant, self.instance_id, bundle, told, again=self.again)


@dataclass(frozen=True)
class BySftp:
    """By SSH, for whoever opened port 22: one file, that appears on the node when it is complete."""

    address: SshAddress
    name: str = "SFTP"

    def send(self, bundle: Bundle, told: Callable[[int], None]) -> None:
        """Send the whole, or the rest of it."""
        from garret.ops.channels.ssh import SshChannel

        with SshChannel(self.address) as channel:
            channel.put(f"{INCOMING}/{bundle.sha256}.tar.xz", bundle.data, progress=lambda done, _total: told(done))


def deliver_by(ways: Sequence[Way], bundle: Bundle, told: Callable[[int], None]) -> str:
    """Bring a bundle by the first way that works; its name.

    Raises:
        CloudError, NodeFailed: none does; the first one's reason, and after it what the others said.
    """
    first, others = None, []
    for way in ways:
        try:
            way.send(bundle, told)
        except (CloudError, NodeFailed) as error:
            if first is None:
                first = error
            else:
                others.append(f"{way.name}: {error.message}")
        else:
            return way.name
    if first is None:
        raise NodeFailed("there is no way to bring the runtime onto the node")
    if others:
        first.message = "; ".join([first.message, *others])
    raise first


def deliver(
    assistant: Assistant, instance_id: str, bundle: Bundle, told: Callable[[int], None], *, again: bool = False
) -> None:
    """Send every piece that is not there yet; `told` hears how many bytes have arrived.

    `again`: most of it is there, so it is looked first, however few pieces there are.

    Raises:
        CloudError, NodeFailed: a piece did not arrive; delivering again later is safe.
    """
    pieces = dict(chunks(bundle))
    there = _there(assistant, instance_id) if again or len(pieces) >= WORTH_A_LOOK else {}
    missing = {name: piece for name, piece in pieces.items() if there.get(name[-NAME_TAIL:]) != len(piece)}
    arrived = bundle.size - sum(map(len, missing.values()))
    with ThreadPoolExecutor(MOST_AT_ONCE if len(missing) > MANY else AT_ONCE, thread_name_prefix="deliver") as pool:
        sent = {
            pool.submit(assistant.send_file, instance_id, f"{INCOMING}/{name}", piece): len(piece)
            for name, piece in missing.items()
        }
        try:
            for done in as_completed(sent):
                done.result()
                arrived += sent[done]
                told(arrived)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def is_too_early(error: CloudError | NodeFailed) -> bool:
    """Say whether a refusal means only that the node or its agent is not up yet."""
    if isinstance(error, NodeFailed):
        return True
    early = ("InvalidInstance.NotMatch", "ClientNotRunning", "InvalidInstanceStatus", "IncorrectInstanceStatus")
    return error.retryable or error.code.startswith(early)


def _there(assistant: Assistant, instance_id: str) -> dict[str, int]:
    """Sizes of what lies on the node, by the end of its name; nothing when the node cannot be asked."""
    try:
        result = assistant.run(instance_id, LIST, timeout_s=20)
    except (CloudError, NodeFailed):
        return {}
    words = (line.split() for line in result.output.splitlines())
    return {pair[1]: int(pair[0]) for pair in words if len(pair) == 2 and pair[0].isdigit()}
