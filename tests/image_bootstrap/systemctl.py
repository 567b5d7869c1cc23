#!@PYTHON@
"""A systemctl for one folder: enough of it for garret's units; every call is kept in systemctl.log."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ["GARRET_PREFIX"])
verb, units = sys.argv[1], sys.argv[2:]
with (ROOT / "systemctl.log").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + "\n")
if verb in ("daemon-reload", "enable"):
    sys.exit(0)
if verb == "is-system-running":
    said = ROOT / "run/system-state"
    sys.stdout.write(said.read_text() if said.exists() else "running\n")
    sys.exit(0)
pid_file = ROOT / f"{units[0]}.pid"


def alive():
    if not pid_file.exists():
        return False
    try:
        return Path(f"/proc/{int(pid_file.read_text())}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, ValueError):
        return False


if verb == "is-active":
    sys.stdout.write("active\n" if alive() else "inactive\n")
elif verb == "stop" and alive():
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
elif verb == "start" and not alive():
    lines = (ROOT / "etc/systemd/system" / units[0]).read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    environment = dict(os.environ)
    for name, value in pairs:
        if name == "Environment":
            environment.update(word.split("=", 1) for word in shlex.split(value))
        if name == "EnvironmentFile" and (not value.startswith("-") or Path(value[1:]).is_file()):
            environment.update(line.split("=", 1) for line in Path(value.removeprefix("-")).read_text().splitlines())
    unit = dict(pairs)
    with (ROOT / "console.log").open("a") as console:
        process = subprocess.Popen(
            shlex.split(unit["ExecStart"]), env=environment, cwd=unit["WorkingDirectory"],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
        )  # fmt: skip
    pid_file.write_text(str(process.pid))
