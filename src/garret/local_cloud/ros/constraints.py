"""GetTemplateParameterConstraints: which values of a template's parameters the local cloud can serve."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.checking import checked
from garret.local_cloud.ros.conditions import resolve_conditions
from garret.local_cloud.ros.locals import put_in_locals
from garret.local_cloud.ros.parameters import parameter_of, resolve_parameters
from garret.local_cloud.ros.plan import zones_of
from garret.local_cloud.ros.requests import parameters, refuse_what_is_not_emulated, region_of, template_text
from garret.local_cloud.ros.rules import check_rules
from garret.local_cloud.ros.scope import UNKNOWN, Scope
from garret.local_cloud.ros.template import Template

NODES = ("ALIYUN::ECS::Instance", "ALIYUN::ECS::InstanceGroup")
# Property: what the cloud is asked for its values.
ASKED = {
    **{(kind, "InstanceType"): "types" for kind in NODES},
    **{(kind, "ZoneId"): "selling" for kind in NODES},
    **{(kind, "SystemDiskCategory"): "disks" for kind in NODES},
    ("ALIYUN::ECS::VSwitch", "ZoneId"): "zones",
    ("ALIYUN::ECS::Disk", "ZoneId"): "zones",
    ("ALIYUN::ECS::Disk", "DiskCategory"): "disks",
    ("ALIYUN::VPC::NatGateway", "ZoneId"): "zones",
}


@dataclass(frozen=True)
class Use:
    """One property whose value is a parameter's."""

    resource: str
    type: str
    property: str


def get_template_parameter_constraints(call: Call, cloud: Cloud) -> dict[str, Any]:
    """For each parameter the values that can be had, given the others that were passed."""
    refuse_what_is_not_emulated(call)
    if call.params.get("StackId"):
        raise errors.not_emulated("GetTemplateParameterConstraints of a stack that exists (StackId)")
    template, passed = checked(template_text(call)), parameters(call)
    resolve_parameters(template.parameters, passed, partial=True)
    wanted = _names(call, "ParametersKeyFilter") or list(template.parameters)
    for name in wanted:
        if name not in template.parameters:
            raise errors.unknown_parameter(name, sorted(template.parameters))
    shelf = _Shelf(cloud, region_of(call), template, passed)
    return {"ParameterConstraints": [_constraint(shelf, name) for name in wanted]}


def _names(call: Call, name: str) -> list[str]:
    text = call.params.get(name, "")
    try:
        found = json.loads(text) if text else []
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise errors.invalid_parameter(name, "it must be a JSON list of parameter names")
    return found


class _Shelf:
    """What the cloud sells, as far as the parameters that were passed leave it open."""

    def __init__(self, cloud: Cloud, region: str, template: Template, passed: Mapping[str, str]) -> None:
        self.cloud, self.region, self.template, self.passed = cloud, region, template, passed
        self.uses: dict[str, list[Use]] = {}
        for name, resource in template.resources.items():
            for key, value in resource.live().items():
                for parameter in _parameters_in(value):
                    self.uses.setdefault(parameter, []).append(Use(name, resource.type, key))

    def others(self, name: str, *kinds: str) -> list[str]:
        """Other parameters that were passed and decide together with this one."""
        return [
            other
            for other, uses in self.uses.items()
            if other != name and self.passed.get(other) and any(ASKED.get((u.type, u.property)) in kinds for u in uses)
        ]

    def values(self, name: str, what: str) -> tuple[list[str], list[str]]:
        """The values that the cloud has, and the parameters on which they depend."""
        if what == "disks":
            reply = self.cloud.call("Ecs", "DescribeZones", self.region, {"RegionId": self.region})
            zones = reply["Zones"]["Zone"]
            found = [one for zone in zones for one in zone["AvailableDiskCategories"]["DiskCategories"]]
            return list(dict.fromkeys(found)), []
        if what == "zones" and not self._is_for_nodes(name):
            return zones_of(self.cloud)(self.region), []
        others = self.others(name, *(("zones", "selling") if what == "types" else ("types",)))
        filters = {"ZoneId" if what == "types" else "InstanceType": self.passed[other] for other in others}
        stock = self._stock(filters)
        found = [kind for _, kind in stock] if what == "types" else [zone for zone, _ in stock]
        return list(dict.fromkeys(found)), others

    def _is_for_nodes(self, name: str) -> bool:
        """Whether instances will stand in what this zone is for."""
        return bool(self.uses.get(name)) and any(one.type in NODES for one in self.template.resources.values())

    def _stock(self, filters: Mapping[str, str]) -> list[tuple[str, str]]:
        params = {"RegionId": self.region, "DestinationResource": "InstanceType", **filters}
        reply = self.cloud.call("Ecs", "DescribeAvailableResource", self.region, params)
        return [
            (zone["ZoneId"], one["Value"])
            for zone in reply["AvailableZones"]["AvailableZone"]
            for resource in zone["AvailableResources"]["AvailableResource"]
            for one in resource["SupportedResources"]["SupportedResource"]
            if one.get("StatusCategory") in ("WithStock", "ClosedWithStock")
        ]


