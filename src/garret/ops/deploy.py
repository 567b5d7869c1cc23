"""Deploy: from what is wanted to an endpoint that has made a picture; the same again where a killed run left off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garret.errors import Interrupted, UsageError
from garret.image_bootstrap.bundle import Bundle, build_bundle
from garret.ops.anew import Anew
from garret.ops.cloud import DEPLOYMENT_TAG, Cloud, Stack
from garret.ops.crash import Crash
from garret.ops.create import SETTLE_S, Confirm, Create
from garret.ops.deployment import Deployment, Login, flag, new_login, same_password
from garret.ops.plan import check_regions, wanted_spec
from garret.ops.stack_states import IN_PROGRESS, ROLLED_BACK
from garret.ops.standing import Standing
from garret.ops.tell import Teller
from garret.ops.update import ConfirmUpdate, Update, rows_of
from garret.ops.watch import watch_until_settled
from garret.spec import DeploymentSpec, check_password
from garret.templates.changes import as_it_stands, classify

if TYPE_CHECKING:
    from garret.ops.channels.ssh import SshAddress


STANDING = ("zone", "instance_type", "vswitch_id", "vswitch_cidr")
"""Fields in which a node may stand otherwise than it was asked for at first."""


def _nowhere(region: str) -> Cloud:
    raise UsageError(f"fallback_regions: there is no way to {region} from here", "leave --fallback-region out")


@dataclass(frozen=True)
class Wish:
    """What the person asked for; `said` holds only the fields of the spec that were said.

    `dry_run` stops after the plan was shown; `replace` allows a change that makes the node anew; `ssh` is where a node
    can be reached whose cloud's agent does not answer.
    """

    region: str
    said: Mapping[str, Any] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    instance_password: str = field(default="", repr=False)
    picture: Path | None = None
    dry_run: bool = False
    replace: bool = False
    ssh: SshAddress | None = None


@dataclass
class Deploy:
    """One run of deploy, with everything it may touch. `confirm` shows a plan and returns the person's answer."""

    cloud: Cloud
    deployment: Deployment
    wish: Wish
    tell: Teller
    confirm: Confirm
    crash: Crash = field(default_factory=Crash)
    pack: Callable[[], Bundle] = build_bundle
    confirm_update: ConfirmUpdate = lambda _proposal: False
    elsewhere: Callable[[str], Cloud] = _nowhere
    make_login: Callable[[str, str | None], Login] = new_login

    def run(self) -> dict[str, Any]:
        """Deploy, or finish what is half done, or see that it is done; the deployment's facts."""
        self._check_passwords()
        with ThreadPoolExecutor(1) as pool:
            create = self._create_with(pool)
            if self.wish.dry_run:
                return self._dry_run(create)
            with self.deployment.journal.locked():
                try:
                    return self._run(create)
                except KeyboardInterrupt:
                    raise self._interrupted() from None

    def _create_with(self, pool: ThreadPoolExecutor) -> Create:
        fresh = self.deployment.plan is None
        return Create(
            self.cloud, self.deployment, self.tell, self.confirm, self.crash, self.pack, self.elsewhere,
            password=self.wish.password,
            instance_password=self.wish.instance_password or self.deployment.instance_password,
            # Compressed in a thread while this one asks the cloud.
            packing=pool.submit(self.pack) if fresh else None,
            make_login=self.make_login, ssh=self.wish.ssh,
        )  # fmt: skip

    def _dry_run(self, create: Create) -> dict[str, Any]:
        """Show what would be done, and do nothing: no write reaches the cloud, and nothing is remembered here."""
        before = self.deployment.spec
        spec = self._wanted(before)
        if before is None:
            check_regions(spec, self.cloud.catalog)
            self._own_stack()
            plan = create.plan(spec, [])
            self.confirm(plan, self.wish.password is None)
            return {"dry_run": True, "changed": True, **plan.to_dict()}
        changes = classify(before, spec)
        if self.deployment.journal.last("complete") is None:
            self.tell.say(f"{self.deployment.name} is half made; garret deploy{flag(self.deployment.name)} finishes it")
            return {"dry_run": True, "name": self.deployment.name, "changed": True, "changes": rows_of(changes)}
        anew = Anew(create, self.deployment, spec, changes, self.tell)
        if self.wish.replace and anew.is_needed:
            return {"dry_run": True, "changed": True, "changes": rows_of(changes), **anew.agreed().to_dict()}
        facts = {"dry_run": True, "name": self.deployment.name, "changed": bool(changes)}
        return facts | (self._update(spec).shown() if changes else {"changes": []})

    def _run(self, create: Create) -> dict[str, Any]:
        before = self.deployment.spec
        spec = self._wanted(before)
        if before is None:
            check_regions(spec, self.cloud.catalog)
        stack = self._settled(self._own_stack())
        if before is None and stack is not None and stack.status not in ROLLED_BACK:
            raise UsageError(
                f"{self.deployment.name} is deployed, but from another machine or home: nothing here opens its door",
                f"garret deploy --name {self.deployment.name}-2 , or garret delete {self.deployment.name}",
            )
        if stack is not None and stack.status in ROLLED_BACK and self.deployment.journal.last("complete") is None:
            self.tell.say(f"clearing away stack {stack.name}, which failed earlier and is empty")
            create.clear_away(stack, "its stack failed and was rolled back")
            stack = None
        elif stack is None and self.deployment.stack_id:
            self.deployment.journal.append("abandoned", why="its stack is gone")
        return self._carry_out(create, spec, stack)

    def _carry_out(self, create: Create, spec: DeploymentSpec, stack: Stack | None) -> dict[str, Any]:
        done = self.deployment.journal.last("complete") is not None
        before = self.deployment.spec
        if before is not None and not done and classify(before, spec):
            raise UsageError(
                f"{self.deployment.name} is half made, and otherwise: " + "; ".join(map(str, classify(before, spec))),
                f"garret deploy{flag(self.deployment.name)}   (finishes it as it was asked for), then garret update",
            )
        if before is not None:
            self._same_password()
        if done and stack is not None:
            return self._again(create, spec, stack)
        fresh = self.deployment.journal.last("ready") is None
        if stack is None or stack.status != "CREATE_COMPLETE":
            stack = create.run(spec, stack)
        return self._made(create, stack, fresh=fresh)

    def _made(self, create: Create, stack: Stack, *, fresh: bool) -> dict[str, Any]:
        """A stack is complete: what it says of itself, and the first picture."""
        self.cloud = create.cloud
        self.deployment.journal.append("complete", outputs=dict(stack.outputs))
        self.crash.point("deploy.signalled")
        return self._standing().ready(fresh=fresh)

    def _again(self, create: Create, spec: DeploymentSpec, stack: Stack) -> dict[str, Any]:
        """What is deployed already: finish or make an update, else say that there is nothing to do."""
        finished = self._update(spec).finish_begun()
        before = self.deployment.spec
        if finished:  # what was not said now stays as it is since then
            spec = self._wanted(before)
        anew = Anew(create, self.deployment, spec, classify(before, spec) if before else (), self.tell)
        if self.wish.replace and anew.is_needed:
            return self._made(create, anew.make(stack), fresh=True) | {"changed": True}
        changed = self._update(spec).run() or finished
        fresh = self.deployment.journal.last("ready") is None
        if not changed and not fresh:
            self.tell.say(f"{self.deployment.name} is deployed as asked; nothing to change")
        return self._standing().ready(fresh=fresh, asleep=changed) | {"changed": changed}

    def _standing(self) -> Standing:
        return Standing(self.cloud, self.deployment, self.tell, self.wish.picture)

    def _update(self, spec: DeploymentSpec) -> Update:
        return Update(self.cloud, self.deployment, spec, self.tell, self.confirm_update, self.crash)

    def _wanted(self, before: DeploymentSpec | None) -> DeploymentSpec:
        known = self.deployment.wish_left or before
        spec = wanted_spec(self.cloud.kind, self.deployment.name, self.wish.region, self.wish.said, known)
        if before is not None and before.region != spec.region:
            raise UsageError(
                f"{self.deployment.name} is deployed in {before.region}, not in {spec.region}",
                f"a second one beside it: garret deploy {self.deployment.name}-2 --region {spec.region}",
            )
        plan = self.deployment.plan
        if plan and plan["region"] != self.cloud.region:
            self.cloud = self.elsewhere(plan["region"])
        if plan is None or before is None:
            return spec
        placed = plan.get("placed") or plan["spec"]
        return as_it_stands(spec, before, {name: placed.get(name) for name in STANDING} | {"zone": plan["zone"]})

    def _check_passwords(self) -> None:
        if self.wish.password is not None:
            check_password(self.wish.password)
        if self.wish.instance_password:
            check_password(self.wish.instance_password, "instance_password")

    def _settled(self, stack: Stack | None) -> Stack | None:
        """The stack when it is not busy with anything but its creation."""
        if stack is None or not stack.status.endswith(IN_PROGRESS) or stack.status.startswith("CREATE_IN"):
            return stack
        self.tell.say(f"stack {stack.name} is {stack.status}; waiting for it to settle")
        return watch_until_settled(self.cloud, stack.id, self.tell, SETTLE_S)

    def _own_stack(self) -> Stack | None:
        """The stack of our name, which must carry our tag: nobody else's is touched."""
        stack = self.deployment.stack(self.cloud.stacks)
        if stack is not None and stack.tags.get(DEPLOYMENT_TAG) != self.deployment.name:
            raise UsageError(
                f"there is a stack {stack.name} ({stack.id}) that garret did not make",
                f"take another name: garret deploy --name {self.deployment.name}-2",
            )
        return stack

    def _same_password(self) -> None:
        login = self.deployment.login
        if self.wish.password is not None and login and not same_password(login, self.wish.password):
            raise UsageError(
                f"password: {self.deployment.name} is deployed with another one",
                f"leave it out, or garret delete {self.deployment.name} first",
            )

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
