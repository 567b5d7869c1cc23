"""Is the local cloud up, and how is it reached? A light module: every command that uses the cloud asks."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from garret.local_cloud.home import CloudFile, Home, read_cloud_file
from garret.local_cloud.nodes.processes import is_running


def running(home: Path) -> CloudFile | None:
    """How to reach the local cloud of this home; None when it does not answer now."""
    record = read_cloud_file(Home(home))
    return record if record is not None and answers(record) else None


def answers(record: CloudFile) -> bool:
    """Say whether the very server of this record is alive and answers."""
    if not is_running(record.pid, record.since):
        return False
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return bool(json.loads(connection.getresponse().read()).get("pid") == record.pid)
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
