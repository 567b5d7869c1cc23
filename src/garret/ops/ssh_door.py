"""A door to the node by SSH: a key made for it and port 22 for the caller's address, both only while it is held.

The verb runs in a process of its own, and closes the door when whoever holds it is gone, killed or not. Should that
process be killed as well, the key is forgotten by the node after its time, and the next one to look closes the port.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from garret.errors import CloudError, GarretError, NodeFailed, OperationError, UsageError
from garret.ops.channels.ssh import SshAddress
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment, flag, node_facts
from garret.ops.endpoint import endpoint_at
from garret.ops.executions import REQUESTS, Node
from garret.ops.journal import write_atomic
from garret.ops.node_programs import command
from garret.ops.work import Work

PROGRAM = "open_ssh"
FOLDER = "doors"
NOTE = "garret ops ssh"
"""How our rules in a security group begin their description."""
LONGEST_H, USUAL_H = 72, 12
LOOK_S = 0.5
MAKING_S = 60.0
COMMAND_S = 40


@dataclass(frozen=True)
class Door:
    """One door's files on this machine: its private key, who holds it, and where it leads."""

    folder: Path

    @classmethod
    def of(cls, deployment: Deployment, identifier: str) -> Door:
        """The door of this id."""
        return cls(deployment.journal.folder / FOLDER / identifier)

    @property
    def key_file(self) -> Path:
        """The private key."""
        return self.folder / "key"

    @property
    def id(self) -> str:
        """Its id: 32 hexadecimal digits."""
        return self.folder.name

    def make(self) -> str:
        """Make its key; the public one, as authorized_keys has it."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

        self.folder.parent.mkdir(mode=0o700, exist_ok=True)
        self.folder.mkdir(mode=0o700)
        key = Ed25519PrivateKey.generate()
        write_atomic(self.key_file, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), 0o600)
        return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it, as long as this process lives at most."""
        descriptor = os.open(self.folder / "held", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @property
    def is_held(self) -> bool:
        """Say whether somebody does."""
        try:
            with (self.folder / "held").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @property
    def is_over(self) -> bool:
        """Say whether it was open, or should have been by now; one that is just being made is not held yet either."""
        try:
            return self.address() is not None or time.time() - self.folder.stat().st_mtime > MAKING_S
        except FileNotFoundError:
            return False

    def tell(self, address: dict[str, Any]) -> None:
        """Say that it is open, and where it leads."""
        write_atomic(self.folder / "open.json", json.dumps(address).encode("utf-8"), 0o600)

    def address(self) -> SshAddress | None:
        """Where it leads; None while it is not open."""
        try:
            known = json.loads((self.folder / "open.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return SshAddress(known["host"], tuple(known["host_keys"]), self.key_file, known["port"], known["user"])

    def forget(self, *, all_of_it: bool) -> None:
        """Leave nothing of it on this machine; its key in no case."""
        self.key_file.unlink(missing_ok=True)
        if all_of_it:
            shutil.rmtree(self.folder, ignore_errors=True)


def run(work: Work) -> dict[str, Any]:
    """Open `door` for callers from `cidr`, keep it open while it is held, `for_h` hours at most, and close it."""
    door = Door.of(work.deployment, str(work.parameters["door"]))
    node = Node.of(work.cloud, work.deployment)
    hole = Hole(work.cloud, node.instance_id, door.id, str(work.parameters["cidr"]))
    began = work.cloud.clock.monotonic()
    try:
        if door.is_held:  # taken up after a kill, there may be nobody left to open it for
            with work.task("key"):
                facts = _let_in(work, node, door)
            with work.task("port", f"{facts['port']} for {hole.cidr}"):
                hole.open(int(facts["port"]))
            door.tell(facts)
            with work.task("open"):
                _hold(work, door)
    finally:
        with work.task("close"):
            _close(work, node, door, hole)
    return {
        "name": work.deployment.name,
        "from": hole.cidr,
        "open_s": round(work.cloud.clock.monotonic() - began, 1),
        "closed": True,
    }


@dataclass(frozen=True)
class Hole:
    """The rule that lets the caller's address in at the SSH port."""

    cloud: Cloud
    instance_id: str
    door: str
    cidr: str

    @property
    def note(self) -> str:
        """What the rule says of itself."""
        return f"{NOTE} {self.door}"

    def open(self, port: int) -> None:
        """Add it to the machine's first security group."""
        groups = self.cloud.ingress.groups(self.instance_id)
        if not groups:
            raise OperationError(f"machine {self.instance_id} has no security group", "garret status")
        self.cloud.ingress.open(groups[0], port, self.cidr, self.note, token=self.door)

    def close(self, abandoned: Sequence[str], needed: bool) -> bool:
        """Take it away, and those of doors of this machine that nobody holds; say whether ours had to stay.

        Of two doors for one address only the first one's rule is made: it stays while the other is `needed`.
        """
        stays = False
        for group in self.cloud.ingress.groups(self.instance_id):
            notes = [f"{NOTE} {door}" for door in (self.door, *abandoned)]
            rules = {rule: said for note in notes for rule, said in self.cloud.ingress.opened(group, note).items()}
            kept = {rule for rule, said in rules.items() if needed and said.startswith(f"{self.cidr} ")}
            stays = stays or bool(kept)
            if gone := [rule for rule in rules if rule not in kept]:
                self.cloud.ingress.close(group, gone)
        return stays


def source_of(cloud: Cloud, deployment: Deployment, said: str | None) -> str:
    """The range that the port is opened for: what was said, else the caller's own address, as the service sees it.

    Raises:
        UsageError: it is none, or too wide, or cannot be found.
    """
    from garret.ops.plan import LOOPBACK

    if said is None and cloud.kind == "local":
        return LOOPBACK
    found = said or _seen_by_service(deployment) or _only_caller(deployment)
    if not found:
        raise UsageError(
            "the address that this machine has on the internet cannot be found: the service does not answer it",
            "say it: --from 203.0.113.7/32",
        )
    try:
        network = ipaddress.IPv4Network(found if "/" in found else f"{found}/32")
    except ValueError:
        raise UsageError(f"--from: {found!r} is no range of IPv4 addresses", "--from 203.0.113.7/32") from None
    if network.prefixlen < 16 and not network.is_loopback:
        raise UsageError(f"--from: {network} is {network.num_addresses} addresses; port 22 is opened for few", "/32")
    return str(network)


def address_of_node(cloud: Cloud, deployment: Deployment, instance_id: str) -> str:
    """The node's public address."""
    machine = cloud.instances.get(instance_id)
    if machine and machine.public_ip:
        return machine.public_ip
    login = deployment.login
    host = urlsplit(login.endpoint).hostname if login else None
    if not host:
        raise OperationError(f"machine {instance_id} has no public address", f"garret status{flag(deployment.name)}")
    return host


def new_door(deployment: Deployment) -> Door:
    """A door that nobody has heard of."""
    return Door.of(deployment, uuid.uuid4().hex)


def _let_in(work: Work, node: Node, door: Door) -> dict[str, Any]:
    """Have the node take the key; where its SSH server is, and the host keys to expect there.

    They come by Cloud Assistant, whose word is the cloud's, so a stranger at that address is known for one.
    """
    request = {"key": work.parameters["key"], "for_s": 3600 * float(work.parameters["for_h"])}
    node.channel.put(f"{REQUESTS}/{door.id}.json", json.dumps(request).encode("utf-8"))
    facts = _ask(node, "open", door.id)
    reported = set(node_facts(work.deployment.outputs).get("ssh_host_keys") or ())
    if reported and not facts["host"] and not reported & set(facts["host_keys"]):
        work.tell.say("the node shows other SSH host keys than when it was deployed; the new ones are expected now")
    host = facts["host"] or address_of_node(work.cloud, work.deployment, node.instance_id)
    return {**facts, "host": host}


def _hold(work: Work, door: Door) -> None:
    deadline = work.cloud.clock.monotonic() + 3600 * float(work.parameters["for_h"])
    while door.is_held and work.cloud.clock.monotonic() < deadline:
        work.stop_here()
        work.cloud.clock.sleep(LOOK_S)


def _close(work: Work, node: Node, door: Door, hole: Hole) -> None:
    """Take the rule and the key away: each, whatever becomes of the other.

    Raises:
        OperationError: something is still open; says what.
    """
    wrong: list[GarretError] = []
    others = [Door(folder) for folder in door.folder.parent.glob("*") if folder.name != door.id]
    held = [other for other in others if other.is_held]
    abandoned = [other for other in others if other not in held and other.is_over]
    stays = False
    try:
        stays = hole.close([one.id for one in abandoned], bool(held))
    except CloudError as error:
        wrong.append(error)
    for one in (door, *abandoned):
        try:
            _ask(node, "close", one.id)
        except (CloudError, NodeFailed) as error:
            wrong.append(error)
        # What is still open is closed with the next door, so its folder stays; its key is of no use any more.
        one.forget(all_of_it=not (wrong or stays))
    if wrong:
        raise OperationError(
            f"the door may still be open for {hole.cidr}: {'; '.join(error.message for error in wrong)}",
            f"garret ops tunnel{flag(work.deployment.name)}   (the next one closes what was left open)",
        )


def _ask(node: Node, verb: str, identifier: str) -> dict[str, Any]:
    result = node.channel.run(command(PROGRAM, verb, identifier), timeout_s=COMMAND_S)
    try:
        reply = json.loads(result.output)
    except ValueError:
        reply = {"error": (result.output.strip() or result.error or result.status)[-300:]}
    if not isinstance(reply, dict) or "error" in reply:
        raise NodeFailed(f"{node.instance_id}: {reply.get('error') if isinstance(reply, dict) else reply}")
    return reply


def _seen_by_service(deployment: Deployment) -> str:
    login = deployment.login
    if login is None or not login.endpoint:
        return ""
    try:
        said = endpoint_at(login).get("/machine", 10).get("caller", "")
        return str(ipaddress.IPv4Address(said))
    except (GarretError, ValueError, AttributeError):
        return ""


def _only_caller(deployment: Deployment) -> str:
    """The range that the service is open for, when it is one address: whoever deployed it said it was theirs."""
    spec: dict[str, Any] = (deployment.plan or {}).get("spec") or {}
    allowed: list[Any] = list(spec.get("allow_cidr") or [])
    return str(allowed[0]) if len(allowed) == 1 and str(allowed[0]).endswith("/32") else ""
