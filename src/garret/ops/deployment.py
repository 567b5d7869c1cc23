"""One deployment as this machine remembers it: its plan, its stack, and what opens its door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garret.errors import OperationError, UsageError
from garret.ops.authority import Authority, authority_of
from garret.ops.journal import Journal, journals

if TYPE_CHECKING:  # pydantic's import is half of what `garret status` may take
    from garret.ops.cloud import Stack
    from garret.ops.roles import Stacks
    from garret.spec import DeploymentSpec

DEFAULT_NAME = "garret"
MOVING = ("moving", "moved", "not moved")
"""What the journal calls the beginning of a move, and its ends."""
LOGIN_FILE = "login.json"
NEXT_FILE = "login.next.json"
"""The login that the node is being told of; it opens the service as soon as the node has heard."""
BUNDLE_FILE = "bundle.tar.xz"
PICTURE_FILE = "first.png"
INSTANCE_PASSWORD_FILE = "instance-password"  # noqa: S105 - the name of a file
SECRET_FILES = (LOGIN_FILE, NEXT_FILE, BUNDLE_FILE, INSTANCE_PASSWORD_FILE)
"""What a deployment leaves on this machine that is of no use without it."""
GENERATED_LENGTH = 20


@dataclass(frozen=True)
class Login:
    """What opens the service; `password` is kept only when it was made here, a given one only as its hash."""

    login: str
    token: str
    password_hash: str
    password: str = ""
    endpoint: str = ""
    tls_sha256: str = ""
    authority: Authority | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Login({self.login!r}, …)"


@dataclass(frozen=True)
class Deployment:
    """A name and its folder of memories."""

    name: str
    journal: Journal

    @property
    def stack_name(self) -> str:
        """The name of its ROS stack."""
        return f"garret-{self.name}"

    @property
    def plan(self) -> dict[str, Any] | None:
        """The plan that is open, with the updates that were carried out since; None when there is none."""
        plan: dict[str, Any] | None = None
        for entry in self.journal.entries():
            if entry["event"] == "planned":
                plan = entry
            elif entry["event"] == "updated" and plan is not None:
                plan = plan | {key: value for key, value in entry.items() if key not in ("event", "at")}
        return plan

    @property
    def spec(self) -> DeploymentSpec | None:
        """What was asked for; in which region and type it was placed is in `placed`."""
        from garret.spec import parse_spec

        plan = self.plan
        return parse_spec(plan["spec"]) if plan else None

    @property
    def wish_left(self) -> DeploymentSpec | None:
        """What was asked for by a run that was cut off between two nodes, neither made nor given up."""
        from garret.spec import parse_spec

        history = self.journal.history()
        last = history[-1] if history else {}
        open_still = last.get("event") in ("abandoned", "replacing") and last.get("wish")
        return parse_spec(last["wish"]) if open_still else None

    @property
    def placed(self) -> DeploymentSpec | None:
        """What was asked for, as the place that had stock carries it out."""
        from garret.spec import parse_spec

        plan = self.plan
        return parse_spec(plan.get("placed") or plan["spec"]) if plan else None

    @property
    def stack_id(self) -> str:
        """The id of its stack, as far as this machine has heard it."""
        created = self.journal.last("created")
        return str(created["stack_id"]) if created else ""

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs when it was complete."""
        complete = self.journal.last("complete")
        return dict(complete["outputs"]) if complete else {}

    @property
    def picture(self) -> str:
        """The path of the newest picture that proved it ready."""
        ready = self.journal.last("ready")
        return str(ready["picture"]) if ready else ""

    @property
    def login(self) -> Login | None:
        """What opens the service, if this machine knows it."""
        raw = self.journal.read_private(LOGIN_FILE)
        if raw is None:
            return None
        try:
            login = Login(**json.loads(raw))
        except (ValueError, TypeError):
            path = self.journal.folder / LOGIN_FILE
            raise OperationError(
                f"{path} cannot be read", f"delete the deployment: garret delete {self.name}"
            ) from None
        return replace(login, authority=authority_of((self.plan or {}).get("spec") or {}))

    def stack(self, stacks: Stacks) -> Stack | None:
        """Its stack in the cloud: the one whose id we know, in one call; else the one of its name."""
        known = self.stack_id
        return (stacks.get(known) if known else None) or stacks.find(self.stack_name)

    @property
    def parameters(self) -> dict[str, str]:
        """What the stack was told, the node's own password included."""
        plan = self.plan or {"parameters": {}}
        asked = bool(plan.get("spec", {}).get("instance_password"))
        hidden = {"InstancePassword": self.instance_password} if asked else {}
        return {key: str(value) for key, value in plan["parameters"].items()} | hidden

    def priced(self, values: Mapping[str, str]) -> dict[str, str]:
        """The stack's parameters as its price is asked for: the image that a moved node was made of is gone."""
        born = str((self.journal.last("planned") or {}).get("image_id") or "")
        return {**values, "ImageId": born} if born and "ImageId" in values else dict(values)

    @property
    def is_moving(self) -> bool:
        """Say whether a move of its node was begun and has not come to its end."""
        moves = [entry["event"] for entry in self.journal.entries() if entry["event"] in MOVING]
        return bool(moves) and moves[-1] == MOVING[0]

    @property
    def instance_password(self) -> str:
        """The node's own password as it was given, kept for a creation that is sent again; empty for none."""
        return (self.journal.read_private(INSTANCE_PASSWORD_FILE) or b"").decode("utf-8")

    def keep_login(self, login: Login) -> None:
        """Write it, 0600; who may vouch for the service is in the plan."""
        kept = {key: value for key, value in asdict(login).items() if key != "authority"}
        self.journal.write_private(LOGIN_FILE, json.dumps(kept, indent=1).encode("utf-8"))


