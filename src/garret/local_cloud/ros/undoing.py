"""The rollback of an update: what it made goes, what it changed is changed back, what it put aside returns."""

from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.differences import changed_keys
from garret.local_cloud.ros.engine import finish, watched
from garret.local_cloud.ros.graph import reverse
from garret.local_cloud.ros.modifying import modify
from garret.local_cloud.ros.operation import Halt, reason_text, run_graph
from garret.local_cloud.ros.working import unmake


def work(cloud: Cloud, stack: records.Body) -> None:
    """Brings the stack back to what it was; the next status is ROLLBACK_COMPLETE or ROLLBACK_FAILED."""
    halt = watched(cloud, stack, Halt(cloud))
    graph = reverse({name: frozenset(needs) for name, needs in stack["update"]["graph"].items()})
    run_graph(cloud, graph, lambda name: _undo(cloud, stack, name, halt), halt, stack["parallelism"])
    if halt.called_off:
        return
    if halt.failure is None:
        status, reason = "ROLLBACK_COMPLETE", f"Stack UPDATE rolled back. {stack['cause']}"
    else:
        failure = reason_text("ROLLBACK", *halt.failure)
        status, reason = "ROLLBACK_FAILED", f"{failure}. The rollback's cause: {stack['cause']}"
    finish(cloud, stack["id"], "ROLLBACK_IN_PROGRESS", status, reason, update=None)


def _undo(cloud: Cloud, stack: records.Body, name: str, halt: Halt) -> None:
    stack_id = stack["id"]
    was, resource = stack["update"]["before"].get(name), records.resource(cloud, stack_id, name)
    if resource is None:
        return
    if was is None or resource["token"] != was["token"]:
        unmake(cloud, stack_id, name, halt)
        _return(cloud, stack, name, was)
        return
    if changed_keys(resource, was["properties"]) or resource["tried"] or resource["tags"] != was["tags"]:
        modify(cloud, stack_id, name, was["properties"], halt)
    records.note_resource(cloud, stack_id, name, needs=was["needs"], retain=was["retain"])


def _return(cloud: Cloud, stack: records.Body, name: str, was: records.Body | None) -> None:
    """Gives the name back to the resource that was put aside for the one that is gone now."""
    stack_id = stack["id"]
    with cloud.store.transaction():
        records.drop_resource(cloud, stack_id, name)
        aside: dict[str, Any] | None = records.resource(cloud, stack_id, f"{name}#{was['token']}") if was else None
        if aside is not None:
            records.drop_resource(cloud, stack_id, aside["slot"])
            records.put_resource(cloud, stack["region"], {**aside, "slot": name})
