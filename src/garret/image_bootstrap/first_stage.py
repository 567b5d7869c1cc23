"""The first program of ours on a node: wait for the runtime bundle, check it, unpack it, and hand over to the runner.

It travels as text inside the user-data, alone, before anything of garret is on the machine. So it uses the standard
library only, runs under Python 3.9, fits in a few kilobytes (it travels without comments and docstrings), and holds
what both stages need: the journal and the signal to the stack. `garret.image_bootstrap.runner` imports them from here.
It reads:

GARRET_PREFIX          folder in front of every path; "" on a real node
GARRET_PYTHON          interpreter for the second stage; else the one that runs this
GARRET_DRIVER          which driver of the local cloud booted the node; not set on a real cloud
GARRET_NODE_CRASH_AT   STEP or STEP:after, or several with commas: in the local cloud, die at each once
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import traceback
import urllib.request
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

NOT_FETCHED = "not at its address"
UNPACKED_LIMIT = 64 * 1024 * 1024
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
LOCAL_DRIVERS = ("process", "namespace")
# Hashes, what follows an address's question mark or stands before its @, bearer tokens, and the node's own token.
SECRETS = re.compile(
    r"(scrypt|sha256)\$[\w$-]+|(?<=//)[^/\s@]+(?=@)|(?<=\?)[^\s?]*=[^\s'\"]+|(?<=[Bb]earer )\S+|gnt_[\w-]+"
)


class StepEnd(Exception):
    """A step ended early; the text is the reason that a person reads."""


class StepFailed(StepEnd):
    """A step cannot be done."""


class StepSkipped(StepEnd):
    """A step does not apply on this machine; the text says why."""


class Journal:
    """What happened to the machine, one JSON line per change, and a log beside it for people; neither holds a secret.

    A disk that is full or read-only makes it silent, not an error: the stack must hear of that all the same.
    """

    def __init__(self, root: Path, crash_at: str = "") -> None:
        self.path = root / "var/lib/garret/bootstrap.jsonl"
        self.log_path = root / "var/log/garret/bootstrap.log"
        self.crash_at = crash_at

    def write(self, step: str, state: str, seconds: float = 0.0, reason: str = "") -> None:
        """Append one line; state is running, done, skipped or failed."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        reason = scrubbed(reason)
        line = {"at": at, "step": step, "state": state, "seconds": round(seconds, 2), "reason": reason}
        self._append(self.path, json.dumps(line))
        self.log(f"{step} {state}" + (f": {reason}" if reason else ""))

    def log(self, text: str) -> None:
        """Append to the log, and show it on the console."""
        text = scrubbed(text)
        self._append(self.log_path, f"{datetime.now(timezone.utc):%H:%M:%S} {text}")
        with suppress(OSError):
            print(text, flush=True)  # noqa: T201 - cloud-init keeps the console

    def tail(self, characters: int = 800) -> str:
        """Return the end of the log."""
        return self.log_path.read_text("utf-8", "replace")[-characters:] if self.log_path.exists() else ""

    def run(self, step: str, work, *arguments) -> None:  # type: ignore[no-untyped-def]
        """Do one step and journal how it went and how long it took."""
        started = time.monotonic()
        try:
            self.write(step, "running")
            self.crash(step, "")
            work(*arguments)
        except StepSkipped as skipped:
            state, reason = "skipped", str(skipped)
        except Exception as error:
            reason = str(error) if isinstance(error, StepFailed) else f"{type(error).__name__}: {error}"
            if not isinstance(error, StepFailed):
                self.log(traceback.format_exc())
            self.write(step, "failed", time.monotonic() - started, reason)
            raise StepFailed(f"{step}: {reason}") from error
        else:
            state, reason = "done", ""
        self.crash(step, ":after")
        self.write(step, state, time.monotonic() - started, reason)

    def crash(self, step: str, moment: str) -> None:
        """Die here as if the power were cut, if here is where to, and it has not happened yet."""
        at = step + moment
        stamp = self.path.with_name("crashed-at")
        known = stamp.read_text() if stamp.exists() else ""
        if at in self.crash_at.split(",") and at not in known.split(","):
            stamp.write_text(f"{known}{at},")
            os.sync()
            self.die()

    def die(self) -> None:
        """End as `kill -9` would end it."""
        os.kill(os.getpid(), signal.SIGKILL)

    def _append(self, path: Path, text: str) -> None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")


def scrubbed(text: str) -> str:
    """Return the text without what opens something."""
    return SECRETS.sub("***", text)


