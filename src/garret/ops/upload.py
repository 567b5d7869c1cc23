"""Upload: a model from this machine's disk onto the node, in chunks that a broken connection does not undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garret.client.models import LocalFile
from garret.errors import OperationError, UsageError
from garret.ops.client import client_at, in_words_of_a_command
from garret.ops.deployment import flag
from garret.ops.download_model import Model, parameters
from garret.ops.executions import Node
from garret.ops.tell import Teller
from garret.ops.work import Work
from garret.service_runtime.model_files import UPSCALER, suffixes_of
from garret.service_runtime.safetensors_header import NotSafetensors, read_header
from garret.service_runtime.tensor_families import family_of, why_useless
from garret.service_runtime.torch_pickle import read_either_header

if TYPE_CHECKING:
    from garret.client.driver import Blocking
    from garret.client.models import Models

VERB, PLACE = "upload-model", "place-model"
STAGED = "/var/lib/garret/uploads"


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
    read = read_either_header if wish["type"] == UPSCALER else read_header
    try:
        reason, hint = why_useless(wish["type"], family_of(read(path)))
    except NotSafetensors as error:
        kinds = " or ".join(suffixes_of(wish["type"]))
        raise UsageError(f"--file: {path} {error}", f"give a {kinds} file") from None
    if reason and not wish["force"]:
        raise UsageError(f"--file: {path}: {reason}", hint)


def look_at(path: Path, tell: Teller) -> LocalFile:
    """Hash a local file, for the node to hold against what arrives."""
    with in_words_of_a_command():
        return LocalFile.of(path, tell.progress)


def upload(
    models: Models[Blocking],
    local: LocalFile,
    wish: Mapping[str, Any],
    tell: Teller,
    *,
    pause: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Bring the file; what is there already, or came in an earlier try, is not sent again.

    `wish` is type, name, kind, directory and force; `pause` is called between chunks and may raise to stop.
    """
    began: list[int] = []

    def told(stage: str, done: int, total: int) -> None:
        if not began and done:
            tell.stage(stage, "running", f"goes on at byte {done} of {total}")
        if began:
            tell.progress(stage, done, total)
        began.append(done)
        if done < total:
            pause()

    with in_words_of_a_command():
        return dict(models.send(local, wish, told))


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
        with client_at(login) as client:
            return upload(client.models, local, wish, work.tell, pause=work.stop_here)


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
        with in_words_of_a_command():
            local.check()
        work.tell.progress("upload", done, total)

    return told
