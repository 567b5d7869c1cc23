"""Template text (YAML or JSON) to one frozen record, with the place of every mistake."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.yaml_text import read_yaml

VERSION = "2015-09-01"
TEMPLATE_BYTES = 524_288
RESOURCES = 200
SECTIONS = (
    *("ROSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions"),
    *("Resources", "Outputs"),
)
SECTIONS_ELSEWHERE = ("Transform", "Rules", "Locals", "Workspace", "Hooks")
RESOURCE_KEYS = ("Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "Metadata", "Description", "Version")
RESOURCE_KEYS_ELSEWHERE = ("Count", "UpdatePolicy", "CreationPolicy", "ForEach")
OUTPUT_KEYS = ("Value", "Description", "Label", "Condition", "NoEcho")


@dataclass(frozen=True)
class Resource:
    """One entry of the section Resources."""

    name: str
    type: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...]
    condition: str | None
    retain: bool
    description: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """One entry of the section Outputs; its value is still unevaluated."""

    name: str
    value: Any
    description: Any
    label: Any
    condition: str | None
    no_echo: bool


@dataclass(frozen=True)
class Template:
    """A template whose form is right; what its names mean is checked elsewhere."""

    text: str
    description: Any
    metadata: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output]


@functools.lru_cache(maxsize=64)  # every look at a stack reads its template anew; nobody changes what comes back
def parse_template(text: str) -> Template:
    """Reads a template of up to 524,288 bytes; raises ApiError with the vendor's code and the place."""
    size = len(text.encode())
    if size == 0 or size > TEMPLATE_BYTES:
        raise errors.invalid_template(f"TemplateBody has {size} bytes; it must have 1 to {TEMPLATE_BYTES}.")
    try:
        document = read_yaml(text)
    except yaml.YAMLError as problem:
        raise errors.invalid_template(f"The template is neither YAML nor JSON: {_one_line(problem)}.") from None
    if not isinstance(document, dict):
        raise errors.invalid_template("The template must be a map with ROSTemplateFormatVersion and Resources.")
    _check_sections(document)
    return Template(
        text=text,
        description=document.get("Description") or "",
        metadata=_map(document, "Metadata"),
        parameters={name: _entry(name, body, "Parameters") for name, body in _map(document, "Parameters").items()},
        mappings=_map(document, "Mappings"),
        conditions=_map(document, "Conditions"),
        resources=_resources(document),
        outputs={name: _output(name, body) for name, body in _map(document, "Outputs").items()},
    )


def _one_line(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or str(problem).replace("\n", " ")
    return f"{what} (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else what


def _check_sections(document: Mapping[Any, Any]) -> None:
    version = document.get("ROSTemplateFormatVersion")
    if version != VERSION:
        raise errors.invalid_version(f"ROSTemplateFormatVersion is {version!r}; it must be '{VERSION}'.")
    for section in document:
        if section in SECTIONS_ELSEWHERE:
            raise errors.not_emulated(f"the template section {section}")
        if section not in SECTIONS:
            raise errors.invalid_section(str(section), ", ".join(SECTIONS))


def _map(document: Mapping[str, Any], section: str) -> dict[str, Any]:
    value = document.get(section)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise errors.invalid_schema(f"The section {section} must be a map with names as its keys.")
    return value


def _entry(name: str, body: Any, section: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise errors.invalid_schema(f"{section}.{name} must be a map.")
    return body


def _resources(document: Mapping[str, Any]) -> dict[str, Resource]:
    entries = _map(document, "Resources")
    if not entries:
        raise errors.invalid_schema("The section Resources must have at least one resource.")
    if len(entries) > RESOURCES:
        raise errors.validation_failed(f"The template has {len(entries)} resources; at most {RESOURCES} are allowed.")
    return {name: _resource(name, _entry(name, body, "Resources")) for name, body in entries.items()}


def _resource(name: str, body: Mapping[str, Any]) -> Resource:
    where = f"Resources.{name}"
    for key in body:
        if key in RESOURCE_KEYS_ELSEWHERE:
            raise errors.not_emulated(f"{key} of a resource ({where})")
        if key not in RESOURCE_KEYS:
            raise errors.invalid_schema(f"{where} has the unknown key {key}. Known: {', '.join(RESOURCE_KEYS)}.")
    kind, properties = body.get("Type"), body.get("Properties") or {}
    if not isinstance(kind, str) or not kind:
        raise errors.invalid_schema(f"{where} has no Type.")
    if not isinstance(properties, dict):
        raise errors.invalid_property_type(name, "Properties", "it must be a map.")
    policy = body.get("DeletionPolicy", "Delete")
    if policy not in ("Delete", "Retain"):
        raise errors.invalid_schema(f"{where}.DeletionPolicy is {policy!r}; it must be Delete or Retain.")
    metadata = body.get("Metadata") or {}
    return Resource(
        name=name,
        type=kind,
        properties=properties,
        depends_on=_depends_on(where, body.get("DependsOn")),
        condition=_condition(where, body.get("Condition")),
        retain=policy == "Retain",
        description=str(body.get("Description") or ""),
        metadata=_entry("Metadata", metadata, where),
    )


def _depends_on(where: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise errors.invalid_schema(f"{where}.DependsOn must be a resource's name or a list of names.")
    return tuple(names)


def _condition(where: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise errors.invalid_schema(f"{where}.Condition must be the name of a condition.")
    return value


def _output(name: str, body: Any) -> Output:
    entry = _entry(name, body, "Outputs")
    for key in entry:
        if key not in OUTPUT_KEYS:
            raise errors.invalid_schema(f"Outputs.{name} has the unknown key {key}. Known: {', '.join(OUTPUT_KEYS)}.")
    if "Value" not in entry:
        raise errors.invalid_schema(f"Outputs.{name} has no Value.")
    return Output(
        name=name,
        value=entry["Value"],
        description=entry.get("Description") or "",
        label=entry.get("Label") or "",
        condition=_condition(f"Outputs.{name}", entry.get("Condition")),
        no_echo=str(entry.get("NoEcho", False)).lower() == "true",
    )
