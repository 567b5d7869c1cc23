"""Status: what there is, in a word and a sentence; the cloud is believed, the journal knows what it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from garret.errors import GarretError, OperationError
from garret.ops.at_once import Asked
from garret.ops.cloud import Cloud, Instance, Stack, StackEvent
from garret.ops.deployment import LOGIN_FILE, Deployment, Login, flag, opened
from garret.ops.endpoint import endpoint_at
from garret.ops.node_journal import Sight, read_sight
from garret.ops.release import delete_after_s
from garret.ops.stack_states import AS_BEFORE, IN_PROGRESS, ROLLED_BACK, STANDING

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
    stopped_per_hour: dict[str, Any] | None = None
    password_file: str = ""
    autostop: dict[str, Any] | None = None
    release_at: str = ""
    certificate: dict[str, Any] | None = None
    by_itself: tuple[dict[str, str], ...] = ()
    bootstrap: dict[str, Any] | None = None
    why: str = ""
    next: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form."""
        return asdict(self)


def healthy(login: Login | None) -> bool:
    """Ask the service whether it can take work."""
    if login is None or not login.endpoint:
        return False
    return endpoint_at(login).healthy(HEALTH_TIMEOUT_S)


def machine_of(login: Login | None) -> dict[str, Any]:
    """What the service says of its autostop and its certificate; asking does not count as use."""
    if login is None or not login.endpoint:
        return {}
    try:
        said = endpoint_at(login).get("/machine", HEALTH_TIMEOUT_S)
    except GarretError:
        return {}
    return {key: value for key, value in said.items() if isinstance(value, dict)} if isinstance(said, dict) else {}


def status(
    cloud: Cloud | None,
    deployment: Deployment,
    region: str,
    probe: Callable[[Login | None], bool] = healthy,
    *,
    closely: bool = True,
) -> Status:
    """The deployment's status; `cloud` is None where there cannot be one.

    `closely` asks a node that does not answer yet how far its bootstrap is, which takes a command on it.
    """
    glance = Glance(cloud, deployment, probe, closely=closely) if cloud else None
    plan = deployment.plan
    stack = glance.stack() if glance else None
    kind = cloud.kind if cloud else deployment.journal.folder.parent.name
    known: dict[str, Any] = {"name": deployment.name, "cloud": kind, "region": region}
    if stack is None or glance is None:
        return _without_stack(deployment, known)
    login = deployment.login
    known |= {
        "login": login.login if login else "",
        "picture": deployment.picture,
        "price_per_hour": plan["price"] if plan else None,
        "stopped_per_hour": ((plan or {}).get("prices") or {}).get("stopped_per_hour"),
        "password_file": str(deployment.journal.folder / LOGIN_FILE) if login and login.password else "",
    }
    if not is_standing(stack):
        return _unfinished(glance, deployment.name, stack, known)
    known["by_itself"] = glance.by_itself()
    known["endpoint"] = str(stack.outputs.get("EndPoint") or "")
    known["instance_id"] = str(stack.outputs.get("InstanceId") or "")
    login = opened(login, stack.outputs) if login else None
    found = _complete(glance, deployment, login, known)
    return _moving(deployment, found) if deployment.is_moving else found


def _moving(deployment: Deployment, found: Status) -> Status:
    """What a move that was cut off has left is billed until it is ended, whether the node is used or not."""
    why = "; its move to another zone was cut off: a second disk, or a copy of the disk, is billed until that is ended"
    return replace(found, why=found.why + why, next=f"garret ops start{flag(deployment.name)}   (ends the move)")


def is_standing(stack: Stack) -> bool:
    """Say whether the stack's resources are there to be used, also when its last update failed."""
    return stack.status in STANDING or (stack.status in AS_BEFORE and bool(stack.outputs.get("EndPoint")))


def by_itself(cloud: Cloud, deployment: Deployment) -> tuple[dict[str, str], ...]:
    """What the cloud does with a deployment by itself, each with its `kind`, `execution` and `why`."""
    from garret.ops.automation import active, told

    try:
        return tuple(told(one) for one in active(cloud, deployment))
    except GarretError as error:
        return ({"kind": "unknown", "execution": "", "why": error.message},)


