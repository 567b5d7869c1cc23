"""The work of an update: every resource is brought to the new template, then what is left over is cleared away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import errors, records
from garret.local_cloud.ros.clearing import clear
from garret.local_cloud.ros.differences import IN_PLACE, changed_keys, how_of
from garret.local_cloud.ros.engine import CHANGING, finish, watched
from garret.local_cloud.ros.modifying import modify, takes_tags
from garret.local_cloud.ros.new_resource import new_resource
from garret.local_cloud.ros.operation import Halt, deadline_of, operation_info, reason_text, run_graph
from garret.local_cloud.ros.plan import Plan, make_plan
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import ResourceType
from garret.local_cloud.ros.scope import Scope
from garret.local_cloud.ros.stack_plan import pseudo_of, scope_of
from garret.local_cloud.ros.working import failed, make, unmake

KEPT_OF_JOB = ("template", "parameters", "tags", "timeout_minutes", "parallelism", "description")


def work(cloud: Cloud, stack: records.Body) -> None:
    """Carries the update out; the next status is UPDATE_COMPLETE, the rollback's, or UPDATE_FAILED."""
    stack_id, job = stack["id"], stack["update"]
    if not job["made"]:
        halt = watched(cloud, stack, Halt(cloud, deadline_of({**stack, "timeout_minutes": job["timeout_minutes"]})))
        _bring_all(cloud, stack, halt)
        if halt.failure is not None:
            _fail(cloud, stack, halt)
            return
        if halt.called_off:
            return  # DeleteStack has written the next status
        with CHANGING:
            cancelled = cloud.store.get(records.STACK, stack_id) or stack
            if not cancelled["cancel"]:
                cloud.store.update(records.STACK, stack_id, update={**job, "made": True})
        if cancelled["cancel"]:
            halt.cancel(quick=True)
            _fail(cloud, stack, halt)
            return
    failure = clear(cloud, stack)
    now = {"update": None, **{key: job[key] for key in KEPT_OF_JOB}}
    if failure is None:
        reason = "Stack UPDATE completed successfully"
        finish(cloud, stack_id, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", reason, **now)
    else:
        finish(cloud, stack_id, "UPDATE_IN_PROGRESS", "UPDATE_FAILED", failure, cause=failure, **now)


@dataclass(frozen=True)
class _Job:
    """One update at work."""

    cloud: Cloud
    stack: records.Body
    plan: Plan
    scope: Scope
    halt: Halt

    @property
    def id(self) -> str:
        """The stack's id."""
        return str(self.stack["id"])

    def properties(self, name: str) -> dict[str, Any]:
        """What the resource is to have, by what the resources before it are now."""
        return self.plan.properties(name, self.scope)


def _bring_all(cloud: Cloud, stack: records.Body, halt: Halt) -> None:
    update = stack["update"]
    plan = make_plan(cloud, update["template"], update["parameters"], pseudo_of(stack))
    job = _Job(cloud, stack, plan, scope_of(cloud, stack, plan), halt)
    run_graph(cloud, plan.graph, lambda name: _bring(job, name), halt, update["parallelism"])


def _fail(cloud: Cloud, stack: records.Body, halt: Halt) -> None:
    assert halt.failure is not None  # noqa: S101 - the caller has looked
    name, failure = halt.failure
    job = stack["update"]
    cause = reason_text("UPDATE", name, failure)
    operation = operation_info("UPDATE", name, records.resource(cloud, stack["id"], name), failure)
    more: dict[str, Any] = {"cause": cause, "operation": operation, "cancel": ""}
    if job["disable_rollback"]:
        more |= {"update": None, **{key: job[key] for key in KEPT_OF_JOB}}
    status = "UPDATE_FAILED" if job["disable_rollback"] else "ROLLBACK_IN_PROGRESS"
    finish(cloud, stack["id"], "UPDATE_IN_PROGRESS", status, cause, **more)


def _bring(job: _Job, name: str) -> None:
    """Makes, changes, replaces or leaves one resource."""
    resource, was = records.resource(job.cloud, job.id, name), job.stack["update"]["before"].get(name)
    if resource is None or resource["status"] == records.GONE:
        _put_new(job, name)
    elif was is not None and resource["token"] == was["token"]:
        if resource["status"] not in records.THERE:  # a failed one is of no use, and could stand in the new one's way
            unmake(job.cloud, job.id, name, job.halt)
            _put_new(job, name)
        elif _keep(job, resource):
            return
        else:
            job.halt.check()
            _put_aside(job, resource)
    make(job.cloud, job.id, name, lambda: job.properties(name), job.halt)  # goes on with it after a crash


def _keep(job: _Job, resource: records.Body) -> bool:
    """Changes the resource in place, as far as it must change; False when another must take its place."""
    name, planned = resource["name"], job.plan.resources[resource["name"]]
    if resource["type"] != planned.type:
        return False
    kind = type_of(planned.type, f"Resources.{name}.Type")
    try:
        wanted = job.properties(name)
        if _is_replaced(job, kind, resource, wanted):
            return False
    except Exception as problem:  # noqa: BLE001 - whatever it is, the resource must say that it failed
        raise failed(job.cloud, job.id, name, "UPDATE", problem) from None
    retagged = takes_tags(kind) and resource["tags"] != job.stack["update"]["tags"]
    if resource["tried"] or retagged or changed_keys(resource, wanted):
        modify(job.cloud, job.id, name, wanted, job.halt)
    needs = sorted(job.plan.graph[name])
    records.note_resource(job.cloud, job.id, name, needs=needs, retain=planned.retain)
    return True


def _is_replaced(job: _Job, kind: ResourceType, resource: records.Body, wanted: Mapping[str, Any]) -> bool:
    fixed = [key for key in changed_keys(resource, wanted) if how_of(kind, key) != IN_PLACE]
    for key in fixed:
        where = f"Resources.{resource['name']}.Properties.{key}"
        if key not in kind.replace_on:
            raise errors.not_emulated(f"changing {where} of a {kind.name} after it was made")
        if not job.stack["update"]["replacing"]:
            raise errors.cannot_update(job.stack["name"], where, kind.name)
    return bool(fixed)


def _put_new(job: _Job, name: str) -> None:
    records.put_resource(job.cloud, job.stack["region"], new_resource(job.cloud, job.id, job.plan, name))


def _put_aside(job: _Job, resource: records.Body) -> None:
    """Gives the name to a new resource; the old one stays as it is until the update is complete."""
    with job.cloud.store.transaction():
        aside = {**resource, "slot": f"{resource['name']}#{resource['token']}"}
        records.put_resource(job.cloud, job.stack["region"], aside)
        _put_new(job, resource["name"])
