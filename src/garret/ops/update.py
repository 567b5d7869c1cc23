"""Update: one deployment turned into another in place, by a change set that is shown before it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from garret.errors import OperationError, SpecError, UsageError
from garret.ops import autostop
from garret.ops.capacity import WORDS, shelves
from garret.ops.cloud import Cloud
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, flag
from garret.ops.prices import Prices, check_limit, find_prices
from garret.ops.records import ResourceChange
from garret.ops.stack_change import StackChange
from garret.ops.tell import Teller
from garret.spec import DeploymentSpec
from garret.templates.changes import Change, classify
from garret.templates.checks import require_good
from garret.templates.render import parameters, render_template
from garret.templates.text import read_template

PLACE = ("region", "zone", "vpc_id", "vswitch_id", "vswitch_cidr")
"""Where the node is stays where it is, whatever was wished at first: it may have been started in another zone."""
AUTOSTOP = "autostop_min"
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
        resources = self.cloud.changes.preview_update(self._change.stack().id, template, values)
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
        if self.deployment.is_moving:
            raise UsageError(
                f"{name} is on its way to another zone, and a start was cut off in the middle of that",
                f"garret ops start{flag(name)}   (ends it)",
            )
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
        proposed = self._change.propose(template, values)
        try:
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
        self._change.carry_out(proposed, entry)

    def finish_begun(self) -> bool:
        """Take up an update that was journaled and not seen to its end; True when it was carried out now."""
        return self._change.finish_begun()

    @property
    def _change(self) -> StackChange:
        return StackChange(self.cloud, self.deployment, self.tell, self.crash)

    def _wanted(self) -> tuple[str, dict[str, str], DeploymentSpec]:
        """The template, its parameters and the spec as placed; the user-data stays what the node was born with."""
        plan, placed, before = self.deployment.plan, self.deployment.placed, self.deployment.spec
        if plan is None or placed is None or before is None:
            raise OperationError(f"the journal of {self.deployment.name} lost its plan", "garret status")
        kept = {} if before.instance_type != self.wish.instance_type else {"instance_type": placed.instance_type}
        nothing: tuple[str, ...] = ()
        none = {"fallback_types": nothing, "fallback_zones": nothing, "fallback_regions": nothing}
        there = {name: getattr(placed, name) for name in PLACE}
        spec = self.wish.model_copy(update={**kept, **none, **there})
        side = str(plan.get("side") or "")
        template = require_good(
            render_template(
                spec,
                user_data_of(plan["template"], side),
                scheme=self.cloud.scheme,
                side=side,
                may_stop=autostop.role_allows(plan["template"], "ecs:StopInstance"),
            ),
            public=spec.public,
            acme=spec.acme,
        )
        hidden = self.deployment.parameters.get("InstancePassword", "")
        return template, parameters(spec, plan["zone"], plan["image_id"], instance_password=hidden), spec

    def _prices(self, spec: DeploymentSpec, template: str, values: Mapping[str, str]) -> Prices | None:
        return find_prices(self.cloud, spec, self.cloud.stacks.price_per_hour(template, self.deployment.priced(values)))

    def _price_before(self) -> Mapping[str, Any] | None:
        return (self.deployment.plan or {}).get("price")


def _touched(resources: Sequence[ResourceChange]) -> tuple[ResourceChange, ...]:
    """Those of a preview that would change."""
    return tuple(one for one in resources if one.action not in ("", "None"))


def user_data_of(template: str, side: str = "") -> str:
    """The user-data inside a template that was rendered earlier: a changed one would make the node anew."""
    parsed = read_template(template)
    return str(parsed["Resources"][f"Node{side}"]["Properties"]["UserData"]["Fn::Replace"][1])