class Glance:
    """Stack, machine and service, asked all at once by what we remember of them; what changed since is asked anew."""

    def __init__(
        self, cloud: Cloud, deployment: Deployment, probe: Callable[[Login | None], bool], *, closely: bool = True
    ) -> None:
        self._closely = closely
        self._cloud, self._deployment, self._probe = cloud, deployment, probe
        login, outputs = deployment.login, deployment.outputs
        self._instance_id = str(outputs.get("InstanceId") or "")
        self._login = opened(login, outputs) if login and outputs else None
        self._machine = Asked(lambda: cloud.instances.get(self._instance_id)) if self._instance_id else None
        # Not waited for unless the machine runs: a stopped one does not even refuse.
        self._health = Asked(lambda: probe(self._login)) if self._login else None
        spec = (deployment.plan or {}).get("spec") or {}
        watched = bool(spec.get("autostop_min") or spec.get("acme") or deployment.journal.last("autostop"))
        # Only where something was set: it is one more call.
        set_once = deployment.journal.last("automation")
        self._by_itself = Asked(lambda: by_itself(cloud, deployment)) if set_once else None
        self._own_words = Asked(lambda: machine_of(self._login)) if self._login and watched else None

    def by_itself(self) -> tuple[dict[str, str], ...]:
        """What the cloud does with the deployment by itself: a schedule, tries to start it."""
        found: tuple[dict[str, str], ...] = self._by_itself.answer() if self._by_itself else ()
        return found

    def stack(self) -> Stack | None:
        """The stack, while the others are on their way."""
        return self._deployment.stack(self._cloud.stacks)

    def machine(self, instance_id: str) -> Instance | None:
        """The machine, or None when it is gone."""
        if self._machine is not None and instance_id == self._instance_id:
            found: Instance | None = self._machine.answer()
            return found
        return self._cloud.instances.get(instance_id) if instance_id else None

    def bootstrap(self, instance_id: str = "") -> Sight:
        """How far the node is, if it is on its way and was to be asked; `instance_id` is empty when nobody knows it."""
        if not self._closely:
            return Sight()
        if not instance_id:
            machines = self._cloud.instances.tagged(self._deployment.name)
            instance_id = next((one.id for one in machines if one.status == "Running"), "")
        return read_sight(self._cloud.assistant, instance_id) if instance_id else Sight()

    def events(self, stack_id: str) -> list[StackEvent]:
        """What happened in the stack."""
        return self._cloud.stacks.events(stack_id)

    def own_words(self) -> dict[str, Any]:
        """What the node says of its autostop and its certificate, where one was asked for; empty when it does not."""
        found: dict[str, Any] = self._own_words.answer() if self._own_words else {}
        return found

    def healthy(self, login: Login | None) -> bool:
        """Say whether the service at this login can take work."""
        return bool(self._health.answer() if self._health and login == self._login else self._probe(login))


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


def _unfinished(glance: Glance, name: str, stack: Stack, known: dict[str, Any]) -> Status:
    delete = f"garret delete {name}"
    if stack.status == "DELETE_IN_PROGRESS":
        return Status(
            **known, state="deleting", why="the stack is being deleted", next=f"{delete}   (waits for the end)"
        )
    if stack.status == "CREATE_IN_PROGRESS":
        sight = glance.bootstrap()
        why = f"the stack is being created; {_step(sight)}" if sight.step else "the stack is being created"
        known["bootstrap"] = sight.to_dict()
        return Status(**known, state="creating", why=why, next=f"garret deploy{flag(name)}   (goes on, and waits)")
    if stack.status == "UPDATE_IN_PROGRESS":
        why = "the stack is being updated"
        return Status(**known, state="updating", why=why, next=f"garret events {name} --follow")
    if stack.status.endswith(IN_PROGRESS):
        return Status(**known, state="failed", why=f"{stack.status}: {stack.reason}", next="garret status")
    again = f"garret deploy{flag(name)}   (tries anew)" if stack.status in ROLLED_BACK else delete
    from garret.ops.failure import explain  # loads much that a deployment which stands has no need of

    why = explain(name, glance.events(stack.id), _first_line(stack.reason), []).message
    return Status(**known, state="failed", why=f"{stack.status}: {_first_line(why)}", next=again)


