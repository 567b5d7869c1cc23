"""What a node has written about its own bootstrap, read through Cloud Assistant while it happens."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from garret.errors import CloudError, NodeFailed
from garret.ops.tell import Teller

if TYPE_CHECKING:
    from garret.ops.roles import Assistant, Clock

NOW = "--now "
# Journal, the node's own clock, and the end of the log, in one command: Cloud Assistant keeps 24 KB of output.
READ = (
    'tail -c 16000 "${GARRET_PREFIX}/var/lib/garret/bootstrap.jsonl"'
    f' && echo "{NOW}$(date +%s)"'
    ' && tail -c 4000 "${GARRET_PREFIX}/var/log/garret/bootstrap.log"'
)
ENDED = ("done", "skipped", "failed")
LOG_LINES = 8


@dataclass(frozen=True)
class Sight:
    """A node's bootstrap as it was last seen: the journal's lines, the log's end, and the node's clock then."""

    entries: tuple[dict[str, Any], ...] = ()
    log: tuple[str, ...] = ()
    now: float | None = None

    @property
    def last(self) -> dict[str, Any]:
        """The journal's last line; empty without any."""
        return self.entries[-1] if self.entries else {}

    @property
    def step(self) -> str:
        """The step that runs; empty when none does."""
        return str(self.last["step"]) if self.last.get("state") == "running" else ""

    @property
    def seconds(self) -> float:
        """For how long the step runs, by the node's own clock; a step that says how far it is says that as well."""
        with suppress(KeyError, ValueError, TypeError):
            since = max(0.0, float(self.now or 0) - datetime.fromisoformat(self.last["at"]).timestamp())
            return since + float(self.last.get("seconds") or 0)
        return 0.0

    @property
    def tail(self) -> str:
        """The log's last lines."""
        return "\n".join(self.log[-LOG_LINES:])

    def to_dict(self) -> dict[str, Any] | None:
        """The `--json` form of a bootstrap that goes on; None when no step runs."""
        if not self.step:
            return None
        ended = {str(entry["step"]) for entry in self._this_run() if entry.get("state") in ENDED}
        return {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "steps_done": len(ended),
            "log": self.log[-1] if self.log else "",
        }

    def _this_run(self) -> tuple[dict[str, Any], ...]:
        """The lines since the bootstrap was begun last, for it is begun at every boot."""
        begun = [number for number, one in enumerate(self.entries) if (one["step"], one["state"]) == _FIRST]
        return self.entries[begun[-1] :] if begun else self.entries


_FIRST = ("ensure_resume", "running")


@dataclass
class NodeJournal:
    """Tells each finished step once; reads at most every `every_s` seconds, for each look is a command on the node."""

    assistant: Assistant
    clock: Clock
    tell: Teller
    every_s: float
    sight: Sight = field(default_factory=Sight)
    _seen: int = 0
    _next: float = 0.0
    _told: str = ""

    def look(self, instance_id: str, *, now: bool = False) -> None:
        """Read and tell what is new; a node that does not answer has nothing new to say."""
        if not now and self.clock.monotonic() < self._next:
            return
        entries = self.read(instance_id)
        self._next = self.clock.monotonic() + self.every_s
        ended = [entry for entry in entries if entry.get("state") in ENDED and entry.get("step") != "signal"]
        for entry in ended[self._seen :]:
            reason = str(entry.get("reason") or "").splitlines()
            self.tell.stage(
                str(entry["step"]), str(entry["state"]), reason[0] if reason else "", float(entry.get("seconds") or 0)
            )
        self._seen = max(self._seen, len(ended))
        self._tell_how_far(entries)

    def _tell_how_far(self, entries: list[dict[str, Any]]) -> None:
        """What the step that runs says of itself, such as how much of a model is there; each word of it once."""
        last = entries[-1] if entries else {}
        said = str(last.get("reason") or "")
        # Why the bundle is not there yet is told by who brings it.
        runs = last.get("state") == "running" and last.get("step") != "ensure_bundle"
        if runs and said and said != self._told:
            self._told = said
            self.tell.stage(str(last["step"]), "running", said)

    def read(self, instance_id: str) -> list[dict[str, Any]]:
        """The journal's lines; empty while there are none. What was seen last is kept in `sight`."""
        found = read_sight(self.assistant, instance_id)
        self.sight = found if found.entries else self.sight
        return list(found.entries)


def read_sight(assistant: Assistant, instance_id: str) -> Sight:
    """Look at a node's bootstrap once; an empty sight when it does not answer or has not begun."""
    try:
        result = assistant.run(instance_id, READ, timeout_s=20)
    except (CloudError, NodeFailed):
        return Sight()
    return parse(result.output) if result.exit_code == 0 else Sight()


def parse(text: str) -> Sight:
    """Take the node's answer to READ apart."""
    journal, mark, rest = text.partition(f"\n{NOW}")
    if not mark and text.startswith(NOW):
        journal, rest = "", text.removeprefix(NOW)
    clock, _, log = rest.partition("\n")
    entries = []
    for line in journal.splitlines():
        with suppress(ValueError):  # the first line may be cut, the last be half written
            entry = json.loads(line)
            if isinstance(entry, dict) and "step" in entry and "state" in entry:
                entries.append(entry)
    now = float(clock) if clock.strip().isdigit() else None
    return Sight(tuple(entries), tuple(line for line in log.splitlines() if line.strip()), now)