def crash_point(environment: dict[str, str]) -> str:
    """Return where to die, which only nodes of the local cloud can be told."""
    return environment.get("GARRET_NODE_CRASH_AT", "") if environment.get("GARRET_DRIVER") in LOCAL_DRIVERS else ""


def is_going_down() -> bool:
    """Say whether the machine is being shut down: the next boot goes on then, and no failure is to be told."""
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["systemctl", "is-system-running"]
        said = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=False).stdout
        return said.strip() == b"stopping"
    return False


def signal_request(command: str, body: bytes) -> urllib.request.Request:
    """Turn the stack's curl command into a request; only headers, method and address of it are used."""
    words = shlex.split(command)
    if not words or words[0] != "curl":
        raise ValueError("not a curl command")
    headers = {"Content-Type": "application/json"}
    address, rest = "", iter(words[1:])
    for word in rest:
        if word in ("-H", "--header"):
            name, _, value = next(rest, "").partition(":")
            headers[name.strip()] = value.strip()
        elif word in ("-X", "--request", "-d", "--data", "--data-binary", "-m", "--max-time"):
            next(rest, "")
        elif not word.startswith("-"):
            address = word
    if not address.startswith(("http://", "https://")):
        raise ValueError("no http address in the curl command")
    return urllib.request.Request(address, data=body, headers=headers, method="POST")  # noqa: S310 - checked above