def named(folder: Path, name: str | None) -> Deployment:
    """The deployment of this name below deployments/<cloud>; without a name, the only one, else `garret`.

    Raises:
        UsageError: there are several, and none is called garret.
    """
    if name is None:
        known = [journal.folder.name for journal in journals(folder) if journal.entries()]
        if len(known) > 1 and DEFAULT_NAME not in known:
            raise UsageError(f"there are several deployments: {', '.join(known)}", f"say which: --name {known[0]}")
        name = DEFAULT_NAME if DEFAULT_NAME in known or not known else known[0]
        return Deployment(name, Journal(folder / name))
    if name not in {journal.folder.name for journal in journals(folder)}:
        check_name(name)
    return Deployment(name, Journal(folder / name))


def check_name(name: str) -> str:
    """The name, if it is one: it becomes a folder and a stack.

    Raises:
        SpecError: what a name looks like.
    """
    from garret.spec import parse_spec

    return parse_spec({"name": name, "region": "cn-hangzhou"}).name


def new_login(login: str, password: str | None) -> Login:
    """A login with this password, or one that is made, and a random token.

    Raises:
        SpecError: the password breaks the cloud's rule.
    """
    from garret.service_runtime.passwords import hash_password, new_token
    from garret.spec import check_password

    chosen = check_password(password if password is not None else generate_password())
    kept = "" if password is not None else chosen
    return Login(login, new_token(), hash_password(chosen), kept)


def same_password(login: Login, password: str) -> bool:
    """Say whether a password is the deployment's."""
    from garret.service_runtime.passwords import verify_password

    return verify_password(password, login.password_hash)


def generate_password() -> str:
    """A random password of three kinds of characters, safe to paste anywhere (some 115 bits)."""
    import secrets
    import string

    letters = string.ascii_letters + string.digits
    while True:
        password = "".join(secrets.choice(letters) for _ in range(GENERATED_LENGTH))
        kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        if all(any(character in kind for character in password) for kind in kinds):
            return password


def opened(login: Login, outputs: Mapping[str, Any]) -> Login:
    """The login with what the stack says of the service: where it is, and the certificate to expect there."""
    pinned = str(node_facts(outputs).get("tls_sha256") or "")
    return replace(login, endpoint=str(outputs.get("EndPoint") or ""), tls_sha256=pinned)


def flag(name: str) -> str:
    """What a command needs said to mean this deployment: nothing, for the one with the usual name."""
    return "" if name == DEFAULT_NAME else f" --name {name}"


def node_facts(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the node told the stack when it was ready: JSON text, below the signal's id, below the output."""
    value: Any = outputs.get("NodeFacts")
    for _ in range(3):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return {}
        if isinstance(value, dict) and "service" not in value and len(value) == 1:
            value = next(iter(value.values()))
    return value if isinstance(value, dict) else {}
