"""A real SSH server on loopback: paramiko's server side, a shell for commands, and SFTP in a folder."""

# ruff: noqa: ARG002 - the signatures are those of paramiko

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko import SFTP_FAILURE, SFTP_OK, SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface

USER = "root"


@dataclass
class SshServer:
    """What a test knows of the server; `cut_after` makes the next upload break after so many bytes."""

    port: int
    host_key: paramiko.PKey
    root: Path
    cut_after: int | None = None
    written: list[tuple[int, int]] = field(default_factory=list)

    @property
    def public_key(self) -> str:
        """The host key, as a node reports it."""
        return f"{self.host_key.get_name()} {self.host_key.get_base64()}"


class _Login(paramiko.ServerInterface):
    def __init__(self, allowed: paramiko.PKey) -> None:
        self._allowed = allowed

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == USER and key == self._allowed
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        raise AssertionError("a password was offered")

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_execute, args=(channel, command.decode()), daemon=True).start()
        return True


def _execute(channel: paramiko.Channel, command: str) -> None:
    process = subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        assert process.stdout
        with suppress(OSError):
            while piece := process.stdout.read1(32768):
                channel.sendall(piece)
        while process.poll() is None and not channel.closed:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        if process.poll() is not None:
            with suppress(OSError, EOFError):
                channel.send_exit_status(process.returncode)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()
        channel.close()


class _File(SFTPHandle):
    def __init__(self, path: Path, flags: int, server: SshServer) -> None:
        super().__init__(flags)
        self._descriptor = os.open(path, flags, 0o600)
        self._path, self._server, self._count = path, server, 0

    def close(self) -> None:
        os.close(self._descriptor)

    def stat(self) -> SFTPAttributes:
        return SFTPAttributes.from_stat(os.fstat(self._descriptor))

    def chattr(self, attr: SFTPAttributes) -> int:
        os.fchmod(self._descriptor, attr.st_mode or 0)
        return SFTP_OK

    def write(self, offset: int, data: bytes) -> int:
        if self._server.cut_after is not None and self._count + len(data) > self._server.cut_after:
            return SFTP_FAILURE
        os.pwrite(self._descriptor, data, offset)
        self._count += len(data)
        self._server.written.append((offset, len(data)))
        return SFTP_OK


class _Files(SFTPServerInterface):
    """Files below a folder that plays the node's root."""

    node: SshServer

    def _path(self, path: str) -> Path:
        return self.node.root / path.lstrip("/")

    def stat(self, path: str) -> SFTPAttributes | int:
        try:
            return SFTPAttributes.from_stat(self._path(path).stat())
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)

    def mkdir(self, path: str, attr: SFTPAttributes) -> int:
        try:
            self._path(path).mkdir()
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:
        try:
            return _File(self._path(path), flags, self.node)
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        try:
            self._path(oldpath).replace(self._path(newpath))
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK


@contextmanager
def ssh_server(root: Path, host_key: paramiko.PKey, allowed: paramiko.PKey) -> Iterator[SshServer]:
    """Serve until the test ends; every connection is closed again."""
    listener = socket.create_server(("127.0.0.1", 0))
    node = SshServer(listener.getsockname()[1], host_key, root)
    files = type("Files", (_Files,), {"node": node})
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                transport = paramiko.Transport(connection)
                transports.append(transport)
                transport.add_server_key(host_key)
                transport.set_subsystem_handler("sftp", SFTPServer, files)
                with suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=_Login(allowed))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield node
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for transport in transports:
            transport.close()
            transport.join(5)
