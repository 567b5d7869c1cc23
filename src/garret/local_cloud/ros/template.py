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
ASSERTIONS = 100
SECTIONS = (
    *("ROSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Rules"),
    *("Locals", "Resources", "Outputs"),
)
SECTIONS_ELSEWHERE = ("Transform", "Workspace", "Hooks", "HeatTemplateFormatVersion")
# Published templates hold other keys as well (misspelt ones, too), and deploy: what is not here is not heeded.
RESOURCE_KEYS = (
    *("Type", "Properties", "DependsOn", "Condition", "Count", "DeletionPolicy", "UpdatePolicy", "Metadata"),
    *("Description", "Version"),
)
OUTPUT_KEYS = ("Value", "Description", "Label", "Condition", "NoEcho")
LOCAL_KEYS = ("Type", "Value", "Properties")
RAW = {"ALIYUN::ROS::Stack": ("TemplateBody",)}  # another template, whose names are its own
NOTHING = object()


@dataclass(frozen=True)
class Resource:
    """One entry of the section Resources; `count` is None where there is one of it."""

    name: str
    type: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...]
    condition: str | None
    retain: bool
    description: str
    metadata: Mapping[str, Any]
    count: Any = None
    deletion_policy: Any = "Delete"

    def live(self) -> dict[str, Any]:
        """The properties in which functions are functions: without a nested stack's template."""
        raw = RAW.get(self.type, ())
        return {key: value for key, value in self.properties.items() if key not in raw or not _is_raw(value)}

    def raw(self) -> dict[str, Any]:
        """The properties that stay as they stand."""
        live = self.live()
        return {key: value for key, value in self.properties.items() if key not in live}


def _is_raw(value: Any) -> bool:
    return isinstance(value, dict) and "ROSTemplateFormatVersion" in value


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
class Local:
    """One entry of the section Locals: Macro puts its value in as it stands, Eval evaluates it first."""

    name: str
    type: str
    value: Any


@dataclass(frozen=True)
class Assertion:
    """What must hold, and what is said when it does not."""

    value: Any
    description: Any


@dataclass(frozen=True)
class Rule:
    """One entry of the section Rules; its assertions count where `condition` is absent (NOTHING) or holds."""

    name: str
    condition: Any
    assertions: tuple[Assertion, ...]


@dataclass(frozen=True)
class Template:
    """A template whose form is right; what its names mean is checked elsewhere."""

    text: str
    description: Any
    metadata: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    rules: Mapping[str, Rule]
    locals: Mapping[str, Local]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output]


@functools.lru_cache(maxsize=64)  # every look at a stack reads its template anew; nobody changes what comes back
def parse_template(text: str) -> Template:
    """Reads a template of up to 524,288 bytes; raises ApiError with the vendor's code and the place."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size == 0 or size > TEMPLATE_BYTES:
        raise errors.invalid_template(f"TemplateBody has {size} bytes; it must have 1 to {TEMPLATE_BYTES}.")
    try:
        document = read_yaml(text)
    except yaml.YAMLError as problem:
        raise errors.invalid_template(f"The template is neither YAML nor JSON: {_one_line(problem)}.") from None
    return read_document(document, text)


def read_document(document: Any, text: str) -> Template:
    """The same of a template that is plain values already, as a nested stack's is."""
    if not isinstance(document, dict):
        raise errors.invalid_template("The template must be a map with ROSTemplateFormatVersion and Resources.")
    _check_sections(document)
    return Template(
        text=text,
        description=document.get("Description") or "",
        metadata=_map(document, "Metadata"),
        parameters={name: _entry(name, body, "Parameters") for name, body in _map(document, "Parameters").items()},
        mappings=_mappings(document),
        conditions=_map(document, "Conditions"),
        rules={name: _rule(name, _entry(name, body, "Rules")) for name, body in _map(document, "Rules").items()},
        locals={name: _local(name, _entry(name, body, "Locals")) for name, body in _map(document, "Locals").items()},
        resources=_resources(document),
        outputs={name: _output(name, body) for name, body in _map(document, "Outputs").items()},
    )


