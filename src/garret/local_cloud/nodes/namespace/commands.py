"""What Cloud Assistant's agent does on a node: run a script as a user within a time, and write files."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable

from garret.local_cloud.nodes.driver import DriverError, FileThere, NoFolder, NoGroup, NotUp, NoUser, RunResult

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 24 * 1024
GRACE_S = 10
_THERE, _NO_USER, _NO_GROUP = 87, 88, 89
# What is missing is told by a word that the command cannot know, for any exit code may be its own. A unit of its own:
# its time limit ends every process of the command, also one that left its session, and `end` finds it by its name.
# To systemd a service that was asked to end has ended well: how the script ended it says itself, or not at all.
_RUN = r"""id -u "$1" >/dev/null 2>&1 || { echo "$5 user"; exit; }
home=$(getent passwd "$1" | cut -d: -f6); folder=${2:-$home}
[ -d "$folder" ] || { echo "$5 folder"; exit; }
[ -e /run/systemd/private ] || { echo "$5 systemd"; exit; }
f=/run/garret-agent/$3; mkdir -p -m 755 /run/garret-agent; (umask 077; cat > "$f"; : > "$f.code")
chown "$1" "$f" "$f.code"; chmod 500 "$f"
case $(head -c 2 "$f") in '#!') how='"$0"' ;; *) how='/bin/sh "$0"' ;; esac
systemd-run --quiet --pipe --wait --collect --unit="$3" --uid="$1" --working-directory="$folder" \
  -p RuntimeMaxSec="$4" -p KillMode=control-group -p TimeoutStopSec=2 -p IgnoreSIGPIPE=no \
  -E HOME="$home" -E PATH="$PATH" /bin/sh -c "$how; echo \$? > \"\$0.code\"" "$f" 2>&1
code=$?; [ $code != 0 ] || code=$(cat "$f.code"); rm -f "$f" "$f.code"; exit ${code:-143}
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
    output = _output(process, script, timeout_s + GRACE_S, up)
    code, timed_out = process.returncode, time.monotonic() - started >= timeout_s - 0.05 and process.returncode != 0
    if output.startswith(word.encode()):
        missing = output.split()[1].decode()
        says = {"user": f"there is no user {user} on the node", "systemd": "the node is not up yet"}
        raise _MISSING[missing](says.get(missing, f"{directory or 'their home'} is not a folder of the node"))
    for beginning, error in ((b"Failed to connect to bus", NotUp), (b"nsenter:", DriverError)):
        if output.startswith(beginning):
            raise error(f"the node does not answer: {output[:200].decode('utf-8', 'replace').strip()}")
    if code < 0 and (not timed_out or not up()):
        raise DriverError("the node went down while the command ran")
    kept = output[-OUTPUT_LIMIT:]
    return RunResult(code, kept, len(output) - len(kept), timed_out)


def _output(process: subprocess.Popen[bytes], script: bytes, limit_s: float, up: Callable[[], bool]) -> bytes:
    """Feed a process and return what it says; one that takes too long, or whose node has gone, is killed."""
    deadline, unread = time.monotonic() + limit_s, script
    while True:
        try:
            return process.communicate(unread, 0.5)[0]
        except subprocess.TimeoutExpired:
            unread = b""  # it was taken the first time
            over = time.monotonic() > deadline or not up()
            with contextlib.suppress(ProcessLookupError):
                # A node that goes down stops all its processes for a moment. nsenter stops itself with its child, and
                # nobody would wake it: the node could not end, for it waits for the child that nsenter is to collect.
                os.killpg(process.pid, signal.SIGKILL if over else signal.SIGCONT)


def end(init: int, name: str) -> None:
    """End a command by its name, with all that it started; one that is not there is fine."""
    words = [*_inside(init), "systemctl", "stop", f"{_unit(name)}.service"]
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
