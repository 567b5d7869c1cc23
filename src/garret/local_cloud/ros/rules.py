"""The section Rules: what must hold between parameters before anything is made."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.functions import evaluate
from garret.local_cloud.ros.parameters import localized
from garret.local_cloud.ros.scope import RULE, UNKNOWN, Scope
from garret.local_cloud.ros.template import NOTHING, Rule


def check_rules(rules: Mapping[str, Rule], scope: Scope) -> None:
    """Refuses parameters with which an assertion is false; names the rule and says its description."""
    inside = replace(scope, context=RULE)
    for name, rule in rules.items():
        applies = rule.condition is NOTHING or _truth(rule.condition, inside, f"Rules.{name}.RuleCondition")
        for index, assertion in enumerate(rule.assertions):
            where = f"Rules.{name}.Assertions[{index}].Assert"
            held = _truth(assertion.value, inside, where)
            if held is False and applies and applies is not UNKNOWN:
                said = localized(assertion.description)
                raise errors.validation_failed(f"Rules.{name}: an assertion is false{f': {said}' if said else ''}.")


def _truth(value: Any, scope: Scope, where: str) -> Any:
    if isinstance(value, dict) and list(value) == ["Condition"]:
        value = value["Condition"]
    if isinstance(value, str):
        if value not in scope.conditions:
            raise errors.invalid_reference(value, where)
        return scope.conditions[value]
    return evaluate(value, scope, where)
