"""One benchmark's result: two things measured in one run, their ratio, and the bound it has to keep."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Report:
    """`ours` and `theirs` are samples in seconds (or pictures per second), in the order they were taken."""

    name: str
    what: str
    ours: list[float]
    theirs: list[float]
    at_most: float | None = None
    at_least: float | None = None
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The median of ours over the median of theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def kept(self) -> bool:
        """Say whether the ratio is inside its bound."""
        above = self.at_least is None or self.ratio >= self.at_least
        return above and (self.at_most is None or self.ratio <= self.at_most)

    def save(self) -> Path:
        """Write the result beside the earlier ones, with what a reader needs to judge it."""
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
        body = {
            **asdict(self),
            "ratio": round(self.ratio, 3),
            "kept": self.kept,
            "machine": machine,
            "load": os.getloadavg()[0],
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
        return path

    def line(self) -> str:
        """One line for the terminal."""
        bound = f"at most {self.at_most}" if self.at_most is not None else f"at least {self.at_least}"
        return f"{'kept  ' if self.kept else 'MISSED'} {self.name}: {self.ratio:.2f} ({bound}): {self.what}"