def _parameters_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and list(value) == ["Ref"] and isinstance(value["Ref"], str):
        yield value["Ref"]
    elif isinstance(value, dict) and list(value) == ["Fn::If"] and isinstance(value["Fn::If"], list):
        for item in value["Fn::If"][1:]:
            yield from _parameters_in(item)


def _constraint(shelf: _Shelf, name: str) -> dict[str, Any]:
    definition = shelf.template.parameters[name]
    reply: dict[str, Any] = {"ParameterKey": name, "Type": definition["Type"]}
    asked = [
        (use, ASKED[use.type, use.property]) for use in shelf.uses.get(name, []) if (use.type, use.property) in ASKED
    ]
    if not asked:
        allowed = definition.get("AllowedValues")
        if allowed:
            values, illegal = _by_rules(shelf, name, [_text(one) for one in allowed])
            return reply | {"AllowedValues": values, "IllegalValueByRules": illegal}
        reason = "no property that the parameter is given to has values that can be asked for"
        return reply | {"Behavior": "NoLimit", "BehaviorReason": reason}
    try:
        found = [(use, *shelf.values(name, what)) for use, what in asked]
    except ApiError as problem:
        errors_told = [
            {"ResourceName": use.resource, "ResourceType": use.type, "ErrorMessage": problem.message}
            for use, _ in asked
        ]
        return reply | {"Behavior": "QueryError", "BehaviorReason": problem.message, "QueryErrors": errors_told}
    return reply | _together(shelf, name, found)


def _together(shelf: _Shelf, name: str, found: list[tuple[Use, list[str], list[str]]]) -> dict[str, Any]:
    """What every property allows, less what the parameter's own rules and the template's forbid."""
    common = [one for one in found[0][1] if all(one in values for _, values, _ in found)]
    legal = [one for one in common if _keeps(name, shelf.template.parameters[name], one)]
    values, by_rules = _by_rules(shelf, name, legal)
    return {
        "AllowedValues": values,
        "AssociationParameterNames": sorted({other for _, _, others in found for other in others}),
        "IllegalValueByParameterConstraints": [one for one in common if one not in legal],
        "IllegalValueByRules": by_rules,
        "OriginalConstraints": [
            {"ResourceName": use.resource, "ResourceType": use.type, "PropertyName": use.property, "AllowedValues": one}
            for use, one, _ in found
        ],
    }


def _keeps(name: str, definition: Mapping[str, Any], value: str) -> bool:
    try:
        parameter_of(name, definition, value)
    except ApiError:
        return False
    return True


def _by_rules(shelf: _Shelf, name: str, values: list[str]) -> tuple[list[str], list[str]]:
    """The values with which no rule of the template is broken, and the others."""
    if not shelf.template.rules:
        return values, []
    illegal = [value for value in values if not _holds(shelf, {**shelf.passed, name: value})]
    return [value for value in values if value not in illegal], illegal


def _holds(shelf: _Shelf, passed: Mapping[str, str]) -> bool:
    template = shelf.template
    known = {key: one.value for key, one in resolve_parameters(template.parameters, passed, partial=True).items()}
    values = {**dict.fromkeys(template.parameters, UNKNOWN), **known}
    scope = Scope(values=values, mappings=template.mappings, pseudo={"Region": shelf.region}, partial=True)
    try:
        conditions = resolve_conditions(put_in_locals(template, scope).conditions, scope)
        check_rules(template.rules, replace(scope, conditions=conditions))
    except ApiError:
        return False
    return True


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
