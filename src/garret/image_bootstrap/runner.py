"""The second stage on a node: run the steps, keep the journal, and tell the stack how it ended. Stdlib only.

Two processes: one does the steps, the other only waits for it, so that somebody is left to tell the stack when the
first one is killed, for example because memory ran out.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from garret.image_bootstrap import clean, node_config
from garret.image_bootstrap.first_stage import (
    StepFailed,
    StepSkipped,
    crash_point,
    is_going_down,
    scrubbed,
    send_signal,
)
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.progress import Interruption, Progress
from garret.image_bootstrap.steps import BAKED, STEPS, Node

SIGNALLED = "/var/lib/garret/signalled.json"
REASON_LIMIT = 1500


def run_steps(node: Node, steps: Sequence[Callable[[Node], None]] = STEPS) -> None:
    """Run the steps in order; each is journaled with its time.

    Raises:
        StepFailed: names the first step that cannot be done, and why.
    """
    for step in steps:
        left_out = node.config.bake and step not in BAKED
        node.host.journal.run(step.__name__, _leave if left_out else step, node)


def _leave(_node: Node) -> None:
    raise StepSkipped("an image is being made; the nodes made of it do this")


def facts_of(node: Node) -> dict[str, object]:
    """Return what the operator learns through the stack: where the service is, and what to pin."""
    keys = sorted(node.host.path("/etc/ssh").glob("ssh_host_*_key.pub")) if node.host.path("/etc/ssh").is_dir() else []
    facts: dict[str, object] = {"driver": node.host.driver, "tls_sha256": "", "ssh_host_keys": _key_texts(keys)}
    facts.update(node.facts)
    if image := clean.image_of(node.host):
        facts["image"] = image
    return facts


def signal_success(node: Node) -> bool:
    """Tell the stack SUCCESS with the facts, unless it has heard so already: its address does not work for ever."""
    if _has_heard_success(node.host):
        # A later boot may have found another address or certificate; the stack's own record stays as it was.
        return True
    data = json.dumps(facts_of(node), sort_keys=True)
    reason = "all that an image holds is installed" if node.config.bake else "a picture was made"
    if not send_signal(node.host.root, node.host.journal, "SUCCESS", reason, data=data):
        return False
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with suppress(OSError):  # the stack knows, whatever the disk says
        said = {"status": "SUCCESS", "data": data, "at": at}
        node.host.write(SIGNALLED, json.dumps(said) + "\n", 0o600)
    return True


def signal_failure(host: Host, reason: str) -> None:
    """Tell the stack FAILURE with the log's tail, unless the next boot goes on or it has heard SUCCESS before."""
    if is_going_down():
        host.journal.log(f"{reason}; the machine is going down, and its next boot goes on")
        return
    if isinstance(host.journal, Progress):
        host.journal.tell("failed")
    if _has_heard_success(host):
        host.journal.log(f"{reason}; the stack was told SUCCESS at an earlier boot, and is told nothing now")
        return
    text = scrubbed(f"{reason}\n{host.journal.tail()}")
    send_signal(host.root, host.journal, "FAILURE", text[:REASON_LIMIT])


def work(host: Host, steps: Sequence[Callable[[Node], None]] = STEPS) -> int:
    """Run all steps on this machine and signal; 0 when a picture was made and the stack knows."""
    signal.signal(signal.SIGTERM, _end)
    try:
        config = NodeConfig.from_json(host.path(node_config.PATH).read_text("utf-8"))
        node = Node(host, config)
        run_steps(node, steps)
        done = signal_success(node)
    except (OSError, ValueError) as error:
        signal_failure(host, f"ensure_directories: node.json cannot be read: {error}")
        return 1
    except StepFailed as failed:
        signal_failure(host, str(failed))
        return 1
    except (Exception, Interruption) as error:  # noqa: BLE001 - whatever it was, the stack must hear of it
        signal_failure(host, f"runner: {type(error).__name__}: {error}")
        return 1
    if isinstance(host.journal, Progress):
        # Read only while the service does not answer: from now on, when it is started anew.
        host.journal.tell("starting")
    return 0 if done else 1


def main(environment: dict[str, str]) -> int:
    """Have a second process do the work, and tell the stack if that one is killed."""
    supervisor = os.getpid()
    root = Path(environment.get("GARRET_PREFIX") or "/")
    names = tuple(step.__name__ for step in STEPS)
    worker = os.fork()
    if worker == 0:
        progress = Progress(root, names, crash_point(environment), supervisor)
        code = 70
        try:
            code = work(Host(root, environment, progress))
        finally:
            sys.stdout.flush()
            os._exit(code)
    # The worker is the one to tell of it; and it may have been told by the same hand already.
    signal.signal(signal.SIGTERM, lambda *_: _pass_on(worker))
    _, status = os.waitpid(worker, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.WIFSIGNALED(status):
        return _bury(Host(root, environment, Progress(root, names)), signal.Signals(os.WTERMSIG(status)))
    return os.WEXITSTATUS(status)


def _bury(host: Host, killer: signal.Signals) -> int:
    """Journal and tell that the worker was killed in the middle of a step."""
    step = _running_step(host) or "runner"
    memory = ", as the system does when memory runs out" if killer == signal.SIGKILL else ""
    reason = f"the bootstrap was ended by {killer.name}{memory}"
    host.journal.write(step, "failed", reason=reason)
    signal_failure(host, f"{step}: {reason}")
    return 1


def _running_step(host: Host) -> str:
    """The step that began and did not end, by the journal."""
    last: dict[str, str] = {}
    with suppress(OSError):
        for line in host.journal.path.read_text("utf-8", "replace").splitlines():
            with suppress(ValueError):
                last = json.loads(line)
    return last.get("step", "") if last.get("state") == "running" else ""


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interruption("the bootstrap was told to end (SIGTERM)")


def _pass_on(worker: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGTERM)


def _has_heard_success(host: Host) -> bool:
    try:
        return bool(json.loads(host.path(SIGNALLED).read_text("utf-8")).get("status") == "SUCCESS")
    except (OSError, ValueError):
        return False


def _key_texts(paths: Sequence[Path]) -> list[str]:
    """Public keys without their comments."""
    return [" ".join(path.read_text("ascii", "replace").split()[:2]) for path in paths]


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
