"""A deployment that stands: its picture, its facts, and the quick way when nothing is asked of it that it is not.

Loads neither the spec's validation nor the templates: typed again, `garret deploy` is to take what its questions take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garret.errors import OperationError, UsageError
from garret.ops.cloud import DEPLOYMENT_TAG, Cloud
from garret.ops.deployment import PICTURE_FILE, Deployment, Login, flag, opened
from garret.ops.endpoint import Endpoint, endpoint_at
from garret.ops.node_prices import tell_prices
from garret.ops.tell import Teller
from garret.ops.wait_ready import wait_ready

AUTHORITIES = "/var/lib/garret/incoming/acme-ca.pem"
"""Where the node looks for them; named here as well, for the node's own code is not loaded by those who only look."""
READY_S = 600.0
# A machine that was booted again needs its time as well.
AGAIN_S = 300.0
_STANDING = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_UPDATE_ENDS = ("updated", "not updated")


def is_as_said(deployment: Deployment, said: Mapping[str, Any], region: str) -> bool:
    """Say whether a deployment is finished, not about to become another, and has every field as it is said now."""
    plan, journal = deployment.plan, deployment.journal
    if plan is None or plan["spec"].get("region") != region or not (journal.last("complete") and journal.last("ready")):
        return False
    entries = journal.entries()
    updates = [entry["event"] for entry in entries if entry["event"] in ("updating", *_UPDATE_ENDS)]
    if entries[-1]["event"] == "replacing" or (updates and updates[-1] == "updating"):
        return False
    known = plan["spec"]
    return all(name in known and known[name] == _plain(value) for name, value in said.items())


@dataclass
class Standing:
    """A deployment whose stack is complete; `picture` is where its next proof goes, else to its folder."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    picture: Path | None = None

    def look(self) -> dict[str, Any] | None:
        """Prove that it is ready, and say that there is nothing to change; None when its stack says otherwise."""
        with self.deployment.journal.locked():
            stack = self.deployment.stack(self.cloud.stacks)
            ours = stack is not None and stack.tags.get(DEPLOYMENT_TAG) == self.deployment.name
            if stack is None or not ours or stack.status not in _STANDING:
                return None
            self.tell.say(f"{self.deployment.name} is deployed as asked; nothing to change")
            return self.ready(fresh=False) | {"changed": False}

    def ready(self, *, fresh: bool, asleep: bool = False) -> dict[str, Any]:
        """Make a picture at the endpoint; the deployment's facts. `asleep`: one that is stopped may stay so.

        Raises:
            UsageError: it is stopped, and nobody said that it may be.
            NotReady: no picture could be made in time.
        """
        login = self._opened_login()
        endpoint = endpoint_at(login)
        picture = self.picture or self.deployment.journal.folder / PICTURE_FILE
        if not fresh and self._is_stopped(endpoint):
            start = f"garret ops start{flag(self.deployment.name)}"
            if not asleep:
                raise UsageError(f"{self.deployment.name} is stopped", f"{start}   (starts it)")
            self.tell.say(f"{self.deployment.name} is stopped, and stays so; {start} starts it")
            return self._facts(login, "stopped")
        if fresh:
            self._send_authorities()
        wait_ready(endpoint, picture, self.cloud.clock, self.tell, READY_S if fresh else AGAIN_S)
        if fresh or str(picture) != self.deployment.picture:
            self.deployment.journal.append("ready", picture=str(picture), endpoint=login.endpoint)
        if fresh or asleep:  # it is new, or another one now
            tell_prices(self.deployment)
        password = {"password": login.password} if fresh and login.password else {}
        certificate = {"certificate": self._certificate()} if fresh and login.authority is not None else {}
        return self._facts(login, "running") | {"picture": str(picture)} | password | certificate

    def _send_authorities(self) -> None:
        """Give the node the certificates of the private authority that it is to ask, where there is one."""
        ca = str(((self.deployment.plan or {}).get("spec") or {}).get("acme_ca") or "")
        instance_id = str(self.deployment.outputs.get("InstanceId") or "")
        if ca and instance_id:
            self.cloud.assistant.send_file(instance_id, AUTHORITIES, ca.encode("ascii"))

    def _certificate(self) -> str:
        """What there is to do for the trusted certificate that was asked for, and where one sees how far it is."""
        domain = str(((self.deployment.plan or {}).get("spec") or {}).get("domain") or "")
        record = (
            f"set {domain}'s A record to {self.deployment.outputs.get('PublicIp', 'the address')}; " if domain else ""
        )
        return f"{record}the certificate then comes by itself: garret status"

    def _facts(self, login: Login, state: str) -> dict[str, Any]:
        plan = self.deployment.plan
        if plan is None:
            raise OperationError(f"the journal of {self.deployment.name} lost its plan", "garret status")
        stopped = (plan.get("prices") or {}).get("stopped_per_hour")
        domain = str(self.deployment.outputs.get("EndPointDomain") or "")
        return {
            "name": self.deployment.name,
            "state": state,
            "endpoint": login.endpoint,
            "login": login.login,
            "instance_id": str(self.deployment.outputs.get("InstanceId", "")),
            "region": plan["region"],
            "cloud": self.cloud.kind,
            **({"domain_endpoint": domain} if domain else {}),
            "price_per_hour": stopped if state == "stopped" and stopped else plan["price"],
        }

    def _opened_login(self) -> Login:
        """The login with the endpoint and the certificate to expect there."""
        login = self.deployment.login
        if login is None:
            raise OperationError(
                f"{self.deployment.journal.folder / 'login.json'} is gone, and the token in it",
                f"garret delete {self.deployment.name}, then deploy again",
            )
        known = opened(login, self.deployment.outputs)
        if known != login:
            self.deployment.keep_login(known)
        return known

    def _is_stopped(self, endpoint: Endpoint) -> bool:
        if endpoint.healthy():
            return False
        machines = self.cloud.instances.tagged(self.deployment.name)
        return bool(machines) and all(machine.status in ("Stopped", "Stopping") for machine in machines)


def _plain(value: Any) -> Any:
    """A value as the journal has it."""
    return list(value) if isinstance(value, tuple) else value
