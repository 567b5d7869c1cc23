"""Create: a plan shown and written down, the stack seen through; and the next place when one is sold out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from garret.errors import OperationError, SpecError, StackFailed, UsageError
from garret.image_bootstrap.bundle import Bundle
from garret.ops import failure
from garret.ops.capacity import MOST_TRIES, Candidate, SoldOut, candidates
from garret.ops.cloud import DEPLOYMENT_TAG, Cloud, Stack, billed_by, left_of
from garret.ops.crash import Crash
from garret.ops.deployment import (
    BUNDLE_FILE,
    INSTANCE_PASSWORD_FILE,
    SECRET_FILES,
    Deployment,
    Login,
    flag,
    new_login,
)
from garret.ops.plan import Plan, make_plan
from garret.ops.prices import TooDear
from garret.ops.tell import Teller
from garret.ops.watch import Creation, watch_until_settled
from garret.spec import DeploymentSpec

if TYPE_CHECKING:
    from garret.ops.channels.ssh import SshAddress

SETTLE_S = 1800.0
NOTHING_MADE = "; nothing was made"

Confirm = Callable[[Plan, bool], bool]
"""Shows a plan, and whether its password was made here; returns the person's answer."""


@dataclass
class Create:
    """One deployment that is being made; `elsewhere` gives the cloud in another region."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    confirm: Confirm
    crash: Crash
    pack: Callable[[], Bundle]
    elsewhere: Callable[[str], Cloud]
    password: str | None = field(default=None, repr=False)
    instance_password: str = field(default="", repr=False)
    packing: Future[Bundle] | None = None
    ssh: SshAddress | None = None
    make_login: Callable[[str, str | None], Login] = new_login
    bake: str = ""
    _login: Login | None = None
    _is_new_password: bool = True
    _confirmed: float | None = None
    _told: set[str] = field(default_factory=set)
    _dear: set[tuple[str, str]] = field(default_factory=set)

    def plan(self, wish: DeploymentSpec, tried: list[str]) -> Plan:
        """The plan of the first place that was not tried and does not cost too much; nothing is written down yet.

        Raises:
            SoldOut: no place is left.
            SpecError: the wish fits nowhere, or costs too much everywhere.
        """
        login = self._login_for(wish)
        bundle = self.packing.result() if self.packing else self.pack()
        dear: TooDear | None = None
        while True:
            try:
                candidate = self._next_place(wish, tried)
            except (SoldOut, SpecError):
                if dear is not None:
                    raise dear from None
                raise
            try:
                return make_plan(
                    wish, candidate, self.cloud, login, bundle,
                    instance_password=self.instance_password, bake=self.bake,
                )  # fmt: skip
            except TooDear as error:
                if not wish.fallback_types and not wish.fallback_regions:
                    raise
                dear = dear or error
                self._dear.add(candidate.kind)
                self.tell.say(f"{candidate}: {error.message.partition(': ')[2].removesuffix(NOTHING_MADE)}")

    def agree(self, plan: Plan) -> bool:
        """Ask, unless a price as high was agreed to before; says whether somebody was asked.

        Raises:
            UsageError: the person said no.
        """
        price = plan.prices.effective if plan.prices else 0.0
        if self._confirmed is not None and price <= self._confirmed:
            return False
        if not self.confirm(plan, self._is_new_password and bool(self._login_for(plan.wish).password)):
            self._end("declined")
            raise UsageError(f"not confirmed{NOTHING_MADE}")
        self._confirmed = price
        return True

    def take_login(self, login: Login, wish: DeploymentSpec) -> None:
        """Give the next node the token and the password that this one has."""
        self._login = replace(login, login=wish.login, endpoint="", tls_sha256="")
        self._is_new_password = False

    def keep(self, plan: Plan, tried: list[str]) -> None:
        """Ask, and write down all that CreateStack will be told before it is told.

        Raises:
            UsageError: the person said no.
        """
        login = self._login_for(plan.wish)
        if not self.agree(plan):
            cost = f", {plan.prices.effective:.2f} {plan.prices.running.currency} per hour" if plan.prices else ""
            place = plan.place
            self.tell.say(f"next: {plan.spec.instance_type} in {place.zone} ({place.stock}){cost}")
        self.deployment.keep_login(login)
        self.deployment.journal.write_private(
            BUNDLE_FILE, (self.packing.result() if self.packing else self.pack()).data
        )
        if self.instance_password:
            self.deployment.journal.write_private(INSTANCE_PASSWORD_FILE, self.instance_password.encode("utf-8"))
        self.deployment.journal.append("planned", **plan.to_entry(), tried=tried)
        self.crash.point("deploy.journaled")

    def run(self, wish: DeploymentSpec, stack: Stack | None) -> Stack:
        """Plan where there is no plan, create, and go on elsewhere when the place turns out to be sold out.

        Raises:
            StackFailed: the stack did not come up, and nothing else is allowed or left.
        """
        last: StackFailed | None = None
        tried: list[str] = list((self.deployment.plan or {}).get("tried", []))
        for _ in range(MOST_TRIES):
            if self.deployment.plan is None:
                try:
                    self.keep(self.plan(wish, tried), tried)
                except (SoldOut, SpecError) as nothing_left:
                    self._end("no place is left")
                    raise self._tried_all(last, tried) or nothing_left from None
            try:
                return self._create(stack)
            except StackFailed as error:
                if error.kind != "capacity":
                    raise
                last, stack = error, None
                tried.append(self._place())
                self._leave(error)
        self._end(f"{MOST_TRIES} places were tried")
        raise self._tried_all(last, tried) or OperationError("no place was found", "garret deploy")

    def clear_away(self, stack: Stack, why: str, wish: DeploymentSpec | None = None) -> None:
        """Delete a stack, and look that nothing of it is billed; `wish` is what comes next, else the same once more."""
        if self.deployment.stack_id != stack.id:  # so that a run after this one knows that the token is used up
            self.deployment.journal.append("created", stack_id=stack.id)
        self.cloud.stacks.delete(stack.id)
        self.crash.point("capacity.clearing")
        watch_until_settled(self.cloud, stack.id, self.tell, SETTLE_S)
        left = left_of(self.cloud, self.deployment.name)
        if left:
            raise OperationError(
                f"what is left of {self.deployment.name} would not go",
                f"garret delete {self.deployment.name}",
                billed=failure.billed_text(left),
            )
        self._abandon(why, wish)

    def bundle(self) -> Bundle:
        """The very bytes whose hash the node was told, even when this program has changed since."""
        data = self.deployment.journal.read_private(BUNDLE_FILE)
        plan = self.deployment.plan or {}
        digest = str(plan["bundle_sha256"])
        if data is None:
            made = self.pack()
            if made.sha256 != digest:
                raise OperationError(
                    "the runtime that this deployment began with is gone", f"garret delete {self.deployment.name}"
                )
            return made
        return Bundle(data, digest, len(data), str(plan.get("bundle_url") or ""))

    def _login_for(self, wish: DeploymentSpec) -> Login:
        """One login for all tries: the person is told one password."""
        self._login = self._login or self.make_login(wish.login, self.password)
        return self._login

    def _next_place(self, wish: DeploymentSpec, tried: list[str]) -> Candidate:
        refusal: SoldOut | SpecError | None = None
        for region in (wish.region, *wish.fallback_regions):
            here = self.elsewhere(region) if region != self.cloud.region else self.cloud
            spec = wish if region == wish.region else _in_region(wish, region)
            try:
                found = [
                    one
                    for one in candidates(spec, here.catalog)
                    if str(one) not in tried and one.kind not in self._dear
                ]
            except (SoldOut, SpecError) as error:
                refusal = refusal or error
                if wish.fallback_regions and region not in self._told:
                    self._told.add(region)
                    self.tell.say(error.message.removesuffix(NOTHING_MADE))
                continue
            if found:
                self.cloud = here
                return found[0]
        raise refusal or SoldOut("no other place is allowed or has stock now", "--fallback-type, --fallback-region")

    def _create(self, stack: Stack | None) -> Stack:
        """Send CreateStack unless it was, and see the stack through."""
        plan = self.deployment.plan or {}
        if plan["region"] != self.cloud.region:
            self.cloud = self.elsewhere(plan["region"])
        stack_id = stack.id if stack else self._send(plan)
        if self.deployment.stack_id != stack_id:
            self.deployment.journal.append("created", stack_id=stack_id)
        self.crash.point("deploy.waiting")
        self.tell.stage("stack", "running", self.deployment.stack_name)
        return self._watch(stack_id, float(plan["spec"]["wait_timeout_s"]))

    def _send(self, plan: dict[str, Any]) -> str:
        stack_id = self.cloud.stacks.create(
            self.deployment.stack_name,
            plan["template"],
            self.deployment.parameters,
            tags={DEPLOYMENT_TAG: self.deployment.name, **plan["spec"].get("tags", {})},
            token=plan["token"],
            wait_s=int(plan["spec"]["wait_timeout_s"]),
            resource_group=plan["spec"].get("resource_group") or "",
        )
        self.crash.point("deploy.created")
        return stack_id

    def _watch(self, stack_id: str, wait_s: float) -> Stack:
        creation = Creation(
            self.cloud,
            self.deployment.name,
            stack_id,
            self.bundle(),
            self.tell,
            on_delivered=self._delivered,
            delivered=self.deployment.journal.last("delivered") is not None,
            ssh=self.ssh,
            in_image=bool((self.deployment.plan or {}).get("image_has_runtime")),
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
        raise failure.explain(
            self.deployment.name, events, stack.reason, billed, sight=creation.sight, console=creation.console or ""
        )

    def _delivered(self) -> None:
        self.deployment.journal.append("delivered")
        self.crash.point("deploy.delivered")

    def _leave(self, error: StackFailed) -> None:
        """Tell why a place is left, and leave nothing there."""
        self.tell.say(f"{self._place()} is sold out ({error.code or error.reason}); nothing of it stays")
        stack = self.deployment.stack(self.cloud.stacks)
        if stack is not None:
            self.clear_away(stack, f"{self._place()} is sold out")
        else:
            self._abandon(f"{self._place()} is sold out")

    def _abandon(self, why: str, wish: DeploymentSpec | None = None) -> None:
        """Close the plan; the wish goes on, also in a run after this one."""
        spec = wish.model_dump(mode="json") if wish else (self.deployment.plan or {}).get("spec")
        self.deployment.journal.append("abandoned", why=why, wish=spec)
        self.crash.point("capacity.abandoned")

    def _end(self, why: str) -> None:
        """Nothing more is tried, so the wish ends as well."""
        if self.deployment.wish_left is not None:
            self.deployment.journal.append("abandoned", why=why)
            self.deployment.journal.forget(*SECRET_FILES)

    def _place(self) -> str:
        plan = self.deployment.plan
        placed = self.deployment.placed
        return f"{placed.instance_type} in {plan['zone']}" if plan and placed else ""

    def _tried_all(self, last: StackFailed | None, tried: list[str]) -> OperationError | None:
        if last is None:
            return None
        again = (
            f"another place: garret deploy{flag(self.deployment.name)} --fallback-type … --fallback-region …, or later"
        )
        return StackFailed(
            last.resource, f"sold out everywhere that was tried ({'; '.join(tried)}). Last: {last.reason}", again,
            billed="nothing", code=last.code, kind=last.kind, request_id=last.request_id,
        )  # fmt: skip


def _in_region(wish: DeploymentSpec, region: str) -> DeploymentSpec:
    """The wish in another region: any zone of it."""
    nothing: tuple[str, ...] = ()
    return wish.model_copy(update={"region": region, "zone": None, "fallback_zones": nothing})
