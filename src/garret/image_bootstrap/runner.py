"""The second stage on a node: run the steps, keep the journal, and tell the stack how it ended. Stdlib only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from garret.image_bootstrap import node_config
from garret.image_bootstrap.first_stage import StepFailed, send_signal
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.steps import STEPS, Node

SIGNALLED = "/var/lib/garret/signalled.json"
REASON_LIMIT = 1500


def run_steps(node: Node, steps: Sequence[Callable[[Node], None]] = STEPS) -> None:
    """Run the steps in order; each is journaled with its time.

    Raises:
        StepFailed: names the first step that cannot be done, and why.
    """
    for step in steps:
        node.host.journal.run(step.__name__, step, node)


def facts_of(node: Node) -> dict[str, object]:
    """Return what the operator learns through the stack: where the service is, and what to pin."""
    keys = sorted(node.host.path("/etc/ssh").glob("ssh_host_*_key.pub")) if node.host.path("/etc/ssh").is_dir() else []
    facts: dict[str, object] = {"driver": node.host.driver, "tls_sha256": "", "ssh_host_keys": _key_texts(keys)}
    facts.update(node.facts)
    return facts


def signal_once(node: Node, status: str, reason: str) -> bool:
    """Signal the stack, unless it has heard exactly this already: its address does not work for ever."""
    data = json.dumps(facts_of(node), sort_keys=True) if status == "SUCCESS" else ""
    stamp = node.host.path(SIGNALLED)
    said = {"status": status, "data": data}
    if status == "SUCCESS" and stamp.is_file():
        last = json.loads(stamp.read_text("utf-8"))
        # A later boot may have found another address or certificate; the stack's own record stays as it was.
        if last.get("status") == "SUCCESS":
            return True
    if not send_signal(node.host.root, node.host.journal, status, reason[:REASON_LIMIT], data=data):
        return False
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")  # noqa: UP017 - Python 3.9
    node.host.write(SIGNALLED, json.dumps({**said, "at": at}) + "\n", 0o600)
    return True


def main(environment: dict[str, str]) -> int:
    """Run all steps on this machine and signal; 0 when the service answers and the stack knows."""
    host = Host.from_environment(environment)
    try:
        config = NodeConfig.from_json(host.path(node_config.PATH).read_text("utf-8"))
    except (OSError, ValueError) as error:
        send_signal(host.root, host.journal, "FAILURE", f"node.json cannot be read: {error}")
        return 1
    node = Node(host, config)
    try:
        run_steps(node)
    except StepFailed as failed:
        signal_once(node, "FAILURE", f"{failed}\n{host.journal.tail()}")
        return 1
    return 0 if signal_once(node, "SUCCESS", "the service answers") else 1


def _key_texts(paths: Sequence[Path]) -> list[str]:
    """Public keys without their comments."""
    return [" ".join(path.read_text("ascii", "replace").split()[:2]) for path in paths]


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
