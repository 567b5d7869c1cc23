"""Upload: a model from this machine's disk onto the node, in chunks that a broken connection does not undo."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from garret.errors import NotReady, OperationError, UsageError
from garret.ops.deployment import flag
from garret.ops.download_model import Model, parameters
from garret.ops.endpoint import endpoint_at
from garret.ops.executions import Node
from garret.ops.tell import Teller
from garret.ops.work import Work
from garret.service_runtime.safetensors_header import NotSafetensors, read_header
from garret.service_runtime.tensor_families import family_of, why_useless

VERB, PLACE = "upload-model", "place-model"
STAGED = "/var/lib/garret/uploads"
TRIES = 6
_PIECE = 1 << 20
_FINISH_S = 600.0


class Door(Protocol):
    """The service as an upload needs it: `garret.ops.endpoint.Endpoint`."""

    def post(self, path: str, body: dict[str, Any], timeout_s: float = ...) -> Any:
        """Send JSON, return JSON."""

    def get(self, path: str, timeout_s: float = ...) -> Any:
        """Return the JSON that is at a path."""

    def put(self, path: str, body: bytes, timeout_s: float = ...) -> Any:
        """Send bytes, return JSON."""


@dataclass(frozen=True)
class LocalFile:
    """A file to bring, as it was when it was looked at; `sha256` in hex."""

    path: Path
    size: int
    modified_ns: int
    sha256: str

    def check(self) -> None:
        """Refuse a file that somebody has changed since: its beginning and end would not belong together."""
        status = self.path.stat()
        if (status.st_size, status.st_mtime_ns) != (self.size, self.modified_ns):
            raise OperationError(f"{self.path} was changed while it was sent", "give the command again")


def wish_of(model: Model, path: Path) -> dict[str, Any]:
    """What is asked of the node for a file of this machine, as `upload` takes it.

    Raises:
        UsageError: names the option.
    """
    checked = parameters(replace(model, where="https://file.invalid/x", name=model.name or path.stem))
    return {
        "type": model.type, "name": checked["name"], "kind": model.kind, "directory": model.directory or "",
        "force": model.force,
    }  # fmt: skip


def check(path: Path, wish: Mapping[str, Any]) -> None:
    """Refuse what the node would refuse only after all of it had come; `wish` as for `upload`.

    Raises:
        UsageError: it is no file, empty, or not what `wish` says.
    """
    if not path.is_file():
        raise UsageError(f"--file: {path} is not a file", "--file ~/models/mine.safetensors")
    if not path.stat().st_size:
        raise UsageError(f"--file: {path} is empty", "--file ~/models/mine.safetensors")
    if wish["kind"] != "model":
        return
    try:
        reason, hint = why_useless(wish["type"], family_of(read_header(path)))
    except NotSafetensors as error:
        raise UsageError(f"--file: {path} {error}", "give a .safetensors file") from None
    if reason and not wish["force"]:
        raise UsageError(f"--file: {path}: {reason}", hint)


def look_at(path: Path, tell: Teller) -> LocalFile:
    """Hash a local file, for the node to hold against what arrives."""
    status, digest, done = path.stat(), hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            done += len(piece)
            tell.progress("hash", done, status.st_size)
    return LocalFile(path, status.st_size, status.st_mtime_ns, digest.hexdigest())


def upload(
    door: Door,
    local: LocalFile,
    wish: Mapping[str, Any],
    tell: Teller,
    *,
    pause: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Bring the file; what is there already, or came in an earlier try, is not sent again.

    `wish` is type, name, kind, directory and force; `pause` is called between chunks and may raise to stop.
    """
    announced = {**wish, "size": local.size, "sha256": local.sha256}
    state = door.post("/v1/uploads", announced)
    if state.get("model"):
        return {**state["model"], "already_there": True, "bytes_sent": 0}
    began, tries, sent = int(state["received"]), 0, 0
    if began:
        tell.stage("upload", "running", f"goes on at byte {began} of {local.size}")
    while int(state["received"]) < local.size:
        pause()
        local.check()
        before = int(state["received"])
        try:
            state = _send(door, local, state)
        except NotReady as error:
            tries += 1
            if tries > TRIES:
                raise NotReady(
                    f"gave up after {TRIES} tries that brought nothing: {error.message}", error.hint
                ) from None
            sleep(min(0.5 * 2**tries, 15))
            state = door.post("/v1/uploads", announced)
        if int(state["received"]) > before:
            tries, sent = 0, sent + int(state["received"]) - before
        tell.progress("upload", int(state["received"]), local.size)
    model = door.post(f"/v1/uploads/{state['id']}/finish", {}, _FINISH_S)
    return {**model, "already_there": False, "bytes_sent": sent}


def run(work: Work) -> dict[str, Any]:
    """The verb: by the service's own API, or by SFTP where an SSH address was given."""
    wish = {key: work.parameters[key] for key in ("type", "name", "kind", "directory", "force")}
    Node.of(work.cloud, work.deployment)  # says so when it is stopped, before gigabytes are read for nothing
    with work.task("hash"):
        path = Path(work.parameters["file"])
        check(path, wish)
        local = look_at(path, work.tell)
        wanted = work.parameters.get("sha256") or local.sha256
        if wanted != local.sha256:
            raise UsageError(f"--sha256: {path} has {local.sha256}", "is it the right file?")
    work.stop_here()
    ssh = work.parameters.get("ssh")
    with work.task("upload"):
        if ssh:
            return over_ssh(work, local, wish, ssh)
        login = work.deployment.login
        if login is None or not login.endpoint:
            raise OperationError(
                f"this machine has no token for {work.deployment.name}",
                f"finish it: garret deploy{flag(work.deployment.name)}; or by SFTP: --ssh root@HOST --ssh-key FILE",
            )
        return upload(endpoint_at(login), local, wish, work.tell, pause=work.stop_here, sleep=work.cloud.clock.sleep)


def over_ssh(work: Work, local: LocalFile, wish: Mapping[str, Any], ssh: Mapping[str, Any]) -> dict[str, Any]:
    """By SFTP into a folder of root's, from which the node takes it as one of its own operations."""
    from garret.ops.channels.ssh import SshChannel, parse_address

    address = parse_address(ssh["address"], Path(ssh["key_file"]), tuple(ssh["host_keys"]))
    staged = f"{STAGED}/{local.sha256}"
    with SshChannel(address) as channel:
        channel.put_file(staged, local.path, local.sha256, progress=_telling(work, local))
        node = Node.of(work.cloud, work.deployment, channel)
        try:
            execution = node.follow(node.begin(PLACE, {**wish, "sha256": local.sha256}), work.tell)
        finally:
            channel.run(f"rm -f {staged}")
    return {**execution["output"], "bytes_sent": local.size}


def _telling(work: Work, local: LocalFile) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        work.stop_here()
        local.check()
        work.tell.progress("upload", done, total)

    return told


def _send(door: Door, local: LocalFile, state: Mapping[str, Any]) -> dict[str, Any]:
    received, most = int(state["received"]), int(state["chunk_bytes"])
    with local.path.open("rb") as file:
        chunk = _read_at(file, received, most)
    reply: dict[str, Any] = door.put(f"/v1/uploads/{state['id']}?offset={received}", chunk, 120)
    return reply


def _read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset, os.SEEK_SET)
    return file.read(count)
