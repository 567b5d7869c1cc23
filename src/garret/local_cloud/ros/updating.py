"""UpdateStack: checked against what is there, recorded, then carried out; see `bringing` and `undoing` for the work."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ros import change_set_records, errors, records, tokens
from garret.local_cloud.ros.differences import IN_PLACE, NOT_EMULATED, Change, differences
from garret.local_cloud.ros.emulated import check_emulated
from garret.local_cloud.ros.engine import CHANGING, go_on
from garret.local_cloud.ros.plan import Plan, make_plan
from garret.local_cloud.ros.stack_plan import plan_of, pseudo_of
from garret.local_cloud.ros.template import parse_template
from garret.local_cloud.ros.yaml_text import read_yaml

# From these a stack can be updated; after CREATE_FAILED there is ContinueCreateStack.
READY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
BROKEN = ("UPDATE_FAILED", "ROLLBACK_FAILED")


@dataclass(frozen=True)
class Update:
    """What UpdateStack asks for, already checked; `tags` None leaves them, `timeout_minutes` 0 is the default."""

    template: str
    parameters: Mapping[str, str]
    use_previous: bool = False
    tags: list[dict[str, str]] | None = None
    timeout_minutes: int = 60
    disable_rollback: bool = False
    replacing: bool = False
    parallelism: int | None = None
    dry_run: bool = False


def check_ready(stack: records.Body) -> None:
    """Refuses a stack that is at work or in a state from which it cannot be updated."""
    status = stack["status"]
    if status == records.GONE:
        raise errors.stack_not_found(stack["id"])
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise errors.action_in_progress(stack["name"], status.removesuffix("_IN_PROGRESS"))
    if status not in READY:
        hint = "; use ContinueCreateStack or DeleteStack" if status.startswith("CREATE_") else ""
        raise errors.validation_failed(f"The stack {stack['name']} is {status} and cannot be updated{hint}.")


def merged(stack: records.Body, update: Update) -> dict[str, str]:
    """The parameters of the update, with the earlier values of those that are not passed when it asks for them."""
    if not update.use_previous:
        return dict(update.parameters)
    defined = parse_template(update.template).parameters
    return {**{key: value for key, value in stack["parameters"].items() if key in defined}, **update.parameters}


def plan_for(cloud: Cloud, stack: records.Body, update: Update) -> Plan:
    """The plan that the update leads to; raises what is wrong with its template or parameters."""
    return make_plan(cloud, update.template, merged(stack, update), pseudo_of(stack))


def is_same(cloud: Cloud, stack: records.Body, plan: Plan, update: Update) -> bool:
    """Whether the update would change nothing at all, not even an output or a tag."""
    if stack["status"] in BROKEN or (update.tags is not None and update.tags != stack["tags"]):
        return False
    before = {name: one.text for name, one in plan_of(cloud, stack).parameters.items()}
    after = {name: one.text for name, one in plan.parameters.items()}
    return before == after and bool(read_yaml(stack["template"]) == read_yaml(update.template))


def refuse(stack: records.Body, changes: tuple[Change, ...], replacing: bool) -> None:
    """Refuses a property that can neither be changed in place nor, as asked, by replacing its resource."""
    for change in changes:
        for detail in change.details:
            certain = detail.sure or detail.cause.source == "ResourceReference"
            if detail.how == IN_PLACE or not certain or detail.attribute == "Status":
                continue
            where = f"Resources.{change.name}.{detail.attribute}" + (f".{detail.name}" if detail.name else "")
            if detail.how == NOT_EMULATED:
                raise errors.not_emulated(f"changing {where} of a {change.type} after it was made")
            if not replacing:
                raise errors.cannot_update(stack["name"], where, change.type)


def update(cloud: Cloud, call: Call, wanted: Update, token: str, fingerprint: str) -> str:
    """Records the update and starts it; the same token with the same request does nothing more."""
    stack_id = call.params["StackId"]
    known = tokens.known(cloud, call.region, token, fingerprint)
    if known:
        return known
    stack = records.stack(cloud, stack_id, call.region)
    check_ready(stack)
    plan = plan_for(cloud, stack, wanted)
    check_emulated(cloud, plan, stack)
    if is_same(cloud, stack, plan, wanted) and not wanted.dry_run:
        raise errors.no_change(stack["name"])
    refuse(stack, differences(cloud, stack, plan), wanted.replacing)
    if not wanted.dry_run:
        with CHANGING, cloud.store.transaction():
            known = tokens.known(cloud, call.region, token, fingerprint)  # somebody may have been quicker
            if known:
                return known
            if records.stack(cloud, stack_id, call.region) != stack:
                raise errors.action_in_progress(stack["name"], "UPDATE")
            start(cloud, stack, plan, wanted)
            tokens.remember(cloud, call.region, token, fingerprint, stack_id)
        go_on(cloud, stack_id)
    return stack_id


def asked(stack: records.Body, update: Update) -> records.Body:
    """The update as a change set keeps it: with the parameters that it means now."""
    return {**dataclasses.asdict(update), "parameters": merged(stack, update), "use_previous": False}


def start(cloud: Cloud, stack: records.Body, plan: Plan, wanted: Update, used: str = "") -> None:
    """Writes down what is to be done and what was there; the caller holds CHANGING and a transaction.

    `used` is the change set that is carried out.
    """
    found = records.resources(cloud, stack["id"])
    job = {
        "template": wanted.template,
        "parameters": merged(stack, wanted),
        "tags": stack["tags"] if wanted.tags is None else wanted.tags,
        "timeout_minutes": wanted.timeout_minutes,
        "parallelism": stack["parallelism"] if wanted.parallelism is None else wanted.parallelism,
        "disable_rollback": wanted.disable_rollback,
        "replacing": wanted.replacing,
        "description": plan.template.description,
        "graph": {name: sorted(needs) for name, needs in plan.graph.items()},
        "before": {one["slot"]: one for one in found},
        "made": False,
    }
    begun = stamp(cloud.clock.now())
    change_set_records.begun(cloud, stack["id"], used)
    more = {"update": job, "begun": begun, "operation": None, "cause": "", "cancel": "", "drift": None}
    records.change_stack(cloud, stack["id"], "UPDATE_IN_PROGRESS", "Stack UPDATE started", **more)
