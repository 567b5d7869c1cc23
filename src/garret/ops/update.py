"""Update: one deployment turned into another in place, by a change set that is shown before it is carried out."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from garret.errors import CloudError, OperationError, SpecError, UsageError
from garret.ops import autostop, failure
from garret.ops.capacity import WORDS, shelves
from garret.ops.cloud import Cloud, Stack, billed_by
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, flag
from garret.ops.prices import Prices, check_limit, find_prices
from garret.ops.records import ChangeSet, ResourceChange
from garret.ops.stack_states import IN_PROGRESS
from garret.ops.tell import Teller
from garret.ops.watch import PARTS, watch_until_settled
from garret.spec import DeploymentSpec
from garret.templates.changes import Change, classify
from garret.templates.checks import require_good
from garret.templates.render import parameters, render_template
from garret.templates.text import read_template

UPDATE_S = 1800.0
OPEN = ("AVAILABLE", "UNAVAILABLE")
AUTOSTOP = "autostop_min"
RUNS = (*OPEN, "EXECUTE_IN_PROGRESS")
EFFECTS = {
    "live": "nobody notices",
    "restart": "the node stops and starts again; running jobs are taken up after it",
    "replace": "the node is made anew: models and pictures on it are lost",
    "free": "nothing changes on the cloud",
}


@dataclass(frozen=True)
class Proposal:
    """What is about to change: fields with their effects, resources as the cloud says, and the prices after it."""

    changes: tuple[Change, ...]
    resources: tuple[ResourceChange, ...]
    prices: Prices | None
    before: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form."""
        return {
            "changes": rows_of(self.changes),
            "resources": [
                {"name": one.resource, "type": one.kind, "action": one.action, "replaced": one.replaced}
                for one in self.resources
            ],
            "prices": self.prices.to_dict() if self.prices else None,
        }


