"""What Cloud Assistant's agent does on a node: run a script as a user within a time, and write files."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time

from garret.local_cloud.nodes.driver import DriverError, FileThere, RunResult

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 24 * 1024
GRACE_S = 10
_THERE, _NO_USER, _NO_FOLDER, _NO_SYSTEMD = 87, 88, 89, 90
# A unit of its own: its time limit ends every process of the command, also one that left its session.
_RUN = f"""\
id -u "$1" >/dev/null 2>&1 || exit {_NO_USER}
[ -d "$2" ] || exit {_NO_FOLDER}
[ -e /run/systemd/private ] || exit {_NO_SYSTEMD}
f=/run/garret-agent/$3; mkdir -p -m 755 /run/garret-agent; cat > "$f"; chmod 755 "$f"
systemd-run --quiet --pipe --wait --collect --unit="$3" --uid="$1" --working-directory="$2" \
  -p RuntimeMaxSec="$4" -p KillMode=control-group -p TimeoutStopSec=2 \
  -E HOME="$(getent passwd "$1" | cut -d: -f6)" -E PATH="$PATH" /bin/sh "$f" 2>&1
code=$?; rm -f "$f"; exit $code
"""
_PUT = f"""\
[ -n "$3" ] || [ ! -e "$1" ] || exit {_THERE}
mkdir -p "$(dirname "$1")" && cat > "$1.$4" && chmod "$2" "$1.$4" && mv -f "$1.$4" "$1"
"""


def run(init: int, script: bytes, timeout_s: int, user: str, directory: str) -> RunResult:
    """Run a shell script on the node whose first process this is.

    Raises:
        DriverError: there is no such user or folder, or the node is not up enough.
    """
    unit = f"assistant-{secrets.token_hex(6)}"
    words = [*_inside(init), "/bin/sh", "-c", _RUN, "assistant", user, directory, unit, str(timeout_s)]
    started = time.monotonic()
    process = subprocess.Popen(
        words, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(script, timeout_s + GRACE_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    code, timed_out = process.returncode, time.monotonic() - started >= timeout_s - 0.05 and process.returncode != 0
    refusals = {
        _NO_USER: f"there is no user {user} on the node",
        _NO_FOLDER: f"{directory} is not a folder of the node",
        _NO_SYSTEMD: "the node is not up yet",
    }
    if code in refusals and not output:
        raise DriverError(refusals[code])
    if output.startswith((b"Failed to connect to bus", b"nsenter:")):
        raise DriverError(f"the node does not answer: {output[:200].decode('utf-8', 'replace').strip()}")
    kept = output[-OUTPUT_LIMIT:]
    return RunResult(code, kept, len(output) - len(kept), timed_out)


def put(init: int, path: str, content: bytes, mode: int, overwrite: bool) -> None:
    """Write a file on the node, as a whole.

    Raises:
        DriverError: it cannot be written.
        FileThere: it is there and may not be replaced.
    """
    again = "yes" if overwrite else ""
    words = ["/bin/sh", "-c", _PUT, "put", path, f"{mode:o}", again, secrets.token_hex(4)]
    done = subprocess.run(
        [*_inside(init), *words], env=_environment(), input=content, capture_output=True, check=False, timeout=120
    )
    if done.returncode == _THERE:
        raise FileThere(f"{path} is there already")
    if done.returncode:
        raise DriverError(f"{path} cannot be written: {done.stderr.decode('utf-8', 'replace').strip()[:300]}")


def _inside(init: int) -> list[str]:
    return ["nsenter", f"--target={init}", "--all", "--"]


def _environment() -> dict[str, str]:
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