def send_signal(
    root: Path, journal: Journal, status: str, reason: str, *, data: str = "", pauses: tuple[float, ...] = PAUSES
) -> bool:
    """Tell the stack SUCCESS or FAILURE, with a few retries; False when nobody could be told."""
    file = root / "var/lib/garret/signal"
    command = file.read_text("utf-8").strip() if file.exists() else ""
    body = json.dumps({"status": status, "reason": reason, "id": "node", "data": data}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for pause in (*pauses, 0):
        try:
            with opener.open(signal_request(command, body), timeout=20):
                journal.write("signal", "done", reason=status)
                return True
        except (OSError, ValueError) as error:
            # Not the command itself: it is signed, and whoever holds it can speak for this node.
            why = f"{status} was not delivered: {error}"
            if pause == 0 or isinstance(error, ValueError):
                break
            time.sleep(pause)
    journal.write("signal", "failed", reason=why)
    return False


def ensure_resume(root: Path) -> None:
    """Have the unit enabled that runs this program again at boot: cloud-init runs user-data once in a node's life.

    The user-data brings the unit, and a drop-in by which it is wanted from its first moment; this is what people see.
    """
    units = root / "etc/systemd/system"
    wanted = units / "multi-user.target.wants/garret-bootstrap.service"
    if not (units / wanted.name).exists():
        raise StepFailed(f"{units / wanted.name} is gone; nothing would finish this node after a reboot")
    if not wanted.is_symlink():
        # What `systemctl enable` does; but this works before any manager has seen the unit.
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.symlink_to(f"../{wanted.name}")


def ensure_bundle(root: Path, config: dict, journal: Journal, poll_s=0.1, pauses=(1, 4, 0)) -> None:  # type: ignore
    """Have the bundle unpacked below /opt/garret/runtime and /opt/garret/current pointing to it."""
    digest = config["bundle_sha256"]
    folder = root / "opt/garret/runtime" / digest[:12]
    if not (folder / ".complete").exists():
        unpack(find_bundle(root, config, journal, poll_s, pauses), folder)
    current = root / "opt/garret/current"
    if not current.is_symlink() or current.readlink() != folder:
        fresh = current.with_name("current.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(folder)
        fresh.replace(current)
    for chunk in (root / "var/lib/garret/incoming").glob(f"{digest}.*"):
        chunk.unlink()


def find_bundle(root: Path, config: dict, journal: Journal, poll_s: float, pauses) -> Path:  # type: ignore
    """Return a file with the right SHA-256: the image's own, what is at the address that the operator named, or what
    the operator sends: pieces, or the whole.
    """
    digest, size, address = config["bundle_sha256"], config["bundle_size"], config.get("bundle_url")
    incoming = root / "var/lib/garret/incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    whole = incoming / f"{digest}.tar.xz"
    ours = root / "usr/share/garret/bundle" / whole.name
    if ours.exists() and not differs(ours.read_bytes(), digest):
        return ours
    content, missed = fetch(address, size, digest, pauses) if address else (b"", "")
    if missed:
        journal.write("ensure_bundle", "running", reason=f"{NOT_FETCHED}: {missed}")
    deadline = time.monotonic() + config["bundle_wait_s"]
    while not content:
        parts = [whole] if whole.exists() else sorted(incoming.glob(f"{digest}.[0-9][0-9][0-9]"))
        arrived = sum(part.stat().st_size for part in parts)
        if arrived >= size or whole in parts:
            content = b"".join(part.read_bytes() for part in parts) if arrived == size else b""
            if wrong := differs(content, digest) if content else f"{arrived} bytes, not {size}":
                for part in parts:
                    part.unlink()
                raise StepFailed(f"the runtime that arrived has {wrong}; it was deleted")
        elif time.monotonic() > deadline:
            raise StepFailed(
                f"{arrived} of {size} bytes of the runtime arrived within {config['bundle_wait_s']} s; "
                f"`garret deploy` sends the rest{missed and f' ({NOT_FETCHED}: {missed})'}"
            )
        else:
            time.sleep(poll_s)
    fresh = whole.with_suffix(".part")
    fresh.write_bytes(content)
    fresh.replace(whole)
    return whole


def differs(content: bytes, digest: str) -> str:
    """Say in what way this is not the bundle; nothing when it is."""
    found = hashlib.sha256(content).hexdigest()
    return "" if found == digest else f"SHA-256 {found[:12]}…, not {digest[:12]}…"


def fetch(address: str, size: int, digest: str, pauses) -> tuple[bytes, str]:  # type: ignore
    """Return the bundle from an address, of which no more than one byte too many is read, or why that did not work."""
    missed = ""
    for pause in pauses:
        try:
            with urllib.request.urlopen(address, timeout=30) as reply:  # noqa: S310 - checked where it was said
                content = reply.read(size + 1)
            if not (missed := differs(content, digest)):
                return content, ""
        except Exception as error:  # noqa: BLE001 - http.client has exceptions of its own; the next way is tried
            missed = repr(error)
        time.sleep(pause)
    return b"", missed


def unpack(archive: Path, folder: Path) -> None:
    """Unpack plain files and folders only, and make the folder appear complete or not at all."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    total = 0
    with tarfile.open(archive, "r:xz") as tar:
        for member in tar:
            path, total = Path(member.name), total + member.size
            if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                raise StepFailed(f"the runtime holds {member.name!r}, which is not a plain file below it")
            if total > UNPACKED_LIMIT:
                raise StepFailed(f"the runtime unpacks to more than {UNPACKED_LIMIT} bytes")
            if member.isdir():
                (fresh / path).mkdir(parents=True, exist_ok=True)
                continue
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(member)
            (fresh / path).write_bytes(source.read() if source else b"")
    os.sync()  # so that no power cut leaves a folder that only looks complete
    (fresh / ".complete").write_text(archive.name + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def main(environment: dict[str, str]) -> int:
    """Do the first stage; returns only when it failed or when another one is at work."""
    root = Path(environment.get("GARRET_PREFIX") or "/")
    journal = Journal(root, crash_point(environment))
    signal.signal(signal.SIGTERM, told_to_end)
    try:
        lock = os.open(root / "var/lib/garret/bootstrap.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            journal.log("another bootstrap is at work on this node; leaving it alone")
            return 0
        config = json.loads((root / "var/lib/garret/node.json").read_text("utf-8"))
        journal.run("ensure_resume", ensure_resume, root)
        journal.run("ensure_bundle", ensure_bundle, root, config, journal)
        current = root / "opt/garret/current"
        python = environment.get("GARRET_PYTHON") or sys.executable
        os.set_inheritable(lock, True)  # the runner holds it until it ends
        os.chdir(current)
        os.execve(  # noqa: S606 - no shell on purpose
            python,
            [python, "-m", "garret.image_bootstrap.runner"],
            {**environment, "PYTHONPATH": str(current), "PYTHONDONTWRITEBYTECODE": "1"},
        )
    except Exception as error:  # noqa: BLE001 - whatever it was, the stack must hear of it
        reason = str(error) if isinstance(error, StepFailed) else f"first stage: {type(error).__name__}: {error}"
        if is_going_down():
            journal.log(f"{reason}; the machine is going down, and its next boot goes on")
        else:
            send_signal(root, journal, "FAILURE", scrubbed(f"{reason}\n{journal.tail()}"))
        return 1


def told_to_end(*_: object) -> None:
    """Turn the first SIGTERM into a failed step; a second one must not keep the stack from hearing of it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise StepFailed("it was told to end (SIGTERM)")


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
