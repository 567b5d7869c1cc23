"""What an update leaves over: resources that the template has no more, and those that others took the place of."""

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.deleting import deletion_graph
from garret.local_cloud.ros.engine import watched
from garret.local_cloud.ros.operation import Halt, reason_text, run_graph
from garret.local_cloud.ros.working import unmake


def clear(cloud: Cloud, stack: records.Body) -> str | None:
    """Deletes the left-overs, the one made last first; returns why it failed, or None."""
    stack_id, wanted = stack["id"], stack["update"]["graph"]
    halt = watched(cloud, stack, Halt(cloud))
    found = {one["slot"]: one for one in records.resources(cloud, stack_id) if one["slot"] not in wanted}

    def step(slot: str) -> None:
        if found[slot]["retain"]:
            records.change_resource(cloud, stack_id, slot, records.GONE, "the resource was retained")
        else:
            unmake(cloud, stack_id, slot, halt)
        records.drop_resource(cloud, stack_id, slot)

    run_graph(cloud, deletion_graph(list(found.values())), step, halt, stack["update"]["parallelism"])
    return None if halt.failure is None else reason_text("DELETE", *halt.failure)
