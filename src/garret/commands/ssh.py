"""`garret ops ssh` and `garret ops tunnel`: both hold a door to the node open for as long as they run."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import carry_out

if TYPE_CHECKING:
    import paramiko

    from garret.ops.channels.ssh import SshAddress
    from garret.ops.deployment import Deployment
    from garret.ops.ssh_door import Door

SSH_EPILOG = """\b
Examples:
  garret ops ssh
  garret ops ssh -- nvidia-smi
  tar -c my-loras | garret ops ssh -- tar -x -C /home/models/Lora

A key is made for this session and taken in by the node; port 22 is opened for your address alone. Both end with the
session, also when it is killed. Only the host key is trusted that the node itself reports, through the cloud.
For one command without any port: garret ops run.
"""
TUNNEL_EPILOG = """\b
Examples:
  garret ops tunnel
      the service on a free port of this machine, until Ctrl-C
  garret ops tunnel --port 8188 --from 203.0.113.7/32

The service need not be open to this machine: all goes through SSH, and only to the certificate that the node reported.
"""
OPENING_S, CLOSING_S, LOOK_S = 180.0, 90.0, 0.1
Function = Callable[..., Any]


def door_options(function: Function) -> Function:
    """Add what says for whom, and for how long at most."""
    function = click.option(
        "--for", "for_h", type=click.IntRange(1, 72), default=12, show_default=True, help="Hours after which it ends."
    )(function)
    return click.option("--from", "source", metavar="CIDR", help="Whom port 22 is opened for; else your own address.")(
        function
    )


@click.command(epilog=SSH_EPILOG, context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@door_options
@name_option
@cloud_options
def ssh(caller: Caller, command: tuple[str, ...], *, source: str | None, for_h: int, name: str | None) -> int:
    """A shell on the node, or one command with your own input and output."""
    import shlex

    from garret.errors import UsageError
    from garret.ops import ssh_session

    if not command and not sys.stdin.isatty():
        raise UsageError("there is no terminal for a shell", "a command after --, as in: garret ops ssh -- nvidia-smi")
    with _connected(caller, "ssh", caller.there(name), source, for_h) as (client, _):
        if not command:
            return ssh_session.shell(client)
        words = command[0] if len(command) == 1 else shlex.join(command)
        return ssh_session.command(client, words, None if sys.stdin.isatty() else sys.stdin.buffer)


@click.command(epilog=TUNNEL_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port of this machine; else any free one.")
@door_options
@name_option
@cloud_options
def tunnel(
    caller: Caller, deployment: str | None, *, port: int, source: str | None, for_h: int, name: str | None
) -> int:
    """The service on a port of this machine, with no port of it open to anybody."""
    from garret.ops import tunnel as passing
    from garret.ops.rotate_password import login_of

    one = caller.there(deployment or name)
    login = login_of(one)
    with passing.listener(port) as listening, _connected(caller, "tunnel", one, source, for_h) as (client, address):
        own_network = address.port == 22 or not address.host.startswith("127.")
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        if caller.console.as_json:
            click.echo(json.dumps({"url": url, "login": login.login, "name": one.name}))
        else:
            caller.console.say(f"{one.name} answers at {url} until Ctrl-C")
        sys.stdout.flush()
        with _told_to_end() as ended:
            passing.serve(client, listening, passing.Target.of(login, own_network=own_network), ended)
    return 0


@contextmanager
def _connected(
    caller: Caller, verb: str, one: Deployment, source: str | None, for_h: int
) -> Iterator[tuple[paramiko.SSHClient, SshAddress]]:
    """A connection through a door of its own, which is closed again after it."""
    from garret.ops.channels.ssh import connect
    from garret.ops.ssh_door import new_door, source_of

    settings = caller.settings()
    cidr = source_of(caller.cloud_of(settings, one), one, source)
    door = new_door(one)
    asked = {"door": door.id, "key": door.make(), "cidr": cidr, "for_h": for_h}
    identifier = ""
    try:
        with door.held():
            caller.console.note(f"opening port 22 of {one.name} for {cidr}")
            identifier = str(carry_out(caller, verb, one, asked, wait=False)["id"])
            address = _opened(one, door, identifier)
            with connect(address) as client:
                yield client, address
    finally:
        _closed(caller, one, identifier)


def _opened(one: Deployment, door: Door, identifier: str) -> SshAddress:
    """Wait until the door is open; what its process could not do is raised as its own error."""
    from garret.errors import NotReady
    from garret.ops.mirror import files_of
    from garret.ops.operate import output_of

    files, deadline = files_of(one), time.monotonic() + OPENING_S
    while time.monotonic() < deadline:
        if address := door.address():
            return address
        execution = files.get(identifier)
        if execution.ended:
            output_of(execution)
        time.sleep(LOOK_S)
    raise NotReady(f"port 22 is not open after {OPENING_S:.0f} s", f"garret ops executions show {identifier}")


def _closed(caller: Caller, one: Deployment, identifier: str) -> None:
    """Wait until the door is closed again, and say so; if not, what to do."""
    from garret.ops.mirror import files_of

    if not identifier:
        return
    files, deadline = files_of(one), time.monotonic() + CLOSING_S
    while not (execution := files.get(identifier)).ended and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    if execution.status in ("Success", "Cancelled"):
        caller.console.note("port 22 is closed again")
    elif sys.exc_info()[0] is None:
        error = execution.error or {}
        caller.console.note(f"{error.get('message') or 'port 22 may still be open'}")
        caller.console.note(f"next:   garret ops executions wait {identifier}")


@contextmanager
def _told_to_end() -> Iterator[Callable[[], bool]]:
    """Have Ctrl-C and SIGTERM say that it is enough, in place of breaking off what is under way."""
    told = threading.Event()
    signs = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(sign, lambda *_: told.set()) for sign in signs]
    try:
        yield told.is_set
    finally:
        for sign, handler in zip(signs, before, strict=True):
            signal.signal(sign, handler)
