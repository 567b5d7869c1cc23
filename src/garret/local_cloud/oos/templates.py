"""OOS templates: YAML or JSON of OOS-2019-06-01 with tasks; versions count up."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import yaml

from garret.local_cloud.core import ACCOUNT_ID, ApiError, Call, Cloud, invalid
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, number

FORMAT = "OOS-2019-06-01"
CONTENT_LIMIT = 65536  # characters
_NAME = re.compile(r"(?!ACS)[A-Za-z0-9_-]{1,200}")
_SECTIONS = ("FormatVersion", "Description", "Parameters", "RamRole", "Tasks", "Outputs", "Queries", "Metadata")


def create_template(call: Call, cloud: Cloud) -> Reply:
    """Keep a template, version v1."""
    params, name = call.params, call.params["TemplateName"]
    if not _NAME.fullmatch(name):
        raise ApiError("InvalidParameter.TemplateName", f"TemplateName {name!r}: 1 to 200 letters, digits, _ -")
    content = read_content(params["Content"])
    now = cloud.clock.stamp()
    body: dict[str, Any] = {
        "TemplateId": new_id("t"),
        "TemplateName": name,
        "RegionId": call.region,
        "CreatedDate": now,
        "CreatedBy": ACCOUNT_ID,
        "Tags": read_tags(params.get("Tags", "")),
        "ResourceGroupId": params.get("ResourceGroupId", ""),
        "Versions": [],
    }
    with cloud.store.transaction():
        if _lookup(cloud, call.region, name) is not None:
            raise ApiError("EntityAlreadyExists.Template", f"The template {name} exists already in {call.region}.", 409)
        body["Versions"] = [_version(params["Content"], content, 1, now, params.get("VersionName", ""))]
        cloud.store.put("oos_template", str(body["TemplateId"]), body, call.region)
    return {"Template": _view(body), "TemplateType": "Automation"}


def get_template(call: Call, cloud: Cloud) -> Reply:
    """One template with its text: the newest version, or TemplateVersion."""
    name, version = call.params["TemplateName"], call.params.get("TemplateVersion", "")
    body = find_template(cloud, call.region, name, version)
    return {"Template": _view(body, _version_of(body, version)), "Content": body["Content"]}


def update_template(call: Call, cloud: Cloud) -> Reply:
    """Give a template its next version."""
    params = call.params
    content = read_content(params["Content"])
    with cloud.store.transaction():
        body = find_template(cloud, call.region, params["TemplateName"])
        name, count = params.get("VersionName", ""), len(body["Versions"]) + 1
        fresh = _version(params["Content"], content, count, cloud.clock.stamp(), name)
        changes: dict[str, object] = {"Versions": [*body["Versions"], fresh]}
        if "Tags" in params:
            changes["Tags"] = read_tags(params["Tags"])
        cloud.store.update("oos_template", body["TemplateId"], **changes)
    return {"Template": _view({**body, **changes})}


def delete_template(call: Call, cloud: Cloud) -> Reply:
    """Forget a template."""
    body = find_template(cloud, call.region, call.params["TemplateName"])
    cloud.store.delete("oos_template", body["TemplateId"])
    return {}


def list_templates(call: Call, cloud: Cloud) -> Reply:
    """Own templates by name or tags; the vendor's public ones are not here."""
    params = call.params
    name, wanted = params.get("TemplateName", ""), read_tags(params.get("Tags", ""))
    bodies = [] if params.get("ShareType") == "Public" else cloud.store.find("oos_template", call.region)
    found = [
        _view(body) for body in bodies if name in ("", body["TemplateName"]) and wanted.items() <= body["Tags"].items()
    ]
    size, token = number(params, "MaxResults", 50, 1, 100), params.get("NextToken", "") or "0"
    if not token.isdecimal():
        raise invalid("NextToken", f"{token!r} was never given out")
    start = int(token)
    following = str(start + size) if start + size < len(found) else ""
    return {"Templates": found[start : start + size], "MaxResults": size, "NextToken": following}


