"""Run: one command on the node as root, by Cloud Assistant; its two streams and its exit code become ours.

The command goes as a file, word by word, never as shell text. It runs on the node whoever looks on, is asked for what
is new, and may say more than Cloud Assistant carries at once.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from garret.errors import Cancelled, NodeFailed
from garret.ops.channels import Channel
from garret.ops.executions import REQUESTS, Node
from garret.ops.node_programs import command
from garret.ops.work import Work

PROGRAM = "run_command"
FOLDER = "runs"
LONGEST_S = 86_400
TAIL_BYTES = 4_000
TIMED_OUT = 124
"""The exit code of what did not end in time, as timeout(1) has it."""
LOOK_S = 20
KEPT_S = 30 * 86_400
GIVE_UP_AFTER = 10
"""So many looks in a row may fail: a node that is busy misses one now and then."""


class Sink(Protocol):
    """Where a stream goes."""

    def write(self, piece: bytes, /) -> Any:
        """Take what is new."""


def run(work: Work) -> dict[str, Any]:
    """Carry out `argv` on the node within `timeout_s`; what it says also lies in files of this machine."""
    identifier, argv = str(work.parameters["request"]), list(work.parameters["argv"])
    node = Node.of(work.cloud, work.deployment)
    folder = work.deployment.journal.folder / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    _tidy(folder)
    running = Running(work, node.channel, identifier, folder / f"{identifier}.out", folder / f"{identifier}.err")
    with work.task("begin"):
        running.begin(argv, int(work.parameters["timeout_s"]))
    with work.task("run"):
        end = running.follow()
    return {
        "exit_code": TIMED_OUT if end.get("note") == "timeout" else end.get("exit_code"),
        "timed_out": end.get("note") == "timeout",
        "note": end.get("note") or "",
        "stdout": _tail(running.out),
        "stderr": _tail(running.err),
        "stdout_file": str(running.out),
        "stderr_file": str(running.err),
        "dropped_bytes": int(end.get("dropped") or 0),
    }


@dataclass
class Running:
    """A command that runs on a node; `out` and `err` are files here with what came of its streams."""

    work: Work
    channel: Channel
    identifier: str
    out: Path
    err: Path
    _silent: int = field(default=0)

    def begin(self, argv: list[str], timeout_s: int) -> None:
        """Start it; a second time, it only goes on.

        Raises:
            NodeFailed: the node does not.
        """
        if self._ask("look", "0", "0").get("status") == "Unknown":
            request = json.dumps({"argv": argv, "timeout_s": timeout_s}).encode("utf-8")
            self.channel.put(f"{REQUESTS}/{self.identifier}.json", request)
            self._ask("begin")
        for path in (self.out, self.err):
            path.touch(0o600)

    def follow(self) -> dict[str, Any]:
        """Look until it has ended; how it did.

        Raises:
            NodeFailed: the node no longer says.
            Cancelled: somebody asked for that; it is ended on the node.
        """
        with self.out.open("ab", buffering=0) as out, self.err.open("ab", buffering=0) as err:
            while True:
                reply = self._look(self.out.stat().st_size, self.err.stat().st_size)
                new = [self._take(reply, "out", out), self._take(reply, "err", err)]
                if reply.get("status") in ("Lost", "Unknown"):
                    raise NodeFailed(
                        "the node went down while the command ran, or lost its record", f"what it said: {self.out}"
                    )
                if reply.get("status") not in ("Running", "Started", "Silent") and not any(new):
                    return reply
                self._stop_if_asked()
                if not any(new):
                    self.work.cloud.clock.sleep(self.work.cloud.poll_s)

    def _stop_if_asked(self) -> None:
        try:
            self.work.stop_here()
        except Cancelled:
            self._ask("stop")
            raise

    def _look(self, out: int, err: int) -> dict[str, Any]:
        try:
            reply = self._ask("look", str(out), str(err))
        except NodeFailed:
            self._silent += 1
            if self._silent > GIVE_UP_AFTER:
                raise
            return {"status": "Silent"}
        self._silent = 0
        return reply

    def _take(self, reply: dict[str, Any], name: str, sink: Sink) -> int:
        piece = zlib.decompress(base64.b64decode(reply.get(name) or "")) if reply.get(name) else b""
        sink.write(piece)
        return len(piece)

    def _ask(self, verb: str, *words: str) -> dict[str, Any]:
        result = self.channel.run(command(PROGRAM, verb, self.identifier, *words), timeout_s=LOOK_S)
        try:
            reply = json.loads(result.output)
        except ValueError:
            said = (result.output.strip() or result.error or result.status)[-300:]
            raise NodeFailed(f"the node does not run it: {said}", "garret status") from None
        if not isinstance(reply, dict):
            raise NodeFailed("the node's answer is none", "garret status")
        return reply


def _tidy(folder: Path) -> None:
    """Forget what commands of long ago said: each may have said 64 MB on either stream."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink()


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
