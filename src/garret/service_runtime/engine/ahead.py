"""A checkpoint read into the system's cache while this process is still importing what will load it."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def read_ahead(path: Path) -> threading.Thread:
    """Let the system read a file, or the files of a folder, while something else is done; failing costs nothing."""

    def read() -> None:
        for file in sorted(path.glob("*/*.safetensors")) if path.is_dir() else [path]:
            try:
                with file.open("rb") as opened:
                    os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
            except (OSError, AttributeError):
                return

    thread = threading.Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    return thread
