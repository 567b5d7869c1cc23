"""The node's own command line, `garret-node`: operations as data in, JSON out.

`operation start ID` reads ROOT/var/lib/garret/requests/ID.json and returns at once; the work goes on in a process of
its own. ROOT is "/" on a real node and GARRET_PREFIX in the local cloud.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from garret import __version__
from garret.service_runtime.executions import ENDED, Execution, ExecutionStore, UnknownExecution
from garret.service_runtime.following import NotFollowed, follow
from garret.service_runtime.handed import take
from garret.service_runtime.settings import ServiceSettings, SettingsError, read_env_file

MAXIMUM_REQUEST_BYTES = 64 << 10
QUICK_S = 3.0
PACKED_FROM = 20_000
"""Cloud Assistant hands back 24 KB of what a command says; a longer reply to an operation is packed."""


class NodeError(Exception):
    """A command that cannot be carried out."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Node:
    """The node's files, below one root."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.root = Path(environment.get("GARRET_PREFIX") or "/")
        self._environment = environment

    @property
    def settings(self) -> ServiceSettings:
        """Return the service's settings."""
        path = self.root / "etc/garret/service.env"
        try:
            return ServiceSettings.from_env(read_env_file(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NodeError(f"{path} is not there", "The node's bootstrap has not come so far") from None
        except (OSError, SettingsError, UnicodeDecodeError) as error:
            raise NodeError(f"{path}: {error}") from None

    @property
    def executions(self) -> ExecutionStore:
        """Return the records of operations."""
        return ExecutionStore(self.settings.state_dir / "executions")

    def request(self, identifier: str) -> dict[str, Any]:
        """Return what was asked for under an id."""
        path = self.root / "var/lib/garret/requests" / f"{identifier}.json"
        try:
            if path.stat().st_size > MAXIMUM_REQUEST_BYTES:
                raise NodeError(f"{path.name} is larger than {MAXIMUM_REQUEST_BYTES} bytes")
            request = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NodeError(f"there is no request {identifier}", f"Write it to {path} first") from None
        except (OSError, ValueError, RecursionError) as error:
            raise NodeError(f"{path.name}: {error}") from None
        if not isinstance(request, dict) or not isinstance(request.get("parameters", {}), dict):
            raise NodeError(f"{path.name} is not an object with verb and parameters")
        return request

    def forget(self, identifier: str) -> None:
        """Take a request away, because of what it holds."""
        (self.root / "var/lib/garret/requests" / f"{identifier}.json").unlink(missing_ok=True)


def start(node: Node, identifier: str) -> dict[str, Any]:
    """Accept a request as an execution and let it run on its own; a second start only shows it."""
    from garret.service_runtime.operations import QUICK, VERBS

    request = {} if _exists(node, identifier) else node.request(identifier)
    parameters = request.get("parameters", {})
    if "tokens" in parameters:
        node.forget(identifier)  # it is read once, and handed on by a pipe
    own = _prepared(node) if request.get("verb") == "install-extension" else {}
    become_owner(node.settings.state_dir)
    store = node.executions
    if store.exists(identifier):
        return store.get(identifier).to_dict()
    verb = request.get("verb")
    if verb not in VERBS:
        raise NodeError(f"there is no operation {str(verb)[:80]!r}", f"There are: {', '.join(VERBS)}")
    execution = store.save(Execution(identifier, verb, str(request.get("requested_by", ""))[:200]))
    if parameters.pop("handed", False):
        parameters["tokens"] = take(node.settings.state_dir, identifier) or {}
    _detach(store, identifier, parameters, own)
    return _soon(store, execution).to_dict() if verb in QUICK else execution.to_dict()


def run(node: Node, identifier: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Carry an execution out, in this process."""
    from garret.service_runtime.operations.apart import carry_out

    return carry_out(node.executions, identifier, node.settings, parameters).to_dict()


def _soon(store: ExecutionStore, execution: Execution) -> Execution:
    """Wait for the end of what takes no time: whoever asked need not ask again."""
    deadline = time.monotonic() + QUICK_S
    while execution.status not in ENDED and time.monotonic() < deadline:
        time.sleep(0.02)
        execution = store.get(execution.id)
    return execution


def cancel(node: Node, identifier: str) -> dict[str, Any]:
    """Leave word for a running execution to stop."""
    store = node.executions
    execution = store.get(identifier)
    if execution.status not in ENDED:
        store.ask_to_cancel(identifier)
    return execution.to_dict()


def login(node: Node, identifier: str) -> dict[str, Any]:
    """Put the login of a request in the place of the one that opens the service; as root, to whom its file belongs."""
    from garret.service_runtime.logins import BadLogin, put_login

    settings = node.settings
    try:
        put_login(settings, node.request(identifier).get("parameters"), settings.state_dir.stat().st_gid)
    except BadLogin as error:
        raise NodeError(f"the login is not taken: {error}") from None
    except OSError as error:
        raise NodeError(f"{settings.login_file}: {error.strerror}") from None
    finally:
        node.forget(identifier)
    return {"status": "Success", "login_file": settings.login_file}


def models(node: Node) -> list[dict[str, Any]]:
    """Return the models on this node."""
    from garret.service_runtime.models import HashCache, Models

    settings = node.settings
    with closing(HashCache(settings.state_dir / "models.sqlite")) as hashes:
        registry = Models(settings.models_dir, settings.config_dir, hashes)
        registry.hash_all()
        return [model.to_dict() for model in registry.all()]


def bootstrap(node: Node) -> list[dict[str, Any]]:
    """Return the bootstrap's journal; a line that was cut off by a crash is left out."""
    path = node.root / "var/lib/garret/bootstrap.jsonl"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return [entry for entry in entries if isinstance(entry, dict)]


def become_owner(folder: Path) -> None:
    """As root, go on as the user whom the service's files belong to, so that the service can use what is written."""
    if os.geteuid() != 0 or not folder.exists():
        return
    status = folder.stat()
    if status.st_uid != 0:
        os.setgroups([])
        os.setgid(status.st_gid)
        os.setuid(status.st_uid)


def _exists(node: Node, identifier: str) -> bool:
    return node.executions.exists(identifier)


def _prepared(node: Node) -> dict[str, str]:
    """Do what only the caller may: tidy up what was sent, and return which index root's pip is configured for."""
    from garret.service_runtime.extensions.pip import configuration
    from garret.service_runtime.extensions.sent import sweep

    sweep(node.root / "var/lib/garret/requests")
    changes_user = os.geteuid() == 0 and node.settings.state_dir.stat().st_uid != 0
    return configuration() if changes_user else {}


def _detach(store: ExecutionStore, identifier: str, parameters: dict[str, Any], own: Mapping[str, str]) -> None:
    """Start the process that does the work; it outlives the caller, and nothing of the request is in its arguments."""
    command = [sys.executable, "-m", "garret.service_runtime.node", "operation", "run", identifier]
    with store.log_path(identifier).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=store.folder,
            env={**own, **os.environ},
        )
    with process.stdin as pipe:  # type: ignore[union-attr]
        pipe.write(json.dumps(parameters).encode())
    # It is init's child soon; this process neither waits for it nor warns that it did not.
    process.returncode = 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    whole = argparse.ArgumentParser(prog="garret-node", description="What a garret node does and knows.")
    commands = whole.add_subparsers(dest="command", required=True)
    operation = commands.add_parser("operation", help="long work, kept as executions")
    verbs = operation.add_subparsers(dest="action", required=True)
    for name, text in (
        ("start", "begin what the request file of this id asks for"),
        ("follow", "carry out what OOS sent under its execution's id, and stay until it has ended"),
        ("show", "print one execution"),
        ("cancel", "stop one execution"),
        ("run", argparse.SUPPRESS),
    ):
        verbs.add_parser(name, help=text).add_argument("id")
    verbs.add_parser("list", help="print all executions, newest first")
    commands.add_parser("login", help="take over the login that the request file of this id holds").add_argument("id")
    for name, text in (
        ("models", "the models on this node"),
        ("bootstrap", "how the node came up"),
        ("version", "which runtime this is"),
    ):
        commands.add_parser(name, help=text).add_argument("--json", action="store_true", help="print JSON")
    return whole


def dispatch(node: Node, arguments: argparse.Namespace) -> Any:
    """Carry out one command and return what to print."""
    commands: dict[str, Callable[[], Any]] = {
        "version": lambda: {"version": __version__, "python": platform.python_version()},
        "bootstrap": lambda: bootstrap(node),
        "models": lambda: models(node),
        "start": lambda: start(node, arguments.id),
        "login": lambda: login(node, arguments.id),
        "follow": lambda: follow(node, arguments.id, start),
        "show": lambda: node.executions.get(arguments.id).to_dict(),
        "list": lambda: [execution.to_dict() for execution in node.executions.all()],
        "cancel": lambda: cancel(node, arguments.id),
        "run": lambda: run(node, arguments.id, json.load(sys.stdin)),
    }
    name = arguments.action if arguments.command == "operation" else arguments.command
    # The request of a start, and the bootstrap's journal, may be for root's eyes only.
    if name not in ("version", "bootstrap", "start", "login", "follow"):
        become_owner(node.settings.state_dir)
    return commands[name]()


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors are JSON too, with exit code 1."""
    arguments = parser().parse_args(argv)
    try:
        reply = dispatch(Node(os.environ), arguments)
    except UnknownExecution as error:
        reply, code = {"error": {"message": str(error), "hint": "`garret-node operation list` shows what there is"}}, 1
    except NotFollowed as error:
        reply, code = {"error": {"message": str(error), "hint": "Start the operation of OOS again"}}, 1
    except NodeError as error:
        reply, code = {"error": {"message": error.message, "hint": error.hint}}, 1
    else:
        # Whoever looks on until the end is told by the exit code how it was.
        following = arguments.command == "operation" and arguments.action == "follow"
        code = int(following and reply["status"] != "Success")
    if arguments.command == "bootstrap" and isinstance(reply, list):
        text = "\n".join(json.dumps(entry) for entry in reply)
    else:
        text = json.dumps(reply, indent=2)
        if arguments.command == "operation" and len(text) > PACKED_FROM and not sys.stdout.isatty():
            text = json.dumps({"packed": base64.b64encode(zlib.compress(text.encode(), 9)).decode()})
    print(text)  # noqa: T201  (this is a command line of its own)
    return code


if __name__ == "__main__":
    sys.exit(main())
