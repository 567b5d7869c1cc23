"""`garret-node operation follow NAME`: carry out what a request of lines asks for, and stay until it has ended."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from garret.service_runtime.executions import ENDED
from garret.service_runtime.files import write_atomically
from garret.service_runtime.request_lines import LARGEST, WrongRequest, read_request

if TYPE_CHECKING:
    from garret.service_runtime.node import Node

NAME = re.compile(r"exec-[0-9a-z]{1,60}")
LOOK_S = 0.5


class NotFollowed(Exception):
    """There is no such request, or it is none; the text says why."""


def identifier_of(name: str) -> str:
    """Return the id of the execution that a request of this name becomes; the same each time it is asked for."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def follow(node: Node, name: str, start: Callable[[Node, str], dict[str, Any]]) -> dict[str, Any]:
    """Begin, or look on at what was begun before, and return the execution when it has ended.

    Raises:
        NotFollowed: there is nothing that could be begun.
    """
    identifier = identifier_of(name)
    if not node.executions.exists(identifier):
        _take(node, name, identifier)
    record = start(node, identifier)
    while record["status"] not in ENDED:
        time.sleep(LOOK_S)
        record = node.executions.get(identifier).to_dict()
    return record


def _take(node: Node, name: str, identifier: str) -> None:
    """Turn the lines that came under a name into the request of an id."""
    if not NAME.fullmatch(name):
        raise NotFollowed(f"{name[:64]!r} is not the id of an execution of OOS")
    folder = node.root / "var/lib/garret/requests"
    path = folder / f"{name}.txt"
    try:
        raw = path.read_bytes()[: LARGEST * 4]
        request = read_request(raw.decode("utf-8"))
    except FileNotFoundError:
        raise NotFollowed(f"there is no request {name}; it is sent to {path} first") from None
    except (OSError, UnicodeDecodeError, WrongRequest) as error:
        path.unlink(missing_ok=True)
        raise NotFollowed(f"{path.name}: {error}") from None
    text = json.dumps({**request, "requested_by": f"OOS {name}"})
    write_atomically(folder / f"{identifier}.json", text.encode(), 0o600)
    path.unlink(missing_ok=True)
