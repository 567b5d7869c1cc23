"""A person's session on the node: a shell on this terminal, or one command with this process's own streams."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from garret.errors import NodeFailed

if TYPE_CHECKING:
    import paramiko

_PIECE = 32 * 1024
KEEPALIVE_S = 30
BROKEN = 255
"""The exit code of a session whose connection broke, as ssh(1) has it."""


def shell(client: paramiko.SSHClient) -> int:
    """A login shell on this terminal until it ends; its exit code."""
    channel = _session(client)
    size = os.get_terminal_size(sys.stdin.fileno())
    channel.get_pty(os.environ.get("TERM", "xterm"), size.columns, size.lines)
    channel.invoke_shell()
    with _raw(sys.stdin.fileno()), _resizing(channel):
        while True:
            ready, _, _ = select.select([channel, sys.stdin], [], [])
            if channel in ready:
                piece = channel.recv(_PIECE)
                if not piece:
                    break
                _write(sys.stdout.buffer, piece)
            if sys.stdin in ready:
                typed = os.read(sys.stdin.fileno(), _PIECE)
                if typed:
                    channel.sendall(typed)
                else:
                    channel.shutdown_write()
    return _code(channel)


def command(client: paramiko.SSHClient, words: str, source: BinaryIO | None) -> int:
    """One command line for the node's shell, with both of its streams, and input from `source`; its exit code."""
    channel = _session(client)
    channel.exec_command(words)
    if source is None:
        channel.shutdown_write()
    else:
        threading.Thread(target=_feed, args=(source, channel), daemon=True).start()
    errors = threading.Thread(target=_drain, args=(channel.recv_stderr, sys.stderr.buffer), daemon=True)
    errors.start()
    _drain(channel.recv, sys.stdout.buffer)
    errors.join()
    return _code(channel)


def _session(client: paramiko.SSHClient) -> paramiko.Channel:
    transport = client.get_transport()
    if transport is None:
        raise NodeFailed("the connection to the node broke")
    transport.set_keepalive(KEEPALIVE_S)
    return transport.open_session()


def _code(channel: paramiko.Channel) -> int:
    code = channel.recv_exit_status()
    return BROKEN if code < 0 else code


def _feed(source: BinaryIO, channel: paramiko.Channel) -> None:
    with contextlib.suppress(OSError):
        while piece := os.read(source.fileno(), _PIECE):
            channel.sendall(piece)
        channel.shutdown_write()


def _drain(receive: object, sink: BinaryIO) -> None:
    while piece := receive(_PIECE):  # type: ignore[operator]
        _write(sink, piece)


def _write(sink: BinaryIO, piece: bytes) -> None:
    sink.write(piece)
    sink.flush()


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Hand every key over as it is typed, Ctrl-C among them."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _resizing(channel: paramiko.Channel) -> Iterator[None]:
    """Tell the node when the window changes."""

    def tell(*_: object) -> None:
        size = os.get_terminal_size(sys.stdin.fileno())
        channel.resize_pty(size.columns, size.lines)

    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
