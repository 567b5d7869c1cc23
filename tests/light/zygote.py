"""Runs `garret` commands as processes of their own that start at once: one that has imported everything forks for each.

Reads one JSON line per command, {"argv": […], "env": {…}}, and writes one, {"code": …, "out": …, "err": …}.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import import_module
from typing import Any

# What any verb may need; a fork of a process with threads would be unsafe, so nothing here starts one.
WARM = (
    "garret.cli", "garret.commands.deploy", "garret.commands.delete", "garret.commands.look", "garret.commands.power",
    "garret.local_cloud.daemon", "garret.ops.deploy", "garret.ops.delete", "garret.ops.aliyun.connect",
    "alibabacloud_ros20190910.client", "alibabacloud_ros20190910.models", "alibabacloud_ecs20140526.client",
    "alibabacloud_ecs20140526.models", "alibabacloud_credentials.client", "aliyunsdkcore.client", "yaml", "jinja2",
)  # fmt: skip


def main() -> None:
    """Serve until the input ends."""
    for name in WARM:
        import_module(name)
    print("ready", flush=True)  # noqa: T201 - this is the answer
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)  # noqa: T201


def _run(order: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(order, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return {"code": os.waitstatus_to_exitcode(status), "out": texts[0], "err": texts[1]}


def _become(order: dict[str, Any], out: int, err: int) -> None:
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.environ.clear()
        os.environ.update(order["env"])
        sys.argv = ["garret", *order["argv"]]
        from garret.cli import main as garret

        garret()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