def _complete(glance: Glance, deployment: Deployment, login: Login | None, known: dict[str, Any]) -> Status:
    name = deployment.name
    instance = glance.machine(known["instance_id"])
    if instance is None:
        wait = delete_after_s(deployment)
        asked = f"; that was to happen {wait / 86_400:g} days after a stop" if wait else ""
        why = f"its machine {known['instance_id']} is gone{asked}; the address is still there, and billed"
        return Status(**known, state="failed", why=why, next=f"garret delete {name}")
    if instance.status != "Running":
        return _not_running(deployment, instance, known)
    return _running(glance, deployment, login, known)


def _running(glance: Glance, deployment: Deployment, login: Login | None, known: dict[str, Any]) -> Status:
    name = deployment.name
    if login is None:
        why = "the machine runs; its token is not on this computer, so the service was not asked"
        return Status(**known, state="running", why=why)
    try:
        answers = glance.healthy(login)
    except OperationError as error:
        return Status(**known, state="unreachable", why=error.message, next=error.hint)
    if not answers and (sight := glance.bootstrap(known["instance_id"])).step:
        known["bootstrap"] = sight.to_dict()
        why = f"the machine runs and is being set up; {_step(sight)}"
        return Status(**known, state="starting", why=why, next=f"garret logs{flag(name)} --bootstrap --follow")
    if not answers:
        why = f"the machine runs, and nothing answers at {known['endpoint']}; just booted, it needs minutes"
        stop = f"garret ops stop{flag(name)} and garret ops start{flag(name)}"
        wait = f"garret deploy{flag(name)}   (waits for it); if that does not help: {stop}"
        return Status(**known, state="unreachable", why=why, next=wait)
    if not deployment.journal.last("ready"):
        why = "the service answers; deploy was cut off before it made its first picture"
        return Status(**known, state="running", why=why, next=f"garret deploy{flag(name)}")
    said = glance.own_words()
    known |= {"autostop": said.get("autostop"), "certificate": said.get("certificate")}
    why = "the service answers" + certificate_text(known["certificate"])
    return Status(**known, state="running", why=why, next=f"garret ops stop{flag(name)}")


def certificate_text(found: dict[str, Any] | None) -> str:
    """What is missing of the trusted certificate that was asked for; empty when it is there and sound."""
    if not found or (found.get("state") == "issued" and not found.get("reason")):
        return ""
    if found.get("state") == "issued":
        return f"; its certificate is good until {found.get('not_after')}, and was not renewed: {found['reason']}"
    return f"; no trusted certificate for {found.get('name') or 'its address'} yet: {found.get('reason') or 'begun'}"


def _not_running(deployment: Deployment, instance: Instance, known: dict[str, Any]) -> Status:
    state = MOVING.get(instance.status, "unreachable")
    start = f"garret ops start{flag(deployment.name)}"
    if state != "stopped":
        return Status(**known, state=state, why=f"the machine is {instance.status}")
    free = instance.stopped_mode == "StopCharging"
    why = "the machine is stopped and not billed; disk and address are" if free else "stopped, and still billed"
    if not _stopped_from_here(deployment):
        why += "; it was not stopped from here, but by itself (autostop) or by somebody else"
    if instance.release_at:
        known["release_at"] = instance.release_at
        why += f"; unless it is started, the cloud deletes it at {instance.release_at}, with its disk and all models"
    elif delete_after_s(deployment):
        again = f"garret ops stop{flag(deployment.name)}"
        why += f"; it was to be deleted some time after its stop, and the cloud has no time for that: {again} sets it"
    end = "" if free else f"; to end its bill: {start}, then garret ops stop{flag(deployment.name)}"
    return Status(**known, state=state, why=why, next=start + end)


def _stopped_from_here(deployment: Deployment) -> bool:
    """Say whether the last thing that this machine did to the power was to take it away."""
    power = [one["event"] for one in deployment.journal.entries() if one["event"] in ("stopping", "starting", "ready")]
    return bool(power) and power[-1] == "stopping"


def _step(sight: Sight) -> str:
    """The step that runs, for how long, and how far it says it is, else the last line of its log."""
    if said := str(sight.last.get("reason") or ""):
        return f"step {sight.step} for {sight.seconds:.0f} s: {said}"
    line = f": {sight.log[-1]}" if sight.log and not sight.log[-1].endswith(f"{sight.step} running") else ""
    return f"step {sight.step} for {sight.seconds:.0f} s{line}"


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no reason was given"
