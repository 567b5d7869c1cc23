"""What a node has written about its own bootstrap, read through Cloud Assistant while it happens."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from garret.errors import CloudError
from garret.ops.tell import Teller

if TYPE_CHECKING:
    from garret.ops.roles import Assistant, Clock

READ = 'tail -c 16000 "${GARRET_PREFIX}/var/lib/garret/bootstrap.jsonl"'
ENDED = ("done", "skipped", "failed")


@dataclass
class NodeJournal:
    """Tells each finished step once; reads at most every `every_s` seconds, for each look is a command on the node."""

    assistant: Assistant
    clock: Clock
    tell: Teller
    every_s: float
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
        """The journal's lines; empty while there are none."""
        try:
            result = self.assistant.run(instance_id, READ, timeout_s=20)
        except CloudError:
            return []
        entries = []
        for line in result.output.splitlines() if result.exit_code == 0 else []:
            with suppress(ValueError):  # the first line may be cut, the last be half written
                entry = json.loads(line)
                if isinstance(entry, dict) and "step" in entry:
                    entries.append(entry)
        return entries
