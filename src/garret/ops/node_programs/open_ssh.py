"""Let one more key into this node by SSH, for a while; standard library only.

open ID      take in the key of ROOT/var/lib/garret/requests/ID.json: {"key": "ssh-ed25519 AAAA…", "for_s": 43200};
             says where the SSH server is and which keys it shows
close ID     take the key out again, and stop what was started for it

On a machine it is the system's own server. A folder that plays a machine gets one of its own, on its own address, for
as long as the key is in.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

PREFIX = os.environ.get("GARRET_PREFIX", "").rstrip("/")
REQUESTS = Path(PREFIX + "/var/lib/garret/requests")
DOORS = Path(PREFIX + "/var/lib/garret/doors")
KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}")
READY_S, LOOK_S = 10.0, 0.3


class Refused(Exception):
    """It cannot be done here; says why."""


def main(verb: str, identifier: str) -> dict[str, object]:
    """Open or close, one at a time."""
    DOORS.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (DOORS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if verb == "close":
            return close(identifier)
        path = REQUESTS / f"{identifier}.json"
        wanted = json.loads(path.read_text("utf-8"))
        path.unlink()
        if not KEY.fullmatch(str(wanted["key"])):
            raise Refused("the key is no Ed25519 key")
        return (open_folder if PREFIX else open_machine)(identifier, wanted["key"], float(wanted["for_s"]))


def server() -> str:
    """The path of the SSH server's program."""
    found = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Refused("there is no sshd on this node; apt-get install openssh-server")
    return found


def open_machine(identifier: str, key: str, for_s: float) -> dict[str, object]:
    """Have the system's server run and take the key, which it forgets by itself after its time."""
    program = server()
    units = ("ssh.socket", "ssh.service", "sshd.service")
    running = [unit for unit in units if run("systemctl", "is-active", "--quiet", unit) == 0]
    started = "" if running else "ssh.service"
    if started and run("systemctl", "start", started):
        raise Refused(f"systemd does not start {started}")
    keys = sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))
    if not keys:
        subprocess.run(["ssh-keygen", "-A"], check=True, capture_output=True)
        keys = sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))
    (DOORS / f"{identifier}.json").write_text(json.dumps({"started": started}), "ascii")
    until = time.strftime("%Y%m%d%H%M%S", time.localtime(time.time() + for_s))
    edit(identifier, f'expiry-time="{until}",no-agent-forwarding,no-X11-forwarding {key} garret-{identifier}\n')
    port = int(setting(program, "port", "22"))
    await_answer("127.0.0.1", port)
    return {"user": "root", "host": "", "port": port, "host_keys": texts(keys)}


def setting(program: str, name: str, default: str) -> str:
    """A setting of the system's server, as it reads its own files."""
    said = subprocess.run([program, "-T"], capture_output=True, text=True, check=False).stdout
    return next((line.split()[1] for line in said.splitlines() if line.startswith(name + " ")), default)


def edit(identifier: str, line: str = "") -> None:
    """Put a line into root's authorized keys, or take out the one with this id; the file is whole at any moment."""
    path = Path(pwd.getpwuid(0).pw_dir) / ".ssh/authorized_keys"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    known = path.read_text("utf-8").splitlines(True) if path.exists() else []
    if not line and not known:
        return
    kept = [one if one.endswith("\n") else one + "\n" for one in known if f" garret-{identifier}" not in one]
    part = path.with_name(f"authorized_keys.garret-{identifier}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(kept) + line)
        if path.exists():
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
        file.flush()
        os.fsync(file.fileno())
    if line or kept:
        part.replace(path)
    else:  # as it was before the first of them
        part.unlink()
        path.unlink(missing_ok=True)


def close(identifier: str) -> dict[str, object]:
    """Take the key out; the server that was started for it goes when nobody else needs it."""
    mark = DOORS / f"{identifier}.json"
    known = json.loads(mark.read_text("ascii")) if mark.exists() else {}
    mark.unlink(missing_ok=True)
    if PREFIX:
        deadline = time.monotonic() + READY_S
        while (DOORS / identifier).exists() and time.monotonic() < deadline:  # its keeper clears it away
            time.sleep(LOOK_S)
        return {"status": "closed"}
    edit(identifier)
    if known.get("started"):
        others = sorted(DOORS.glob("*.json"))
        if others:  # the last one out turns it off
            others[0].write_text(json.dumps(known), "ascii")
        else:
            run("systemctl", "stop", str(known["started"]))
    return {"status": "closed"}


def open_folder(identifier: str, key: str, for_s: float) -> dict[str, object]:
    """Start a server of the folder's own, with a host key of its own."""
    program, folder = server(), DOORS / identifier
    folder.mkdir(mode=0o700, exist_ok=True)
    address = Path(PREFIX + "/run/garret/address")
    host = address.read_text("ascii").strip() if address.is_file() else "127.0.0.1"
    if not (folder / "host_key").exists():
        wanted = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / "host_key")]
        subprocess.run(wanted, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    with socket.socket() as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    (folder / "keys").write_text(key + "\n", "ascii")
    (folder / "config").write_text(
        f"Port {port}\nListenAddress {host}\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/keys\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nX11Forwarding no\nAllowAgentForwarding no\nPrintMotd no\n"
        f"SetEnv GARRET_PREFIX={PREFIX}\nSubsystem sftp internal-sftp\n",
        "utf-8",
    )
    mark = DOORS / f"{identifier}.json"
    mark.write_text("{}", "ascii")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks up the part that talks to strangers
    if os.fork() == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        if os.fork() == 0:
            os.closerange(3, 64)  # the lock among them
            try:
                keep_up(program, folder, mark, time.monotonic() + for_s)
            finally:
                os._exit(0)
        os._exit(0)
    os.wait()
    await_answer(host, port)
    return {"user": getpass.getuser(), "host": host, "port": port, "host_keys": texts([folder / "host_key.pub"])}


def keep_up(program: str, folder: Path, mark: Path, deadline: float) -> None:
    """Run the server until its key is taken out, its time is over, or the folder is gone."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "config")], stdout=log, stderr=log)
    while mark.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(LOOK_S)
    mark.unlink(missing_ok=True)
    if process.poll() is None:
        process.terminate()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def await_answer(host: str, port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection((host, port), timeout=2).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise Refused(f"the SSH server does not answer on {host}:{port}: {error.strerror or error}") from None
            time.sleep(0.1)


def texts(paths: list[Path]) -> list[str]:
    """Public keys without their comments."""
    return [" ".join(path.read_text("ascii").split()[:2]) for path in paths]


def run(*words: str) -> int:
    """Run a program; its exit code."""
    return subprocess.run(list(words), capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    try:
        answer = main(sys.argv[1], sys.argv[2])
    except (Refused, OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))  # noqa: T201  (this is a command line of its own)
