"""What Cloud Assistant's agent does on a node: run a script as a user within a time, and write files."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from garret.local_cloud.nodes.driver import DriverError, FileThere, NoFolder, NoGroup, NotUp, NoUser, RunResult

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 24 * 1024
GRACE_S = 10
_THERE, _NO_USER, _NO_GROUP = 87, 88, 89
# What is missing, and the exit code, are told after a word that the command does not know: any output and any code may
# be its own. Its output goes through a pipe that belongs to its user, who may open /dev/stderr therefore. The unit's
# command line has neither quotes nor variables: a reload of systemd would not keep them. What a command that has ended
# left in the background goes on, as with the vendor's agent; one that is ended, or takes too long, ends with all that
# it started. To systemd it has ended well then: how a script ended it says itself, or not at all.
_RUN = r"""id -u "$1" >/dev/null 2>&1 || { echo "$5 user"; exit; }
home=$(getent passwd "$1" | cut -d: -f6); folder=${2:-$home}
[ -d "$folder" ] || { echo "$5 folder"; exit; }
[ -e /run/systemd/private ] || { echo "$5 systemd"; exit; }
f=/run/garret-agent/$3; mkdir -p -m 755 /run/garret-agent; (umask 077; cat > "$f"; : > "$f.code"; mkfifo "$f.out")
chown "$1" "$f" "$f.code" "$f.out"; chmod 500 "$f"
how=/bin/sh; [ "$(head -c 2 "$f")" != '#!' ] || how=
printf '%s\n' "exec > $f.out 2>&1" "$how $f" "echo \$? > $f.code" > "$f.run"
cat "$f.out" & exec 3> "$f.out"
systemd-run --quiet --wait --collect --unit="$3" --uid="$1" --working-directory="$folder" \
  -p RuntimeMaxSec="$4" -p KillMode=process -p TimeoutStopSec=2 -p IgnoreSIGPIPE=no \
  -E HOME="$home" -E PATH="$PATH" /bin/sh "$f.run" 2>"$f.err"
code=$?; own=$(cat "$f.code") why=$(head -n 1 "$f.err"); rm -f "$f" "$f".*
case $own in *[!0-9]*) own=1 ;; esac
case $own$why in 'Failed to connect to bus'*) printf '\n%s bus\n' "$5" >&3; exit ;; esac
group=/sys/fs/cgroup/system.slice/$3.service/cgroup.procs n=0
while [ -z "$own" ] && [ $n -lt 60 ] && left=$(cat $group 2>/dev/null) && [ -n "$left" ]; do
  case $n in 0) kill -TERM $left ;; [2-9]?) kill -KILL $left ;; esac 2>/dev/null
  n=$((n + 1)); sleep 0.1
