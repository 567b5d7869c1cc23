"""Status: what there is, in a word and a sentence; the cloud is believed, the journal knows what it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from garret.errors import OperationError
from garret.ops.cloud import Cloud, Instance, Stack
from garret.ops.deployment import Deployment, Login, flag, opened
from garret.ops.endpoint import Endpoint
from garret.ops.watch import IN_PROGRESS, ROLLED_BACK

HEALTH_TIMEOUT_S = 3.0
MOVING = {"Pending": "starting", "Starting": "starting", "Stopping": "stopping", "Stopped": "stopped"}


@dataclass(frozen=True)
class Status:
    """One deployment now; `why` says what the state means here, `next` what to type."""

    name: str
    state: str
    cloud: str
    region: str
    endpoint: str = ""
    login: str = ""
    instance_id: str = ""
    picture: str = ""
    price_per_hour: dict[str, Any] | None = None
    why: str = ""
    next: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form."""
        return asdict(self)


def healthy(login: Login | None) -> bool:
    """Ask the service whether it can take work."""
    if login is None or not login.endpoint:
        return False
    return Endpoint(login.endpoint, login.token, login.tls_sha256).healthy(HEALTH_TIMEOUT_S)


def status(
    cloud: Cloud | None, deployment: Deployment, region: str, probe: Callable[[Login | None], bool] = healthy
) -> Status:
    """The deployment's status; `cloud` is None where there cannot be one."""
    plan = deployment.plan
    stack = cloud.stacks.find(deployment.stack_name) if cloud else None
    kind = cloud.kind if cloud else deployment.journal.folder.parent.name
    known: dict[str, Any] = {"name": deployment.name, "cloud": kind, "region": region}
    if stack is None or cloud is None:
        return _without_stack(deployment, known)
    login = deployment.login
    known |= {
        "login": login.login if login else "",
        "picture": deployment.picture,
        "price_per_hour": plan["price"] if plan else None,
    }
    if stack.status != "CREATE_COMPLETE":
        return _unfinished(deployment.name, stack, known)
    known["endpoint"] = str(stack.outputs.get("EndPoint") or "")
    known["instance_id"] = str(stack.outputs.get("InstanceId") or "")
    login = opened(login, stack.outputs) if login else None
    return _complete(cloud, deployment, login, known, probe)


def _without_stack(deployment: Deployment, known: dict[str, Any]) -> Status:
    name = deployment.name
    if deployment.plan is None:
        return Status(**known, state="absent", why="there is no such deployment", next=f"garret deploy{flag(name)}")
    if deployment.journal.last("deleting"):
        why = "delete was cut off; its stack is gone, and nobody has looked yet whether anything is still billed"
        return Status(**known, state="absent", why=why, next=f"garret delete {name}   (makes sure)")
    if deployment.stack_id:
        why = "its stack was deleted by someone else; nothing of it is left but our notes"
        return Status(**known, state="absent", why=why, next=f"garret deploy{flag(name)}   (makes it anew)")
    why = "deploy was cut off before the cloud had a stack; nothing is billed"
    return Status(**known, state="creating", why=why, next=f"garret deploy{flag(name)}   (goes on)")


def _unfinished(name: str, stack: Stack, known: dict[str, Any]) -> Status:
    delete = f"garret delete {name}"
    if stack.status == "DELETE_IN_PROGRESS":
        return Status(
            **known, state="deleting", why="the stack is being deleted", next=f"{delete}   (waits for the end)"
        )
    if stack.status == "CREATE_IN_PROGRESS":
        why = "the stack is being created"
        return Status(**known, state="creating", why=why, next=f"garret deploy{flag(name)}   (goes on, and waits)")
    if stack.status.endswith(IN_PROGRESS):
        return Status(**known, state="failed", why=f"{stack.status}: {stack.reason}", next="garret status")
    again = f"garret deploy{flag(name)}   (tries anew)" if stack.status in ROLLED_BACK else delete
    return Status(**known, state="failed", why=f"{stack.status}: {_first_line(stack.reason)}", next=again)


def _complete(
    cloud: Cloud,
    deployment: Deployment,
    login: Login | None,
    known: dict[str, Any],
    probe: Callable[[Login | None], bool],
) -> Status:
    name = deployment.name
    instance = cloud.instances.get(known["instance_id"]) if known["instance_id"] else None
    if instance is None:
        why = f"its machine {known['instance_id']} is gone; address and network are still there"
        return Status(**known, state="failed", why=why, next=f"garret delete {name}")
    if instance.status != "Running":
        return _not_running(name, instance, known)
    return _running(deployment, login, known, probe)


def _running(
    deployment: Deployment, login: Login | None, known: dict[str, Any], probe: Callable[[Login | None], bool]
) -> Status:
    name = deployment.name
    if login is None:
        why = "the machine runs; its token is not on this computer, so the service was not asked"
        return Status(**known, state="running", why=why)
    try:
        answers = probe(login)
    except OperationError as error:
        return Status(**known, state="unreachable", why=error.message, next=error.hint)
    if not answers:
        why = f"the machine runs, and nothing answers at {known['endpoint']}"
        return Status(**known, state="unreachable", why=why, next=f"garret deploy{flag(name)}   (waits for it)")
    if not deployment.journal.last("ready"):
        why = "the service answers; deploy was cut off before it made its first picture"
        return Status(**known, state="running", why=why, next=f"garret deploy{flag(name)}")
    return Status(**known, state="running", why="the service answers", next=f"garret ops stop{flag(name)}")


def _not_running(name: str, instance: Instance, known: dict[str, Any]) -> Status:
    state = MOVING.get(instance.status, "unreachable")
    why = f"the machine is {instance.status}"
    if state == "stopped":
        free = instance.stopped_mode == "StopCharging"
        why = "the machine is stopped and not billed; disk and address are" if free else "stopped, and still billed"
    return Status(**known, state=state, why=why, next=f"garret ops start{flag(name)}" if state == "stopped" else "")


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no reason was given"
