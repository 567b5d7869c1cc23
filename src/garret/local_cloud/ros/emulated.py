"""What the vendor allows and this cloud does not carry out is refused before the first resource is made."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros.dynamic import refuse_dynamic
from garret.local_cloud.ros.plan import Plan
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import Work


def check_emulated(cloud: Cloud, plan: Plan, stack: Mapping[str, Any]) -> None:
    """Asks every resource's type; raises ApiError with the property that is not carried out."""
    scope = replace(plan.scope, partial=True)
    for name, resource in plan.resources.items():
        work = Work(
            cloud=cloud, region=stack["region"], stack_id=stack["id"], stack_name=stack["name"], name=name,
            properties=plan.properties(name, scope), physical_id="", token="", started=cloud.clock.now(), tags=(),
            made=lambda _: None, pause=lambda _: None,
        )  # fmt: skip
        refuse_dynamic(work.properties, f"Resources.{name}.Properties")
        type_of(resource.type, f"Resources.{name}.Type").check(work)
