"""Readers for the parameters of ROS calls; bad ones are refused with their name."""

import hashlib
import json
import re
from collections.abc import Mapping

from garret.local_cloud.core import Call, missing
from garret.local_cloud.params import flag, groups, number
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.creating import Wanted
from garret.local_cloud.ros.parameters import Parameter, resolve_parameters
from garret.local_cloud.ros.template import parse_template
from garret.local_cloud.ros.updating import Update

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
TAGS = 20
# Parameters that change what the vendor does and that nothing here would honour.
NOT_EMULATED = {
    "TemplateURL": "", "TemplateId": "", "TemplateScratchId": "", "TemplateVersion": "", "StackPolicyBody": "",
    "StackPolicyURL": "", "StackPolicyDuringUpdateBody": "", "StackPolicyDuringUpdateURL": "", "RamRoleName": "",
    "EnablePreConfig": "false", "StackGroupName": "",
    "ChangeSetId": "", "CreateOption": "KeepStackOnCreationComplete", "UsePreviousParameters": "false",
    "ParentStackId": "", "ValidationOption": "None",
}  # fmt: skip
LISTS_NOT_EMULATED = (
    *("NotificationURLs", "CreateOptions", "DeleteOptions", "TaintResources", "UpdateInfoOptions", "DryRunOptions"),
    *("ResourcesToImport", "RecreatingOptions"),
)


def refuse_what_is_not_emulated(call: Call, *heeded: str) -> None:
    """Says so when a parameter asks for something that would silently not happen; `heeded` ones are carried out."""
    for name, harmless in NOT_EMULATED.items():
        value = call.params.get(name, "")
        if value and value.lower() != harmless.lower() and name not in heeded:
            raise errors.not_emulated(f"the parameter {name} of {call.action}")
    for name in LISTS_NOT_EMULATED:
        if any(key.startswith(f"{name}.") for key in call.params):
            raise errors.not_emulated(f"the parameter {name} of {call.action}")


def template_text(call: Call) -> str:
    """TemplateBody, which the call must have."""
    text = call.params.get("TemplateBody", "")
    if not text:
        raise errors.validation_failed("TemplateBody is missing: pass the template's text (JSON or YAML).")
    return text


def parameters(call: Call) -> dict[str, str]:
    """Parameters.N.ParameterKey and .ParameterValue."""
    found: dict[str, str] = {}
    for group in groups(call.params, "Parameters"):
        name = group.get("ParameterKey", "")
        if not name or name in found:
            raise errors.invalid_parameter("Parameters.N.ParameterKey", f"{name!r} is empty or there twice")
        found[name] = group.get("ParameterValue", "")
    return found


def stack_name(call: Call) -> str:
    """StackName in the form that the vendor allows."""
    name = call.params.get("StackName", "")
    if not name:
        raise missing("StackName")
    if not NAME.fullmatch(name):
        rule = "a letter first, then letters, digits, hyphens and underscores; at most 255"
        raise errors.invalid_parameter("StackName", f"{name!r}; it must have {rule}")
    return name


def tags(call: Call) -> list[dict[str, str]]:
    """Tags.N.Key and Tags.N.Value."""
    found = [{"Key": one.get("Key", ""), "Value": one.get("Value", "")} for one in groups(call.params, "Tags")]
    if len(found) > TAGS:
        raise errors.invalid_parameter("Tags", f"{len(found)} tags; at most {TAGS} are allowed")
    for tag in found:
        if not tag["Key"] or len(tag["Key"]) > 128 or tag["Key"].lower().startswith(("aliyun", "acs:", "http")):
            raise errors.invalid_parameter("Tags.N.Key", f"{tag['Key']!r}")
    return found


def client_token(call: Call) -> str:
    """ClientToken, or the empty string."""
    token = call.params.get("ClientToken", "")
    if token and not TOKEN.fullmatch(token):
        reason = "it must have 1 to 64 letters, digits, hyphens and underscores"
        raise errors.invalid_parameter("ClientToken", reason)
    return token


def fingerprint(call: Call) -> str:
    """The same for two requests that ask for the same; what signs a request is not part of what it asks."""
    asked = {key: value for key, value in call.params.items() if key != "ClientToken"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def wanted(call: Call) -> Wanted:
    """What CreateStack asks for."""
    refuse_what_is_not_emulated(call)
    return Wanted(
        name=stack_name(call),
        template=template_text(call),
        parameters=parameters(call),
        tags=tags(call),
        timeout_minutes=number(call.params, "TimeoutInMinutes", 60, 10, 1440),
        disable_rollback=flag(call.params, "DisableRollback"),
        deletion_protection=call.params.get("DeletionProtection", "Disabled") == "Enabled",
        parallelism=number(call.params, "Parallelism", 0, 0, 1000),
        resource_group=call.params.get("ResourceGroupId", ""),
    )


def update(call: Call) -> Update:
    """What UpdateStack, a change set of the type UPDATE or PreviewStack of a stack asks for."""
    refuse_what_is_not_emulated(call, "UsePreviousParameters")
    said = call.params.get("Parallelism", "")
    return Update(
        template=template_text(call),
        parameters=parameters(call),
        use_previous=flag(call.params, "UsePreviousParameters"),
        tags=tags(call) or None,
        timeout_minutes=number(call.params, "TimeoutInMinutes", 60, 10, 1440),
        disable_rollback=flag(call.params, "DisableRollback"),
        replacing=call.params.get("ReplacementOption", "Disabled") == "Enabled",
        parallelism=number(call.params, "Parallelism", 0, 0, 1000) if said else None,
        dry_run=flag(call.params, "DryRun"),
    )


def resolved(template: str, passed: Mapping[str, str]) -> dict[str, Parameter]:
    """The template's parameters with the values passed."""
    return resolve_parameters(parse_template(template).parameters, passed)


def region_of(call: Call) -> str:
    """RegionId, which nearly every call must have."""
    return call.params.get("RegionId") or call.region


def pick(params: Mapping[str, str], name: str) -> list[str]:
    """Name.1, Name.2, … as a list of filters."""
    from garret.local_cloud.params import numbered

    return [value for value in numbered(params, name) if value]
