"""Server-sent events, read from bytes as they come: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class EventReader:
    """Takes bytes in any pieces and gives the events that are whole; comments keep a line open and say nothing."""

    _rest: bytes = b""
    _event: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> list[tuple[str, str]]:
        """Return the events that this piece completes, each with its name and its data."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        events = []
        for raw in lines:
            line = raw.rstrip(b"\r").decode("utf-8", "replace")
            if not line:
                if self._data:
                    events.append((self._event or "message", "\n".join(self._data)))
                self._event, self._data = "", []
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._event = value
            elif name == "data":
                self._data.append(value)
        return events
