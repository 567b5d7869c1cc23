"""A nested stack's plan, as far as its parameters are known."""

from dataclasses import replace
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.function_forms import text_of
from garret.local_cloud.ros.plan import Plan, plan_template
from garret.local_cloud.ros.scope import UNKNOWN
from garret.local_cloud.ros.template import read_document


def nested_plan(cloud: Cloud, plan: Plan, name: str) -> Plan | None:
    """The plan of the template in the resource's own properties; None where there is none to read."""
    body = plan.resources[name].raw().get("TemplateBody")
    if body is None:
        return None
    template = read_document(body, "")
    passed = plan.properties(name, replace(plan.scope, partial=True)).get("Parameters")
    given = dict.fromkeys(template.parameters, UNKNOWN) if passed is UNKNOWN else passed or {}
    for key in given:
        if key not in template.parameters:
            raise errors.unknown_parameter(key, sorted(template.parameters))
    where = f"Resources.{name}.Properties.Parameters"
    unknown = frozenset(key for key, value in given.items() if _has_unknown(value))
    texts = {key: _text(value, where) for key, value in given.items() if key not in unknown and value is not None}
    pseudo = {"StackName": f"{plan.scope.pseudo['StackName']}-{name}", "Region": plan.scope.pseudo["Region"]}
    return plan_template(cloud, template, texts, pseudo, unknown)


def _text(value: Any, where: str) -> str:
    if isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value):
        return ",".join(text_of(item, where) for item in value)
    return text_of(value, where)


def _has_unknown(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return any(_has_unknown(item) for item in (value.values() if isinstance(value, dict) else value))
    return value is UNKNOWN
