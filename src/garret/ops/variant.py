"""A deployment's stack with another type, or with its node elsewhere: the template, its values, what to remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.errors import OperationError
from garret.image_bootstrap.user_data import moved_user_data
from garret.ops import autostop
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment
from garret.ops.prices import Prices, check_limit, find_prices
from garret.ops.update import PLACE, user_data_of
from garret.spec import DeploymentSpec
from garret.templates.checks import require_good
from garret.templates.render import parameters, render_template

REMEMBERED = ("spec", "placed", "template", "parameters", "price", "prices", "zone", "image_id", "side")
"""What the journal has of a stack as it is: enough to make it so again."""


@dataclass(frozen=True)
class Variant:
    """A stack as it could be; `values` hold the node's own password where there is one, `entry` does not."""

    spec: DeploymentSpec
    template: str
    values: Mapping[str, str]
    prices: Prices | None
    entry: Mapping[str, Any]


def as_it_is(deployment: Deployment) -> dict[str, Any]:
    """What the journal has of the stack as it is now.

    Raises:
        OperationError: the journal has lost it.
    """
    plan = deployment.plan
    if plan is None:
        raise OperationError(f"the journal of {deployment.name} lost its plan", "garret status")
    entry = {name: plan.get(name) for name in REMEMBERED}
    return entry | {"placed": plan.get("placed") or plan["spec"], "side": plan.get("side") or ""}


def with_password(deployment: Deployment, values: Mapping[str, Any]) -> dict[str, str]:
    """Journaled parameters as the stack is told them."""
    hidden = {key: value for key, value in deployment.parameters.items() if key == "InstancePassword"}
    return {key: str(value) for key, value in values.items()} | hidden


def of_type(cloud: Cloud, deployment: Deployment, instance_type: str, *, wished: bool = False) -> Variant:
    """The same node with another type; `wished` says that this is what is wanted from now on, not a way out.

    Raises:
        SpecError: it costs more than the deployment's limit.
    """
    now = as_it_is(deployment)
    return _variant(
        cloud, deployment, _standing(deployment).model_copy(update={"instance_type": instance_type}),
        now | _wish(deployment, instance_type if wished else ""), user_data_of(now["template"], now["side"]),
    )  # fmt: skip


def elsewhere(
    cloud: Cloud, deployment: Deployment, place: Mapping[str, Any], *, zone: str, image_id: str, side: str
) -> Variant:
    """Another node, made of an image of this one's disk; `place` are the fields of the spec that say where, and its
    type.

    Raises:
        SpecError: it costs more than the deployment's limit.
    """
    now = as_it_is(deployment)
    spec = _standing(deployment).model_copy(update=dict(place))
    user_data = moved_user_data(user_data_of(now["template"], now["side"]))
    return _variant(cloud, deployment, spec, now | {"zone": zone, "image_id": image_id, "side": side}, user_data)


def _variant(
    cloud: Cloud, deployment: Deployment, spec: DeploymentSpec, now: Mapping[str, Any], user_data: str
) -> Variant:
    text = render_template(
        spec,
        user_data,
        scheme=cloud.scheme,
        side=str(now["side"]),
        may_stop=autostop.role_allows(str(now["template"]), "ecs:StopInstance"),
    )
    template = require_good(text, public=spec.public, acme=spec.acme)
    hidden = deployment.parameters.get("InstancePassword", "")
    values = parameters(spec, str(now["zone"]), str(now["image_id"]), instance_password=hidden)
    prices = find_prices(cloud, spec, cloud.stacks.price_per_hour(template, deployment.priced(values)))
    check_limit(cloud, spec, prices)
    entry = {
        **now,
        "placed": spec.model_dump(mode="json"),
        "template": template,
        "parameters": {key: value for key, value in values.items() if key != "InstancePassword"},
        "price": prices.running.to_dict() if prices else None,
        "prices": prices.to_dict() if prices else None,
    }
    return Variant(spec, template, values, prices, entry)


def _wish(deployment: Deployment, instance_type: str) -> dict[str, Any]:
    """The wish with this type; nothing where it stays what it was."""
    wish = deployment.spec
    if not instance_type or wish is None:
        return {}
    others = tuple(one for one in wish.fallback_types if one != instance_type)
    update = {"instance_type": instance_type, "fallback_types": others}
    return {"spec": wish.model_copy(update=update).model_dump(mode="json")}


def _standing(deployment: Deployment) -> DeploymentSpec:
    """What is wished, limits and all, where and with which type the node stands now."""
    wish, placed = deployment.spec, deployment.placed
    if wish is None or placed is None:
        raise OperationError(f"the journal of {deployment.name} lost its plan", "garret status")
    nothing: tuple[str, ...] = ()
    none = {"fallback_types": nothing, "fallback_zones": nothing, "fallback_regions": nothing}
    there = {name: getattr(placed, name) for name in (*PLACE, "instance_type")}
    return wish.model_copy(update={**none, **there})