def rows_of(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The `--json` form of changes."""
    return [{"field": one.field, "before": one.before, "after": one.after, "effect": one.effect} for one in changes]


ConfirmUpdate = Callable[[Proposal], bool]
"""Shows a proposal, and returns the person's answer."""


@dataclass
class Update:
    """One run of update; `wish` is the whole spec as it is wanted now."""

    cloud: Cloud
    deployment: Deployment
    wish: DeploymentSpec
    tell: Teller
    confirm: ConfirmUpdate
    crash: Crash = field(default_factory=Crash)

    def run(self) -> bool:
        """Make the update that is wanted; False when nothing has to change.

        Raises:
            UsageError: it was declined, or would make the node anew and that was not allowed.
            OperationError: it failed; says whether it was taken back, and what is billed.
        """
        changes = self._changes()
        if not changes:
            return False
        if any(change.field == AUTOSTOP for change in changes):
            return self._retime()
        if all(change.effect == "free" for change in changes):
            self.deployment.journal.append("updated", spec=self.wish.model_dump(mode="json"))
            self.tell.say("remembered: " + "; ".join(map(str, changes)))
            return True
        self._check(changes)
        self._carry_out(changes)
        return True

    def _retime(self) -> bool:
        """Change what the stack knows of, and then what only the node does: when it stops itself."""
        before = self.deployment.spec or self.wish
        wanted = {"idle_s": 60.0 * self.wish.autostop_min}
        autostop.check(self.deployment, wanted)
        rest = self.wish.model_copy(update={AUTOSTOP: before.autostop_min})
        replace(self, wish=rest).run()
        self.tell.stage("autostop", "running")
        autostop.change(self.cloud, self.deployment, wanted)
        self.tell.stage("autostop", "done")
        return True

    def shown(self) -> dict[str, Any]:
        """Show what would change, by a preview that writes nothing."""
        changes = self._changes()
        self._check(changes)
        if all(change.field == AUTOSTOP for change in changes):
            price = self.deployment.plan or {}
            proposal = Proposal(changes, (), None, price.get("price"))
            self.confirm(proposal)
            return proposal.to_dict()
        template, values, spec = self._wanted()
        resources = self.cloud.changes.preview_update(self._stack().id, template, values)
        proposal = Proposal(changes, _touched(resources), self._prices(spec, template, values), self._price_before())
        self.confirm(proposal)
        return proposal.to_dict()

    def _changes(self) -> tuple[Change, ...]:
        before = self.deployment.spec
        return classify(before, self.wish) if before else ()

    def _check(self, changes: tuple[Change, ...]) -> None:
        """Refuse, before anything is asked of the stack, what cannot or may not be done."""
        anew = [change for change in changes if change.effect == "replace"]
        name = self.deployment.name
        if anew:
            raise UsageError(
                f"{name} is deployed otherwise, and this needs a new node: " + "; ".join(map(str, anew)),
                f"garret deploy{flag(name)} … --replace   (deletes it and makes it anew; its models are lost); "
                f"a second one beside it: garret deploy {name}-2 …",
            )
        if any(change.effect == "restart" for change in changes):
            stopped = [one for one in self.cloud.instances.tagged(name) if one.status == "Stopped"]
            if stopped:
                raise UsageError(f"{name} is stopped; its type changes while it runs", f"garret ops start{flag(name)}")
            self._check_stock()

    def _check_stock(self) -> None:
        plan = self.deployment.plan or {}
        shelf = shelves(self.wish, self.cloud.catalog).get(self.wish.instance_type, {})
        if shelf.get(str(plan.get("zone"))) not in WORDS:
            stocked = [zone for zone, word in shelf.items() if word in WORDS]
            where = f"; zones that have: {', '.join(stocked)}" if stocked else ""
            reason = f"{plan.get('zone')} has no {self.wish.instance_type} now, and the disk is there{where}"
            raise SpecError("instance_type", f"{reason}; nothing was changed", "another --instance-type, or later")

    def _carry_out(self, changes: tuple[Change, ...]) -> None:
        template, values, spec = self._wanted()
        prices = self._prices(spec, template, values)
        check_limit(self.cloud, spec, prices)
        proposed = self.cloud.changes.propose(self._stack().id, template, values, token=uuid.uuid4().hex)
        try:
            self._check_proposed(proposed)
            agreed = self.confirm(Proposal(changes, proposed.changes, prices, self._price_before()))
        except BaseException:
            self.cloud.changes.drop(proposed.id)
            raise
        if not agreed:
            self.cloud.changes.drop(proposed.id)
            raise UsageError("not confirmed; nothing was changed")
        entry = {
            "spec": self.wish.model_dump(mode="json"),
            "placed": spec.model_dump(mode="json"),
            "template": template,
            "parameters": {key: value for key, value in values.items() if key != "InstancePassword"},
            "price": prices.running.to_dict() if prices else None,
            "prices": prices.to_dict() if prices else None,
        }
        token = uuid.uuid4().hex  # one of its own: the cloud takes one token for one request
        self.deployment.journal.append("updating", change_set_id=proposed.id, execute_token=token, after=entry)
        self.crash.point("update.journaled")
        self._execute(proposed.id, token, entry)

    def _check_proposed(self, proposed: ChangeSet) -> None:
        if proposed.status != "CREATE_COMPLETE":
            raise OperationError(
                f"the cloud does not take this change: {proposed.reason or proposed.status}; nothing was changed",
                f"garret status {self.deployment.name}",
            )
        anew = [one for one in proposed.changes if one.replaced]
        if anew:
            raise UsageError(
                "the cloud would make anew, and with it lose: "
                + ", ".join(PARTS.get(one.resource, one.resource) for one in anew),
                f"a second one beside it: garret deploy {self.deployment.name}-2 …",
            )

    def finish_begun(self) -> bool:
        """Take up an update that was journaled and not seen to its end; True when it was carried out now."""
        begun = self.deployment.journal.last("updating")
        if begun is None or self._is_over(begun):
            return False
        change_set = self.cloud.changes.get(str(begun["change_set_id"]))
        if change_set is not None and change_set.execution in OPEN:
            self.tell.say("going on with the update that was confirmed before")
            self._execute(change_set.id, str(begun["execute_token"]), begun["after"])
            return True
        stale = change_set is not None and change_set.execution == "OBSOLETE"
        if stale or (change_set is None and not self._is_carried_out(begun["after"])):
            self.deployment.journal.append("not updated", why="its change set is out of date, or gone")
            return False
        self._see_through(str(begun["change_set_id"]), begun["after"])
        return True

    def _is_carried_out(self, after: Mapping[str, Any]) -> bool:
        """Say whether the stack is as this update would make it; by a preview, since nothing else remembers."""
        hidden = {"InstancePassword": self.deployment.instance_password} if after["spec"]["instance_password"] else {}
        stack = self._stack()
        return not _touched(
            self.cloud.changes.preview_update(stack.id, after["template"], after["parameters"] | hidden)
        )

    def _is_over(self, begun: Mapping[str, Any]) -> bool:
        entries = self.deployment.journal.entries()
        later = entries[entries.index(dict(begun)) + 1 :]
        return any(entry["event"] in ("updated", "not updated") for entry in later)

    def _execute(self, change_set_id: str, token: str, entry: Mapping[str, Any]) -> None:
        try:
            self.cloud.changes.execute(change_set_id, token=token)
        except CloudError as error:
            if not error.retryable:  # refused for good; without an answer, the next command asks again
                self.deployment.journal.append("not updated", why=error.message)
                self.cloud.changes.drop(change_set_id)
            raise
        self.crash.point("update.sent")
        self._see_through(change_set_id, entry)

    def _see_through(self, change_set_id: str, entry: Mapping[str, Any]) -> None:
        self.crash.point("update.waiting")
        self.tell.stage("update", "running", self.deployment.stack_name)
        stack, execution = self._settled(change_set_id)
        if stack is not None and stack.status == "UPDATE_COMPLETE" and execution in ("", "EXECUTE_COMPLETE"):
            self.deployment.journal.append("updated", **entry)
            if stack.outputs:
                self.deployment.journal.append("complete", outputs=dict(stack.outputs))
            self.tell.stage("update", "done", self.deployment.stack_name)
            return
        self.deployment.journal.append("not updated", why=stack.reason if stack else "the stack is gone")
        raise self._failed(stack)

    def _settled(self, change_set_id: str) -> tuple[Stack | None, str]:
        """The stack when the change set is carried out, and how that went; empty when the set is gone.

        Right after the call, the stack may still look as it did, and that may be like one that was just updated.
        """
        stack_id = (self.deployment.stack(self.cloud.stacks) or self._stack()).id
        deadline = self.cloud.clock.monotonic() + UPDATE_S
        while True:
            stack = watch_until_settled(self.cloud, stack_id, self.tell, UPDATE_S)
            change_set = self.cloud.changes.get(change_set_id)
            execution = change_set.execution if change_set else ""
            if stack is None or execution not in RUNS or self.cloud.clock.monotonic() > deadline:
                return stack, execution
            self.cloud.clock.sleep(self.cloud.poll_s)

    def _failed(self, stack: Stack | None) -> OperationError:
        name = self.deployment.name
        if stack is None:
            return OperationError(f"stack garret-{name} was deleted while it was updated", f"garret status {name}")
        billed = billed_by(self.cloud, name)
        error = failure.explain(name, self.cloud.stacks.events(stack.id), stack.reason, billed)
        back = (
            "; everything is as it was before"
            if stack.status == "ROLLBACK_COMPLETE"
            else f"; the stack is {stack.status}"
        )
        error.message += back
        error.args = (error.message,)
        error.hint = f"garret status {name}; then garret update {name} again, or with other values"
        return error

    def _wanted(self) -> tuple[str, dict[str, str], DeploymentSpec]:
        """The template, its parameters and the spec as placed; the user-data stays what the node was born with."""
        plan, placed, before = self.deployment.plan, self.deployment.placed, self.deployment.spec
        if plan is None or placed is None or before is None:
            raise OperationError(f"the journal of {self.deployment.name} lost its plan", "garret status")
        kept = {} if before.instance_type != self.wish.instance_type else {"instance_type": placed.instance_type}
        nothing: tuple[str, ...] = ()
        none = {"fallback_types": nothing, "fallback_zones": nothing, "fallback_regions": nothing}
        spec = self.wish.model_copy(update={**kept, **none, "region": placed.region, "zone": placed.zone})
        template = require_good(
            render_template(
                spec,
                user_data_of(plan["template"]),
                scheme=self.cloud.scheme,
                may_stop=autostop.role_allows(plan["template"], "ecs:StopInstance"),
            ),
            public=spec.public,
            acme=spec.acme,
        )
        hidden = self.deployment.parameters.get("InstancePassword", "")
        return template, parameters(spec, plan["zone"], plan["image_id"], instance_password=hidden), spec

    def _prices(self, spec: DeploymentSpec, template: str, values: Mapping[str, str]) -> Prices | None:
        return find_prices(self.cloud, spec, self.cloud.stacks.price_per_hour(template, values))

    def _price_before(self) -> Mapping[str, Any] | None:
        return (self.deployment.plan or {}).get("price")

    def _stack(self) -> Stack:
        stack = self.deployment.stack(self.cloud.stacks)
        if stack is None:
            name = self.deployment.name
            raise UsageError(f"the stack of {name} is gone", f"garret deploy{flag(name)}   (makes it anew)")
        if stack.status.endswith(IN_PROGRESS):
            stack = watch_until_settled(self.cloud, stack.id, self.tell, UPDATE_S) or stack
        return stack


def _touched(resources: Sequence[ResourceChange]) -> tuple[ResourceChange, ...]:
    """Those of a preview that would change."""
    return tuple(one for one in resources if one.action not in ("", "None"))


def user_data_of(template: str) -> str:
    """The user-data inside a template that was rendered earlier: a changed one would make the node anew."""
    parsed = read_template(template)
    return str(parsed["Resources"]["Node"]["Properties"]["UserData"]["Fn::Replace"][1])
