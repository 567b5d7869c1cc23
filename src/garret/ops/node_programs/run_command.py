"""Run one command on this node, to its end and whoever looks on; standard library only.

begin ID           start what ROOT/var/lib/garret/requests/ID.json says: {"argv": […], "timeout_s": 600}
look ID OUT ERR    how it is, and what it said beyond so many bytes of both streams, packed
stop ID            end it, and all that it started

Everything about it lies in ROOT/var/lib/garret/commands/ID, for root only, and goes after a day.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

ROOT = Path(os.environ.get("GARRET_PREFIX") or "/")
REQUESTS, COMMANDS = ROOT / "var/lib/garret/requests", ROOT / "var/lib/garret/commands"
KEPT_BYTES, KEPT_S, GRACE_S = 64 << 20, 86400.0, 5.0
PIECE, PACKED, MOST_ERRORS = 1 << 20, 16_000, 6_000


def begin(identifier: str) -> dict[str, object]:
    """Start it, unless it was started before."""
    folder = COMMANDS / identifier
    COMMANDS.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in COMMANDS.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_S and old != folder:
            shutil.rmtree(old, ignore_errors=True)
    request = REQUESTS / (identifier + ".json")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return {"status": "Started"}
    wanted = json.loads(request.read_text("utf-8"))
    request.unlink()
    for name in ("out", "err"):
        (folder / name).touch(0o600)
    if os.fork() == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        if os.fork() == 0:
            try:
                carry_out(folder, wanted)
            finally:
                os._exit(0)
        os._exit(0)
    os.wait()
    return {"status": "Started"}


def carry_out(folder: Path, wanted: dict[str, object]) -> None:
    """Run the command and write how it ended, whatever happens."""
    alive = (folder / "alive").open("w")
    fcntl.flock(alive, fcntl.LOCK_EX)
    end: dict[str, object] = {"status": "Failed", "exit_code": None, "note": ""}
    try:
        end = watched(folder, wanted)
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        end = {"status": "Failed", "exit_code": code, "note": f"{error.filename or ''}: {error.strerror}"}
    except Exception as error:  # noqa: BLE001 - whoever looks on must hear of it
        end["note"] = f"{type(error).__name__}: {error}"
    part = folder / "end.part"
    part.write_text(json.dumps(end), "utf-8")
    part.replace(folder / "end.json")


def watched(folder: Path, wanted: dict[str, object]) -> dict[str, object]:
    """Run it for as long as it may."""
    home = Path.home()
    process = subprocess.Popen(
        list(wanted["argv"]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,  # type: ignore[call-overload]
        start_new_session=True, cwd=home if home.is_dir() else "/",
    )  # fmt: skip
    (folder / "pid").write_text(str(process.pid), "ascii")
    dropped = {"out": 0, "err": 0}
    pumps = [
        threading.Thread(target=pump, args=(pipe, folder / name, dropped), daemon=True)
        for name, pipe in (("out", process.stdout), ("err", process.stderr))
    ]
    for one in pumps:
        one.start()
    note = ""
    try:
        process.wait(float(str(wanted["timeout_s"])))
    except subprocess.TimeoutExpired:
        note = "timeout"
        end_group(process)
    for one in pumps:
        one.join(GRACE_S)  # what it left in the background may hold the pipes for ever
    if (folder / "stopped").exists():
        note = "stopped"
    code = process.returncode
    status = "Success" if code == 0 and not note else "Failed"
    return {
        "status": status,
        "exit_code": code if code >= 0 else 128 - code,
        "note": note,
        "dropped": sum(dropped.values()),
    }


def pump(pipe: object, path: Path, dropped: dict[str, int]) -> None:
    """Keep what comes, up to the limit."""
    with path.open("ab", buffering=0) as file:
        kept = 0
        while piece := os.read(pipe.fileno(), 65536):  # type: ignore[attr-defined]
            room = piece[: max(0, KEPT_BYTES - kept)]
            file.write(room)
            kept += len(room)
            dropped[path.name] += len(piece) - len(room)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End it and its children: first asked, then not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(GRACE_S)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def look(identifier: str, out: int, err: int) -> dict[str, object]:
    """How it is, and what is new of both streams."""
    folder = COMMANDS / identifier
    if not folder.is_dir():
        return {"status": "Unknown"}
    end, reply = folder / "end.json", {"status": "Running"}
    if end.exists():
        reply = json.loads(end.read_text("utf-8"))
    elif not is_alive(folder):
        reply = {"status": "Lost"}
    errors = packed(folder / "err", err, MOST_ERRORS)
    return {**reply, "out": packed(folder / "out", out, PACKED - len(errors) * 3 // 4), "err": errors}


def is_alive(folder: Path) -> bool:
    """Say whether the process that runs it is there; it may not have begun yet."""
    try:
        with (folder / "alive").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime < GRACE_S
    return (folder / "end.json").exists() or time.time() - (folder / "alive").stat().st_mtime < 1


def packed(path: Path, start: int, most: int) -> str:
    """As much from there on as an answer of Cloud Assistant takes."""
    with path.open("rb") as file:
        file.seek(start)
        piece = file.read(PIECE)
    while True:
        small = zlib.compress(piece, 6)
        if len(small) <= most:
            return base64.b64encode(small).decode("ascii")
        piece = piece[: len(piece) * most // len(small) * 95 // 100]


def stop(identifier: str) -> dict[str, object]:
    """End the command and its children."""
    folder = COMMANDS / identifier
    if (folder / "end.json").exists() or not (folder / "pid").exists():
        return {"status": "Ended"}
    (folder / "stopped").touch()
    group = int((folder / "pid").read_text("ascii"))
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(50):
            if not is_alive(folder) or (folder / "end.json").exists():
                return {"status": "Ended"}
            if _ == 0:
                try:
                    os.killpg(group, sign)
                except ProcessLookupError:
                    return {"status": "Ended"}
            time.sleep(0.1)
    return {"status": "Running"}


if __name__ == "__main__":
    verb, identifier, *numbers = sys.argv[1:]
    if verb == "look":
        reply = look(identifier, int(numbers[0]), int(numbers[1]))
    else:
        reply = begin(identifier) if verb == "begin" else stop(identifier)
    print(json.dumps(reply))  # noqa: T201  (this is a command line of its own)