def _one_line(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or str(problem).replace("\n", " ")
    return f"{what} (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else what


def _check_sections(document: Mapping[Any, Any]) -> None:
    if "Transform" in document:
        raise errors.not_emulated(f"the section Transform ({document['Transform']!r}): no macro is carried out here")
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


def _mappings(document: Mapping[str, Any]) -> dict[str, Any]:
    found = _map(document, "Mappings")
    for name, keys in found.items():
        if not isinstance(keys, dict) or not all(isinstance(inner, dict) for inner in keys.values()):
            raise errors.invalid_schema(f"Mappings.{name} must be a map of maps.")
    return found


def _rule(name: str, body: Mapping[str, Any]) -> Rule:
    where = f"Rules.{name}"
    assertions = body.get("Assertions")
    if not isinstance(assertions, list) or not 1 <= len(assertions) <= ASSERTIONS:
        raise errors.invalid_schema(f"{where}.Assertions must be a list of 1 to {ASSERTIONS} assertions.")
    for index, one in enumerate(assertions):
        if not isinstance(one, dict) or "Assert" not in one:
            raise errors.invalid_schema(f"{where}.Assertions[{index}] must be a map with Assert.")
    found = tuple(Assertion(one["Assert"], one.get("AssertDescription") or "") for one in assertions)
    return Rule(name, body.get("RuleCondition", NOTHING), found)


def _local(name: str, body: Mapping[str, Any]) -> Local:
    where, kind = f"Locals.{name}", body.get("Type") or "Macro"
    if isinstance(kind, str) and kind.startswith("DATASOURCE::"):
        raise errors.not_emulated(f"the local's type {kind} ({where}): nothing is looked up while a template is read")
    if kind not in ("Macro", "Eval"):
        raise errors.invalid_schema(f"{where}.Type is {kind!r}; it must be Macro or Eval.")
    for key in body:
        if key not in ("Type", "Value"):
            raise errors.invalid_schema(f"{where} has the key {key}; a {kind} has Type and Value.")
    if "Value" not in body:
        raise errors.invalid_schema(f"{where} has no Value.")
    return Local(name, kind, body["Value"])


def _resources(document: Mapping[str, Any]) -> dict[str, Resource]:
    entries = _map(document, "Resources")
    if len(entries) > RESOURCES:
        raise errors.validation_failed(f"The template has {len(entries)} resources; at most {RESOURCES} are allowed.")
    return {name: _resource(name, _entry(name, body, "Resources")) for name, body in entries.items()}


def _resource(name: str, body: Mapping[str, Any]) -> Resource:
    where = f"Resources.{name}"
    kind, properties = body.get("Type"), body.get("Properties") or {}
    if not isinstance(kind, str) or not kind:
        raise errors.invalid_schema(f"{where} has no Type.")
    if not isinstance(properties, dict):
        raise errors.invalid_property_type(name, "Properties", "it must be a map.")
    metadata = body.get("Metadata") or {}
    if not isinstance(metadata, dict):
        raise errors.invalid_property_type(name, "Metadata", "it must be a map.")
    if not isinstance(body.get("UpdatePolicy") or {}, dict):
        raise errors.invalid_property_type(name, "UpdatePolicy", "it must be a map.")
    policy = body.get("DeletionPolicy", "Delete")
    if policy not in ("Delete", "Retain") and not (isinstance(policy, dict) and list(policy) == ["Ref"]):
        raise errors.invalid_schema(f"{where}.DeletionPolicy is {policy!r}; it must be Delete or Retain.")
    return Resource(
        name=name,
        type=kind,
        properties=properties,
        depends_on=_depends_on(name, body.get("DependsOn")),
        condition=_condition(name, body.get("Condition")),
        retain=policy == "Retain",
        description=str(body.get("Description") or ""),
        metadata=metadata,
        count=body.get("Count"),
        deletion_policy=policy,
    )


def _depends_on(name: str, value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) or one is None for one in names):
        raise errors.invalid_property_type(name, "DependsOn", "it must be a resource's name or a list of names.")
    return tuple(one for one in names if one)


def _condition(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise errors.invalid_property_type(name, "Condition", "it must be the name of a condition.")
    return value


def _output(name: str, body: Any) -> Output:
    entry = _entry(name, body, "Outputs")
    if "Value" not in entry:
        raise errors.invalid_schema(f"Outputs.{name} has no Value.")
    return Output(
        name=name,
        value=entry["Value"],
        description=entry.get("Description") or "",
        label=entry.get("Label") or "",
        condition=_condition(name, entry.get("Condition")),
        no_echo=str(entry.get("NoEcho", False)).lower() == "true",
    )
