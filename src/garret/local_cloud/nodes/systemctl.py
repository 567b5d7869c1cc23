"""`systemctl` on a process node: asks the node's init, which is its PID 1. Runs alone, with the standard library.

The driver puts a script that runs this file into the node's PATH, so the bootstrap calls systemctl as it does on a
real node. The node's folder comes in GARRET_PREFIX.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

VERBS = ("daemon-reload", "enable", "disable", "start", "stop", "restart", "is-active", "is-enabled")
NOT_ACTIVE = 3


def ask(folder: Path, request: dict[str, Any], timeout_s: float | None = None) -> dict[str, Any]:
    """Send one request to the init of the node in this folder and return its reply.

    Raises:
        OSError: no init answers.
    """
    door = json.loads((folder / "init.json").read_text("utf-8"))
    line = json.dumps({**request, "secret": door["secret"]}) + "\n"
    with socket.create_connection(("127.0.0.1", door["port"]), timeout=10) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(line.encode())
        with connection.makefile("rb") as reply:
            answer = reply.readline()
    if not answer:
        raise ConnectionError("the node's init hung up")
    body: dict[str, Any] = json.loads(answer)
    return body


def main(arguments: list[str]) -> int:
    """Carry out one systemctl command; the exit codes are systemctl's."""
    words = [word for word in arguments if word not in ("--now", "--quiet", "-q", "--no-block", "--no-pager")]
    if not words or words[0] not in VERBS:
        print(f"systemctl on a process node does {', '.join(VERBS)}, not {' '.join(arguments)!r}", file=sys.stderr)  # noqa: T201
        return 1
    folder = Path(os.environ["GARRET_PREFIX"]).parent
    names = [word if "." in word else f"{word}.service" for word in words[1:]] or [""]
    code = 0
    for name in names:
        try:
            reply = ask(folder, {"verb": words[0], "unit": name, "now": "--now" in arguments})
        except (OSError, ValueError) as error:
            print(f"the node's init does not answer: {error}", file=sys.stderr)  # noqa: T201
            return 1
        if reply.get("message"):
            print(reply["message"], file=sys.stdout if reply["ok"] else sys.stderr)
        if not reply["ok"]:
            code = NOT_ACTIVE if words[0].startswith("is-") else 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
