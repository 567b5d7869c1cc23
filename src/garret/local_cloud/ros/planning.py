"""The actions that make nothing: ValidateTemplate, GetTemplateSummary, PreviewStack and GetTemplateEstimateCost."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.params import flag, number
from garret.local_cloud.ros import errors, records
from garret.local_cloud.ros.checking import checked
from garret.local_cloud.ros.plan import Plan, make_plan
from garret.local_cloud.ros.previews import known, masked, preview_update
from garret.local_cloud.ros.replies import localized, parameter_rows
from garret.local_cloud.ros.requests import (
    parameters,
    refuse_what_is_not_emulated,
    region_of,
    stack_name,
    template_text,
)
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import Work
from garret.local_cloud.ros.template import VERSION


def validate_template(call: Call, _cloud: Cloud) -> dict[str, Any]:
    """Checks a template's form, names, types and functions; tells its parameters, resources and outputs."""
    refuse_what_is_not_emulated(call)
    template = checked(template_text(call))
    kinds = sorted({one.type for one in template.resources.values()})
    return {
        "Description": template.description,
        "Parameters": [_parameter(name, entry) for name, entry in template.parameters.items()],
        "Resources": [
            {"LogicalResourceIdPattern": f"{name}[*]" if one.count is not None else name, "ResourceType": one.type}
            for name, one in template.resources.items()
        ],
        "Outputs": [
            {"OutputKey": name, "Description": one.description, "Label": one.label or name}
            for name, one in template.outputs.items()
        ],
        "ResourceTypes": {"Resources": kinds, "DataSources": []},
    }


def get_template_summary(call: Call, _cloud: Cloud) -> dict[str, Any]:
    """What a template holds, without making anything of it."""
    refuse_what_is_not_emulated(call)
    if call.params.get("StackId"):
        raise errors.not_emulated("GetTemplateSummary of a stack that exists (StackId)")
    template = checked(template_text(call))
    kinds = sorted({one.type for one in template.resources.values()})
    return {
        "Description": template.description,
        "Metadata": template.metadata,
        "Parameters": [_parameter(name, entry) for name, entry in template.parameters.items()],
        "ResourceTypes": kinds,
        "ResourceIdentifierSummaries": [
            {
                "ResourceType": kind,
                "LogicalResourceIds": [name for name, one in template.resources.items() if one.type == kind],
                "ResourceIdentifiers": [],
            }
            for kind in kinds
        ],
        "Version": VERSION,
    }


def _parameter(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    no_echo = str(entry.get("NoEcho", False)).lower()
    base = {"ParameterKey": name, "Description": "", "Label": name, **entry, "NoEcho": no_echo}
    return base | ({"Default": "******"} if no_echo == "true" and "Default" in entry else {})


def preview_stack(call: Call, cloud: Cloud) -> dict[str, Any]:
    """What CreateStack would make, with the properties as far as they are known before it is made."""
    if call.params.get("StackId"):
        return preview_update(call, cloud)
    refuse_what_is_not_emulated(call)
    name, region = stack_name(call), region_of(call)
    if any(one["name"] == name for one in records.living(cloud, region)):
        raise errors.stack_exists(name)
    plan = make_plan(cloud, template_text(call), parameters(call), {"StackName": name, "Region": region})
    disable, minutes = flag(call.params, "DisableRollback"), number(call.params, "TimeoutInMinutes", 60, 10, 1440)
    stack = {
        "StackName": name,
        "RegionId": region,
        "Description": localized(plan.template.description),
        "TemplateDescription": localized(plan.template.description),
        "DisableRollback": disable,
        "TimeoutInMinutes": minutes,
        "Parameters": parameter_rows(dict(plan.parameters)),
        "Resources": [_preview(plan, one) for one in plan.resources],
    }
    return {"Stack": stack}


def _preview(plan: Plan, name: str) -> dict[str, Any]:
    """One resource; of a nested stack the vendor, too, shows the stack alone."""
    resource = plan.resources[name]
    properties = known(plan.properties(name, replace(plan.scope, partial=True)))
    return {
        "LogicalResourceId": name,
        "ResourceType": resource.type,
        "AcsResourceType": resource.type,
        "Action": "Add",
        "Description": resource.description,
        "Properties": masked(plan, properties),
        "RequiredBy": sorted(other for other, needs in plan.graph.items() if name in needs),
    }


def get_template_estimate_cost(call: Call, cloud: Cloud) -> dict[str, Any]:
    """The price of one hour of every resource that costs something, by the local cloud's made-up prices."""
    refuse_what_is_not_emulated(call)
    if call.params.get("StackId"):
        raise errors.not_emulated("GetTemplateEstimateCost of a stack that exists (StackId)")
    region = region_of(call)
    plan = make_plan(cloud, template_text(call), parameters(call), {"StackName": "estimate", "Region": region})
    found = {name: _estimate(cloud, plan, name, region) for name in plan.resources}
    return {"Resources": {name: one for name, one in found.items() if one is not None}}


def _estimate(cloud: Cloud, plan: Plan, name: str, region: str) -> dict[str, Any] | None:
    kind = type_of(plan.resources[name].type, f"Resources.{name}.Type")
    properties = known(plan.properties(name, replace(plan.scope, partial=True)))
    work = Work(
        cloud=cloud, region=region, stack_id="", stack_name="estimate", name=name, properties=properties,
        physical_id="", token="", started=cloud.clock.now(), tags=(), made=lambda _: None, pause=lambda _: None,
    )  # fmt: skip
    try:
        price = kind.estimate(work)
    except ApiError as problem:
        return {"Success": False, "Type": kind.name, "ErrorCode": problem.code, "ErrorMessage": problem.message}
    if price is None:
        return None
    result: dict[str, Any] = {"Order": _order(price)}
    if price.get("Unit"):  # of what is not priced by the hour
        result["OrderSupplement"] = {"PriceUnit": f"/{price['Unit']}"}
    return {"Success": True, "Type": kind.name, "Result": result}


def _order(price: Mapping[str, Any]) -> dict[str, Any]:
    original, trade = float(price["OriginalPrice"]), float(price["TradePrice"])
    return {
        "Currency": price["Currency"],
        "OriginalAmount": original,
        "DiscountAmount": round(original - trade, 6),
        "TradeAmount": trade,
        "TaxAmount": 0,
    }
