"""Reach a node by SSH, for whoever opened port 22 to it: only with a key, and only to the host key we were told."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import posixpath
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from garret.errors import NodeFailed, UsageError
from garret.ops.records import CommandResult

if TYPE_CHECKING:
    import paramiko

CONNECT_TIMEOUT_S = 15.0
OUTPUT_LIMIT = 24 * 1024
"""As much output as Cloud Assistant keeps, so that both channels answer alike."""

_PIECE = 32 * 1024


@dataclass(frozen=True)
class SshAddress:
    """Where and as whom; `host_keys` are public keys such as "ssh-ed25519 AAAA…", as the node reported them."""

    host: str
    host_keys: tuple[str, ...]
    key_file: Path
    port: int = 22
    user: str = "root"

    @property
    def name(self) -> str:
        """The name under which known hosts are kept."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


_ADDRESS = re.compile(r"(?:(?P<user>[A-Za-z_][\w.-]*)@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?")


def parse_address(text: str, key_file: Path, host_keys: Sequence[str]) -> SshAddress:
    """Read USER@HOST:PORT; user (root) and port (22) may be left out.

    Raises:
        UsageError: it is no such address, or nobody has said which host key to expect there.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 22) < 65536:
        raise UsageError(f"--ssh: {text!r} is not USER@HOST:PORT", "--ssh root@203.0.113.7")
    if not host_keys:
        raise UsageError(
            "--ssh: the node has reported no SSH host key to expect, and an unknown one is never taken",
            '--host-key "ssh-ed25519 AAAA…", as `cat /etc/ssh/ssh_host_ed25519_key.pub` on the node says',
        )
    return SshAddress(
        found["host"].strip("[]"), tuple(host_keys), key_file, int(found["port"] or 22), found["user"] or "root"
    )


@dataclass(frozen=True)
class _Load:
    """What is to be sent; `sha256` names its part file."""

    content: BinaryIO
    size: int
    sha256: str
    mode: str
    many_at_once: bool = False


class SshChannel:
    """One node behind an SSH server; connects on `with`."""

    def __init__(self, address: SshAddress) -> None:
        self._address = address
        self._connected: paramiko.SSHClient | None = None

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            NodeFailed: nobody answers, the host key is another one, or the node does not take our key.
        """
        self._connected = connect(self._address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        if self._connected:
            self._connected.close()
        self._connected = None

    def run(self, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Run a command to its end; output beyond 24 KB is dropped."""
        transport = self._client().get_transport()
        with _told(self._address, "the command"):
            if transport is None:
                raise NodeFailed(f"{self._address.name}: not connected")
            session = transport.open_session(timeout=CONNECT_TIMEOUT_S)
            try:
                session.set_combine_stderr(True)
                session.exec_command(command)
                return _collect(session, time.monotonic() + timeout_s)
            finally:
                session.close()

    def put(
        self,
        path: str,
        content: bytes,
        *,
        mode: str = "0600",
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        """Have a file with exactly this content at an absolute path; what a broken attempt left is gone on with."""
        load = _Load(io.BytesIO(content), len(content), hashlib.sha256(content).hexdigest(), mode)
        self._put(path, load, progress)

    def put_file(
        self,
        path: str,
        local: Path,
        sha256: str,
        *,
        mode: str = "0644",
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        """Have a copy of a large local file, whose hash is known, at an absolute path, like `put`.

        Many writes are under way at once, and the library keeps a failed one to itself: whoever uses the file must hold
        it against its hash.
        """
        with local.open("rb") as file:
            self._put(path, _Load(file, local.stat().st_size, sha256, mode, many_at_once=True), progress)

    def _put(self, path: str, load: _Load, progress: Callable[[int, int], None]) -> None:
        """Send it into a part file that is named for the content.

        So a second attempt, or another one at the same time, can only write the same bytes into it.
        """
        part, size = f"{path}.{load.sha256[:16]}.part", load.size
        with _told(self._address, path), self._client().open_sftp() as sftp:
            _make_folders(sftp, posixpath.dirname(path))
            done = _size_of(sftp, part)
            with sftp.open(part, "r+b" if 0 < done <= size else "wb") as file:
                done = done if 0 < done <= size else 0
                file.seek(done)
                load.content.seek(done)
                file.set_pipelined(load.many_at_once)  # a round trip for each 32 KB would be most of the time
                while piece := load.content.read(_PIECE):
                    file.write(piece)
                    done += len(piece)
                    progress(done, size)
                file.chmod(int(load.mode, 8))
            if (arrived := _size_of(sftp, part)) != size:
                sftp.remove(part)
                raise NodeFailed(f"{path}: {arrived} of {size} bytes arrived", "is the node's disk full? garret status")
            _take_over(sftp, part, path, size)

    def _client(self) -> paramiko.SSHClient:
        if self._connected is None:
            raise NodeFailed(f"{self._address.name}: not connected")
        return self._connected


def connect(address: SshAddress) -> paramiko.SSHClient:
    """Return a connection to a host that has proven to hold one of the pinned keys."""
    import paramiko

    ours = _our_key(address.key_file)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    for kind, key in _host_keys(address.host_keys):
        client.get_host_keys().add(address.name, kind, key)
    try:
        with _told(address, "the connection"):
            client.connect(
                address.host,
                address.port,
                username=address.user,
                pkey=ours,
                look_for_keys=False,
                allow_agent=False,
                timeout=CONNECT_TIMEOUT_S,
                banner_timeout=CONNECT_TIMEOUT_S,
                auth_timeout=CONNECT_TIMEOUT_S,
            )
    except BaseException:
        client.close()
        raise
    return client


def _our_key(path: Path) -> paramiko.PKey:
    import paramiko
    from paramiko.pkey import UnknownKeyType

    try:
        return paramiko.PKey.from_path(path)
    except TypeError:  # what cryptography says of a key that wants a passphrase
        reason = "it is protected by a passphrase, which garret does not ask for"
    except OSError as error:
        reason = error.strerror or str(error)
    except (paramiko.SSHException, UnknownKeyType, ValueError) as error:
        reason = str(error) or "it is no private key"
    raise NodeFailed(f"the key {path} cannot be used: {reason}", "name the private key that belongs to the node")


def fingerprint(key: bytes) -> str:
    """A public key's SHA-256 as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def _host_keys(texts: Sequence[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    import paramiko
    from paramiko.pkey import UnknownKeyType

    if not texts:
        raise NodeFailed("no host key of this node is known, so nobody could be trusted to be it", "garret status")
    for text in texts:
        kind, _, data = text.partition(" ")
        try:
            blob = base64.b64decode(data.split()[0] if data.split() else "", validate=True)
            yield kind, paramiko.PKey.from_type_string(kind, blob)
        except (paramiko.SSHException, UnknownKeyType, binascii.Error, ValueError, IndexError):
            raise NodeFailed(f"{text[:60]!r} is not an SSH public key, such as 'ssh-ed25519 AAAA…'") from None


@contextmanager
def _told(address: SshAddress, what: str) -> Iterator[None]:
    """Paramiko's exceptions, and the network's, as NodeFailed."""
    import paramiko

    where = f"{address.user}@{address.name}"
    try:
        yield
    except paramiko.BadHostKeyException as error:
        raise NodeFailed(
            f"{where} shows another host key ({fingerprint(error.key.asbytes())}) than the one it reported "
            f"({fingerprint(error.expected_key.asbytes())}); nothing was sent to it",
            "someone may be in between, or the node was made anew: garret status",
        ) from error
    except paramiko.AuthenticationException as error:
        raise NodeFailed(f"{where} does not take the key {address.key_file}", "use the key of this node") from error
    except paramiko.SSHException as error:
        unknown = "not found in known_hosts" in str(error)
        reason = "its host key is of no kind that it reported; nothing was sent to it" if unknown else str(error)
        raise NodeFailed(f"{where}: {what}: {reason}", "garret status") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "the connection broke"
        raise NodeFailed(f"{where}: {what}: {reason}", "is port 22 open to this machine? garret status") from error


def _collect(session: paramiko.Channel, deadline: float) -> CommandResult:
    output, dropped = b"", 0
    while True:
        session.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            piece = session.recv(_PIECE)
        except (TimeoutError, socket.timeout):  # noqa: UP041 - paramiko raises its own alias
            return CommandResult("Timeout", None, output.decode("utf-8", "replace"), "it did not end in time")
        if not piece:
            break
        dropped += max(0, len(output) + len(piece) - OUTPUT_LIMIT)
        output = (output + piece)[:OUTPUT_LIMIT]
    if not session.status_event.wait(max(0.01, deadline - time.monotonic())):
        return CommandResult("Timeout", None, output.decode("utf-8", "replace"), "it did not end in time")
    code = session.recv_exit_status()
    text = output.decode("utf-8", "replace")
    note = f"{dropped} bytes of output were dropped" if dropped else ""
    if code == -1:
        return CommandResult("Failed", None, text, "the connection ended before the command did")
    return CommandResult("Success" if code == 0 else "Failed", code, text, note)


def _make_folders(sftp: paramiko.SFTPClient, folder: str) -> None:
    missing = []
    while folder not in ("", "/") and _size_of(sftp, folder) < 0:
        missing.append(folder)
        folder = posixpath.dirname(folder)
    for path in reversed(missing):
        with suppress(OSError):  # another one may have made it meanwhile; if not, opening the file says why
            sftp.mkdir(path, 0o755)


def _size_of(sftp: paramiko.SFTPClient, path: str) -> int:
    """Bytes of a file; -1 when it is not there."""
    try:
        return int(sftp.stat(path).st_size or 0)
    except FileNotFoundError:
        return -1


def _take_over(sftp: paramiko.SFTPClient, part: str, path: str, size: int) -> None:
    try:
        sftp.posix_rename(part, path)
    except FileNotFoundError:
        # Another one with the same content was first.
        if _size_of(sftp, path) != size:
            raise