def read_content(text: str) -> dict[str, Any]:
    """The document of a template's text; ApiError InvalidTemplate with the place when it is none."""
    if len(text) > CONTENT_LIMIT:
        raise bad(f"it has {len(text)} characters; {CONTENT_LIMIT} is the most")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise bad(f"it is neither YAML nor JSON: {getattr(error, 'problem', error)}") from None
    if not isinstance(document, dict):
        raise bad("it is no map")
    if document.get("FormatVersion") != FORMAT:
        raise bad(f"FormatVersion is {document.get('FormatVersion')!r}; it must be {FORMAT}")
    for section in document:
        if section not in _SECTIONS:
            raise bad(f"the section {section} is unknown; known: {', '.join(_SECTIONS)}")
    tasks = document.get("Tasks")
    if not isinstance(tasks, list) or not tasks:
        raise bad("Tasks must be a list of at least one")
    seen: set[str] = set()
    for index, task in enumerate(tasks):
        if not isinstance(task, dict) or not all(isinstance(task.get(key), str) for key in ("Name", "Action")):
            raise bad(f"Tasks[{index}] needs a Name and an Action")
        if task["Name"] in seen:
            raise bad(f"Tasks[{index}]: the name {task['Name']} is there twice")
        seen.add(task["Name"])
    for section in ("Parameters", "Outputs"):
        if not isinstance(document.get(section) or {}, dict):
            raise bad(f"{section} must be a map")
    return document


def find_template(cloud: Cloud, region: str, name: str, version: str = "") -> dict[str, Any]:
    """The template of this name in this region, with the fields of a version (else the newest) beside its own.

    Errors: ApiError EntityNotExists.Template or EntityNotExists.TemplateVersion.
    """
    found = _lookup(cloud, region, name)
    if found is None:
        raise ApiError("EntityNotExists.Template", f"The template {name} does not exist in {region}.", 404)
    return {**found, **_version_of(found, version)}


def _version_of(body: dict[str, Any], wanted: str) -> dict[str, Any]:
    found = [one for one in body["Versions"] if one["TemplateVersion"] == wanted] if wanted else body["Versions"][-1:]
    if not found:
        raise ApiError("EntityNotExists.TemplateVersion", f"{body['TemplateName']} has no version {wanted}.", 404)
    version: dict[str, Any] = found[0]
    return version


def _lookup(cloud: Cloud, region: str, name: str) -> dict[str, Any] | None:
    found = cloud.store.find("oos_template", region, TemplateName=name)
    return found[0] if found else None


def _version(text: str, document: dict[str, Any], count: int, now: str, name: str) -> dict[str, Any]:
    description = document.get("Description") or ""
    return {
        "TemplateVersion": f"v{count}",
        "VersionName": name,
        "Content": text,
        "TemplateFormat": "JSON" if text.lstrip().startswith("{") else "YAML",
        "Description": description if isinstance(description, str) else json.dumps(description, ensure_ascii=False),
        "Hash": hashlib.sha256(text.encode()).hexdigest(),
        "UpdatedDate": now,
    }


def _view(body: dict[str, Any], version: dict[str, Any] | None = None) -> dict[str, Any]:
    keys = ("TemplateId", "TemplateName", "CreatedDate", "CreatedBy", "Tags", "ResourceGroupId")
    newest = version or body["Versions"][-1]
    shown = {name: value for name, value in newest.items() if name != "Content"}
    fixed = {"ShareType": "Private", "HasTrigger": False, "TemplateType": "Automation", "UpdatedBy": ACCOUNT_ID}
    return {**{name: body[name] for name in keys}, **shown, **fixed}


def read_tags(text: str) -> dict[str, str]:
    """The tags of a call, a JSON map of texts; ApiError otherwise."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or len(found) > 20:
        raise invalid("Tags", "it is a JSON map of at most 20 texts")
    return {str(key): str(value) for key, value in found.items()}


def bad(reason: str) -> ApiError:
    """The answer to a template that is none, or that cannot be executed."""
    return ApiError("InvalidTemplate", f"The template's Content is not valid: {reason}.")
