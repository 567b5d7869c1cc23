"""Look at an installed extension in a process of its own: `python -m garret.service_runtime.extensions.probe`.

Reads the record as JSON from its input and prints the hooks' names; what is wrong ends it with a traceback.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from garret.service_runtime.extensions.loading import load_one, new_manager
from garret.service_runtime.extensions.registry import Extension, Registry
from garret.service_runtime.settings import ServiceSettings


def main() -> int:
    """Import the extension of the record, register it, and print its hooks as JSON."""
    extension = Extension.from_dict(json.load(sys.stdin))
    # What it prints itself is not our answer.
    with contextlib.redirect_stdout(sys.stderr):
        hooks = load_one(extension, Registry(ServiceSettings.from_env(os.environ)), new_manager())
    if not hooks:
        sys.stderr.write("it has no function marked @hookimpl\n")
        return 1
    sys.stdout.write(json.dumps(hooks) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
