"""Asking a local cloud that is up at its own doors, `/_garret/…`."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from garret.errors import OperationError, UsageError
from garret.local_cloud.running import running

TIMEOUT_S = 30.0


def ask(home: Path, method: str, door: str, body: object = None) -> dict[str, Any]:
    """Use one door ("faults", "clock", "keys?id=…") of the local cloud of this home.

    Errors: OperationError when it is not up or does not answer; UsageError with its own words when it refuses.
    """
    record = running(home)
    if record is None:
        raise OperationError("the local cloud is not up", "Type `garret local up`.")
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=TIMEOUT_S)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, f"/_garret/{door}", data, {"x-garret-secret": record.access_key_secret})
        answer = connection.getresponse()
        reply: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OperationError(f"the local cloud did not answer: {error}", "Look at `garret local status`.") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise UsageError(str(reply.get("error", reply)), "`garret local faults add --help` tells the words.")
    return reply
