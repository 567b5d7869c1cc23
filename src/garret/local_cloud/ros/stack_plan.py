"""A stack's template with its parameters, and what its names mean by now."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import errors, records
from garret.local_cloud.ros.functions import evaluate
from garret.local_cloud.ros.plan import Plan, check_attribute, make_plan
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.scope import NotYetKnownError, Scope
from garret.local_cloud.ros.working import patiently, work_of


def pseudo_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """What ALIYUN::StackId and its like mean in this stack."""
    names = {"StackId": stack["id"], "StackName": stack["name"], "Region": stack["region"]}
    return {**names, "ResourceGroupId": stack["resource_group"]}


def plan_of(cloud: Cloud, stack: records.Body) -> Plan:
    """The stack's plan, as it was when it was created or updated last."""
    return make_plan(cloud, stack["template"], stack["parameters"], pseudo_of(stack))


def scope_of(cloud: Cloud, stack: records.Body, plan: Plan) -> Scope:
    """The plan's scope, in which resources answer with what they are by now."""

    def there(name: str) -> records.Body:
        resource = records.resource(cloud, stack["id"], name)
        if resource is None or resource["status"] not in records.THERE:
            raise NotYetKnownError
        return resource

    def attribute(name: str, attribute: str) -> Any:
        check_attribute(plan.template, name, attribute)
        resource = there(name)
        work = work_of(cloud, stack, resource, lambda _: None)
        found = patiently(cloud, lambda: type_of(resource["type"], name).read(work))
        if attribute not in found:
            raise errors.not_emulated(f"the attribute {attribute} of {resource['type']} ({name})")
        return found[attribute]

    return replace(plan.scope, reference=lambda name: there(name)["physical_id"], attribute=attribute)


def outputs_of(cloud: Cloud, stack: records.Body) -> list[dict[str, Any]]:
    """The outputs with the values that the resources have now; None where a resource is not there."""
    plan = plan_of(cloud, stack)
    scope = replace(scope_of(cloud, stack, plan), partial=True)
    result = []
    for name, output in plan.template.outputs.items():
        if output.condition is not None and not plan.scope.conditions[output.condition]:
            continue
        value = evaluate(output.value, scope, f"Outputs.{name}.Value")
        entry = {"OutputKey": name, "OutputValue": value, "Description": output.description}
        result.append({**entry, "Label": output.label} if output.label else entry)
    return result
