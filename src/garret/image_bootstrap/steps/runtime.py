"""The step about the node's own command."""

from __future__ import annotations

import shlex

from garret.image_bootstrap.steps.node import BUNDLE, Node


def ensure_node_command(node: Node) -> None:
    """Have `garret-node` on the PATH: the runtime's own command line, which the operator's commands call."""
    host = node.host
    exports = {"PYTHONPATH": str(host.path(BUNDLE)), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if host.prefix:
        exports["GARRET_PREFIX"] = host.prefix
    lines = [
        "#!/bin/sh",
        "# Written by garret's bootstrap: the runtime's command line on this node. Called as root, as Cloud Assistant",
        "# does, it reads the request, which is root's, and goes on as the service's user.",
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
        f'exec {shlex.quote(host.python)} -m garret.service_runtime.node "$@"',
    ]
    host.write("/usr/local/bin/garret-node", "\n".join(lines) + "\n", 0o755)
