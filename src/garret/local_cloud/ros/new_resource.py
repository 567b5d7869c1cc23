"""A resource as the store keeps it before it is made."""

import uuid

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.plan import Plan


def new_resource(cloud: Cloud, stack_id: str, plan: Plan, name: str) -> records.Body:
    """A resource of the plan that is not made yet."""
    now = stamp(cloud.clock.now())
    return {
        "stack_id": stack_id,
        "name": name,
        "slot": name,
        "type": plan.resources[name].type,
        "status": "INIT_COMPLETE",
        "status_reason": "",
        "physical_id": "",
        "token": uuid.uuid4().hex,
        "started": "",
        "properties": {},
        "tags": [],
        "tried": [],
        "unsure": False,
        "drift": None,
        "needs": sorted(plan.graph[name]),
        "retain": plan.resources[name].retain,
        "create_time": now,
        "update_time": now,
    }
