"""The checks every rendered template passes before it is shown or sent: one file each, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import yaml

from garret.errors import TemplateError
from garret.templates.checks import (
    address,
    disk_encrypted,
    in_vpc,
    limits,
    login_ports,
    metadata_tokens,
    no_echo,
    no_login,
    one_port,
    one_protocol,
    open_ingress,
    own_address,
    properties,
    ranges,
    references,
    secrets,
    size,
    tags,
)
from garret.templates.checks.finding import Finding, Subject
from garret.templates.text import read_template

_MODULES = (
    size,
    limits,
    references,
    properties,
    ranges,
    open_ingress,
    one_port,
    one_protocol,
    login_ports,
    metadata_tokens,
    disk_encrypted,
    tags,
    no_echo,
    secrets,
    no_login,
    address,
    own_address,
    in_vpc,
)

CHECKS: dict[str, Callable[[Subject], Iterator[Finding]]] = {module.ID: module.check for module in _MODULES}


RULES = {module.RULE: module.ID for module in _MODULES if module.RULE}
"""The vendor's security rules that these checks enforce, by the names under which the vendor's own checker has them."""


def check_template(text: str, *, public: bool = False, acme: bool = False, own: bool | None = None) -> list[Finding]:
    """Return what is wrong with a template; nothing when it is good.

    `public`: the whole internet was asked for. `acme`: a public certificate was, so port 80 may be open to everyone.
    `own`: it keeps garret's stricter rules, too; else its TemplateTags say.
    """
    try:
        template = read_template(text)
    except yaml.YAMLError as error:
        return [
            Finding("readable", "template", f"is not YAML: {' '.join(str(error).split())}", "see the line it names")
        ]
    if isinstance(template, Mapping) and "Transform" in template and "Resources" not in template:
        hint = "terraform validate, or upload it to ROS"
        return [Finding("readable", "Transform", f"is {template['Transform']}, which is not looked into here", hint)]
    if not isinstance(template, Mapping) or not isinstance(template.get("Resources"), Mapping):
        return [Finding("readable", "template", "has no Resources", "give it a mapping named Resources")]
    subject = Subject(text, template, public, _is_own(template) if own is None else own, acme)
    return [finding for check in CHECKS.values() for finding in check(subject)]


def _is_own(template: Mapping[str, Any]) -> bool:
    """Whether a template says that it is garret's."""
    metadata = template.get("Metadata")
    interface = metadata.get("ALIYUN::ROS::Interface") if isinstance(metadata, Mapping) else None
    tags = interface.get("TemplateTags") if isinstance(interface, Mapping) else None
    return isinstance(tags, list) and "garret" in tags


def require_good(text: str, *, public: bool = False, acme: bool = False, but: Collection[str] = ()) -> str:
    """Return the text when every check passes, those named in `but` left out.

    Raises:
        TemplateError: lists all that is wrong.
    """
    findings = [one for one in check_template(text, public=public, acme=acme, own=True) if one.check not in but]
    if findings:
        raise TemplateError("\n".join(str(finding) for finding in findings), findings[0].hint)
    return text


__all__ = ["CHECKS", "RULES", "Finding", "Subject", "check_template", "require_good"]
