"""Which checkpoint requests without a name get, where a caller has chosen one: kept over a restart."""

from __future__ import annotations

import json
from pathlib import Path

from garret.service_runtime.files import write_atomically


class DefaultFile:
    """The file with the chosen checkpoint's name; what it says counts before the setting."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """Return the chosen name, or "" when none was chosen."""
        try:
            name = json.loads(self._path.read_text("utf-8"))["checkpoint"]
        except (OSError, ValueError, LookupError, TypeError):
            return ""
        return name if isinstance(name, str) else ""

    def write(self, name: str) -> None:
        """Keep a name."""
        write_atomically(self._path, json.dumps({"checkpoint": name}).encode(), 0o640)