done
[ "${own:-$code}" != 0 ] || [ -n "$own" ] || code=143
printf '\n%s %s\n' "$5" "${own:-$code}" >&3
"""
_PUT = f"""\
[ -n "$3" ] || [ ! -e "$1" ] || exit {_THERE}
id -u "$5" >/dev/null 2>&1 || exit {_NO_USER}
getent group "$6" >/dev/null || exit {_NO_GROUP}
f=$(dirname "$1")/.$4
mkdir -p "$(dirname "$1")" && cat > "$f" && chown "$5:$6" "$f" && chmod "$2" "$f" && mv -fT "$f" "$1" && exit
rm -f "$f"; exit 1
"""
_MISSING: dict[str, type[DriverError]] = {"user": NoUser, "folder": NoFolder, "systemd": NotUp}


def run(
    init: int,
    script: bytes,
    timeout_s: int,
    user: str,
    directory: str,
    *,
    name: str = "",
    up: Callable[[], bool] = lambda: True,
) -> RunResult:
    """Run a script on the node whose first process this is; `up` says whether the node still runs.

    Raises:
        NoUser, NoFolder: what the node lacks.
        NotUp: it is not up enough.
        DriverError: it is gone.
    """
    unit, word = _unit(name or secrets.token_hex(6)), secrets.token_hex(16)
    words = [*_inside(init), "/bin/sh", "-c", _RUN, "assistant", user, directory, unit, str(timeout_s), word]
    started = time.monotonic()
    process = subprocess.Popen(
        words, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            said = _hear(process, script, word.encode(), _Watch(started + timeout_s + GRACE_S, up))
        finally:
            _signal(process, signal.SIGKILL)  # who listens for what goes on in the background
    if said.head.startswith(word.encode()):
        missing = said.head.split()[1].decode()
        says = {"user": f"there is no user {user} on the node", "systemd": "the node is not up yet"}
        raise _MISSING[missing](says.get(missing, f"{directory or 'their home'} is not a folder of the node"))
    if said.code is None and said.head.startswith(b"nsenter:"):
        raise DriverError(f"the node does not answer: {said.head.decode('utf-8', 'replace').strip()}")
    timed_out = time.monotonic() - started >= timeout_s - 0.05 and said.code != 0
    if said.code is None and (not timed_out or not up()):
        raise DriverError("the node went down while the command ran")
    kept = said.tail[-OUTPUT_LIMIT:]
    return RunResult(137 if said.code is None else said.code, kept, said.length - len(kept), timed_out)


@dataclass(frozen=True)
class _Said:
    """What a command said: how it began, how it ended, its length in bytes, and its exit code if it told one."""

    head: bytes
    tail: bytes
    length: int
    code: int | None


@dataclass(frozen=True)
class _Watch:
    """How long somebody listens: until a moment of time.monotonic(), and while the node is up."""

    deadline: float
    up: Callable[[], bool]

    def over(self) -> bool:
        """Say whether it is in vain to go on."""
        return time.monotonic() > self.deadline or not self.up()


def _hear(process: subprocess.Popen[bytes], script: bytes, word: bytes, watch: _Watch) -> _Said:
    """Feed a process and listen until the word; one that takes too long, or whose node has gone, is killed."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(script)
        process.stdin.close()
    head, tail, length, code = b"", b"", 0, None
    while code is None:
        if not select.select([process.stdout], [], [], 0.5)[0]:
            # A node that goes down stops all its processes for a moment. nsenter stops itself with its child, and
            # nobody would wake it: the node could not end, for it waits for the child that nsenter is to collect.
            _signal(process, signal.SIGKILL if watch.over() else signal.SIGCONT)
            continue
        more = os.read(process.stdout.fileno(), 65_536)
        if not more:
            break
        head, tail, length = (head + more)[:200], (tail + more)[-2 * OUTPUT_LIMIT :], length + len(more)
        found = re.search(rb"\n%s (\d+|bus)\n" % word, tail)
        if found and found[1] == b"bus":
            raise NotUp("the node's systemd does not answer")
        if found:
            code, length, tail = int(found[1]), length - len(tail) + found.start(), tail[: found.start()]
    return _Said(head, tail, length, code)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def end(init: int, name: str) -> None:
    """End a command by its name, with all that it started; one that is not there is fine."""
    words = [*_inside(init), "systemctl", "kill", "--kill-whom=all", "--signal=TERM", f"{_unit(name)}.service"]
    subprocess.run(words, env=_environment(), capture_output=True, check=False, timeout=30)


def put(  # noqa: PLR0917 - what Cloud Assistant is told of a file
    init: int, path: str, content: bytes, mode: int, overwrite: bool, owner: str, group: str
) -> None:
    """Write a file on the node, as a whole.

    Raises:
        DriverError: it cannot be written.
        FileThere: it is there and may not be replaced.
        NoUser, NoGroup: whom the node lacks.
    """
    again = "yes" if overwrite else ""
    words = ["/bin/sh", "-c", _PUT, "put", path, f"{mode:o}", again, secrets.token_hex(8), owner, group]
    done = subprocess.run(
        [*_inside(init), *words], env=_environment(), input=content, capture_output=True, check=False, timeout=120
    )
    refusals: dict[int, DriverError] = {
        _THERE: FileThere(f"{path} is there already"),
        _NO_USER: NoUser(f"there is no user {owner} on the node"),
        _NO_GROUP: NoGroup(f"there is no group {group} on the node"),
    }
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()[:300]
        raise refusals.get(done.returncode, DriverError(f"{path} cannot be written: {why}"))


def _unit(name: str) -> str:
    return f"assistant-{name}"


def _inside(init: int) -> list[str]:
    return ["nsenter", f"--target={init}", "--all", "--"]


def _environment() -> dict[str, str]:
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
