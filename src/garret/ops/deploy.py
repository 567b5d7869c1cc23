"""Deploy: from what is wanted to an endpoint that has made a picture; the same again where a killed run left off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from garret.errors import Interrupted, OperationError, UsageError
from garret.image_bootstrap.bundle import Bundle, build_bundle
from garret.ops import failure
from garret.ops.cloud import DEPLOYMENT_TAG, Cloud, Stack, billed_by
from garret.ops.crash import Crash
from garret.ops.deployment import (
    BUNDLE_FILE,
    PICTURE_FILE,
    Deployment,
    Login,
    flag,
    new_login,
    opened,
    same_password,
)
from garret.ops.endpoint import Endpoint
from garret.ops.plan import Place, Plan, check_region, make_plan, refuse_differences, wanted_spec
from garret.ops.stack_states import IN_PROGRESS, ROLLED_BACK
from garret.ops.tell import Teller
from garret.ops.wait_ready import wait_ready
from garret.ops.watch import Creation, watch_until_settled
from garret.spec import DeploymentSpec, check_password

SETTLE_S = 1800.0
READY_S = 600.0
# A machine that was booted again needs its time as well.
AGAIN_S = 300.0


@dataclass(frozen=True)
class Wish:
    """What the person asked for; `said` holds only the fields of the spec that were said."""

    region: str
    said: Mapping[str, Any] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    picture: Path | None = None


@dataclass
class Deploy:
    """One run of deploy, with everything it may touch. `confirm` shows a plan and returns the person's answer."""

    cloud: Cloud
    deployment: Deployment
    wish: Wish
    tell: Teller
    confirm: Callable[[DeploymentSpec, Place, Plan, bool], bool]
    crash: Crash = field(default_factory=Crash)
    pack: Callable[[], Bundle] = build_bundle
    _packing: Future[Bundle] | None = None

    def run(self) -> dict[str, Any]:
        """Deploy, or finish what is half done, or see that it is done; the deployment's facts."""
        if self.wish.password is not None:
            check_password(self.wish.password)
        with self.deployment.journal.locked(), ThreadPoolExecutor(1) as pool:
            if self.deployment.plan is None:  # compressed in a thread while this one loads SDKs and asks the cloud
                self._packing = pool.submit(self.pack)
            try:
                return self._run()
            except KeyboardInterrupt:
                raise self._interrupted() from None

    def _run(self) -> dict[str, Any]:
        before = self.deployment.spec
        spec = wanted_spec(self.cloud.kind, self.deployment.name, self.wish.region, self.wish.said, before)
        if before is not None and before.region != spec.region:
            refuse_differences(before, spec)
        if before is None:
            check_region(spec.region, self.cloud.catalog)
        stack = self._own_stack()
        if stack is not None and stack.status.endswith(IN_PROGRESS) and not stack.status.startswith("CREATE_IN"):
            self.tell.say(f"stack {stack.name} is {stack.status}; waiting for it to settle")
            stack = watch_until_settled(self.cloud, stack.id, self.tell, SETTLE_S)
        if before is None and stack is not None and stack.status not in ROLLED_BACK:
            raise UsageError(
                f"{self.deployment.name} is deployed, but from another machine or home: nothing here opens its door",
                f"garret deploy --name {self.deployment.name}-2 , or garret delete {self.deployment.name}",
            )
        if stack is not None and stack.status in ROLLED_BACK:
            self._clear_away(stack)
            stack = None
        elif stack is None and self.deployment.stack_id:
            self.deployment.journal.append("abandoned", why="its stack is gone")
        if self.deployment.plan is None:
            self._plan(spec)
        else:
            refuse_differences(self.deployment.spec or spec, spec)
            self._same_password()
        return self._finish(stack)

    def _own_stack(self) -> Stack | None:
        """The stack of our name, which must carry our tag: nobody else's is touched."""
        stack = self.deployment.stack(self.cloud.stacks)
        if stack is not None and stack.tags.get(DEPLOYMENT_TAG) != self.deployment.name:
            raise UsageError(
                f"there is a stack {stack.name} ({stack.id}) that garret did not make",
                f"take another name: garret deploy --name {self.deployment.name}-2",
            )
        return stack

    def _clear_away(self, stack: Stack) -> None:
        """Delete what is left of a failed creation: an empty stack with our name."""
        self.tell.say(f"clearing away stack {stack.name}, which failed earlier and is empty")
        self.cloud.stacks.delete(stack.id)
        watch_until_settled(self.cloud, stack.id, self.tell, SETTLE_S)
        self.deployment.journal.append("abandoned", why="its stack failed and was rolled back")

    def _plan(self, spec: DeploymentSpec) -> None:
        """Plan, ask, and write down all that CreateStack will be told before it is told."""
        login = new_login(spec.login, self.wish.password)
        bundle = self._packing.result() if self._packing else self.pack()
        plan = make_plan(spec, self.cloud, login, bundle)
        if not self.confirm(spec, plan.place, plan, bool(login.password)):
            raise UsageError("not confirmed; nothing was made")
        self.deployment.keep_login(login)
        self.deployment.journal.write_private(BUNDLE_FILE, bundle.data)
        self.deployment.journal.append("planned", **plan.to_entry())
        self.crash.point("deploy.journaled")

    def _same_password(self) -> None:
        login = self.deployment.login
        if self.wish.password is not None and login and not same_password(login, self.wish.password):
            raise UsageError(
                f"password: {self.deployment.name} is deployed with another one",
                f"leave it out, or garret delete {self.deployment.name} first",
            )

    def _finish(self, stack: Stack | None) -> dict[str, Any]:
        fresh = self.deployment.journal.last("ready") is None
        if stack is None or stack.status != "CREATE_COMPLETE":
            stack = self._create(stack)
        if not self.deployment.outputs:
            self.deployment.journal.append("complete", outputs=dict(stack.outputs))
        self.crash.point("deploy.signalled")
        return self._ready(fresh=fresh)

    def _create(self, stack: Stack | None) -> Stack:
        """Send CreateStack unless it was, and see the stack through."""
        plan = self._plan_entry()
        if stack is None:
            stack_id = self.cloud.stacks.create(
                self.deployment.stack_name,
                plan["template"],
                plan["parameters"],
                tags={DEPLOYMENT_TAG: self.deployment.name},
                token=plan["token"],
                wait_s=int(plan["spec"]["wait_timeout_s"]),
            )
            self.crash.point("deploy.created")
        else:
            stack_id = stack.id
        if self.deployment.stack_id != stack_id:
            self.deployment.journal.append("created", stack_id=stack_id)
        self.crash.point("deploy.waiting")
        self.tell.stage("stack", "running", self.deployment.stack_name)
        return self._watch(stack_id, float(plan["spec"]["wait_timeout_s"]))

    def _watch(self, stack_id: str, wait_s: float) -> Stack:
        creation = Creation(
            self.cloud,
            self.deployment.name,
            stack_id,
            self._bundle(),
            self.tell,
            on_delivered=self._delivered,
            delivered=self.deployment.journal.last("delivered") is not None,
        )
        stack = creation.watch(wait_s + 1200)
        if stack is not None and stack.status == "CREATE_COMPLETE":
            self.tell.stage("stack", "done", self.deployment.stack_name)
            return stack
        if stack is None:
            raise OperationError(
                f"stack {self.deployment.stack_name} was deleted while it was being created",
                f"garret deploy{flag(self.deployment.name)}   (makes it anew)",
            )
        events = self.cloud.stacks.events(stack_id)
        billed = billed_by(self.cloud, self.deployment.name)
        raise failure.explain(self.deployment.name, events, stack.reason, billed)

    def _delivered(self) -> None:
        self.deployment.journal.append("delivered")
        self.crash.point("deploy.delivered")

    def _bundle(self) -> Bundle:
        """The very bytes whose hash the node was told, even when this program has changed since."""
        data = self.deployment.journal.read_private(BUNDLE_FILE)
        digest = str(self._plan_entry()["bundle_sha256"])
        if data is None:
            made = self.pack()
            if made.sha256 != digest:
                raise OperationError(
                    "the runtime that this deployment began with is gone", f"garret delete {self.deployment.name}"
                )
            return made
        return Bundle(data, digest, len(data))

    def _ready(self, *, fresh: bool) -> dict[str, Any]:
        login = self._opened_login()
        endpoint = Endpoint(login.endpoint, login.token, login.tls_sha256)
        picture = self.wish.picture or self.deployment.journal.folder / PICTURE_FILE
        if not fresh:
            self._refuse_stopped(endpoint)
            self.tell.say(f"{self.deployment.name} is deployed as asked; nothing to change")
        wait_ready(endpoint, picture, self.cloud.clock, self.tell, READY_S if fresh else AGAIN_S)
        if fresh or str(picture) != self.deployment.picture:
            self.deployment.journal.append("ready", picture=str(picture), endpoint=login.endpoint)
        plan = self._plan_entry()
        return {
            "name": self.deployment.name,
            "state": "running",
            "endpoint": login.endpoint,
            "login": login.login,
            **({"password": login.password} if fresh and login.password else {}),
            "instance_id": str(self.deployment.outputs.get("InstanceId", "")),
            "region": plan["region"],
            "cloud": self.cloud.kind,
            "picture": str(picture),
            "price_per_hour": plan["price"],
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

    def _refuse_stopped(self, endpoint: Endpoint) -> None:
        if endpoint.healthy():
            return
        machines = self.cloud.instances.tagged(self.deployment.name)
        if machines and all(machine.status in ("Stopped", "Stopping") for machine in machines):
            raise UsageError(
                f"{self.deployment.name} is stopped", f"garret ops start{flag(self.deployment.name)}   (starts it)"
            )

    def _plan_entry(self) -> dict[str, Any]:
        plan = self.deployment.plan
        if plan is None:
            raise OperationError(f"the journal of {self.deployment.name} lost its plan", "garret status")
        return plan

    def _interrupted(self) -> Interrupted:
        if self.deployment.plan is None:
            return Interrupted("interrupted; nothing was made")
        name = self.deployment.name
        return Interrupted(
            f"interrupted; what has begun for {name} goes on in the cloud",
            f"garret status {name}   (how far it is), garret deploy{flag(name)}   (goes on), "
            f"or garret delete {name}   (takes it down)",
            billed="machine, disk and address, each from when it exists",
        )
