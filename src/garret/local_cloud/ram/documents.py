"""Policy documents: JSON of version 1, a list of statements; refused as MalformedPolicyDocument with the place."""

from __future__ import annotations

import json
from typing import Any

from garret.local_cloud.core import ApiError

POLICY_LIMIT, TRUST_LIMIT = 6144, 2048  # characters


def read_policy(text: str) -> dict[str, Any]:
    """A document that allows or denies actions on resources."""
    return _read(text, POLICY_LIMIT, _policy_statement)


def read_trust(text: str) -> dict[str, Any]:
    """A document that says who may take a role."""
    return _read(text, TRUST_LIMIT, _trust_statement)


def _read(text: str, limit: int, check: Any) -> dict[str, Any]:
    if len(text) > limit:
        raise ApiError("InvalidParameter.PolicyDocument.Length", f"The document is over {limit} characters.")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise malformed(f"it is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise malformed("it is no map")
    for key in document:
        if key not in ("Version", "Statement"):
            raise malformed(f"{key!r} is neither Version nor Statement")
    if document.get("Version") != "1":
        raise malformed(f"Version is {document.get('Version')!r}; it must be '1'")
    statements = document.get("Statement")
    if not isinstance(statements, list) or not statements:
        raise malformed("Statement must be a list of at least one")
    for index, statement in enumerate(statements):
        check(statement, f"Statement[{index}]")
    return document


def _policy_statement(statement: Any, where: str) -> None:
    _common(statement, where)
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if (one in statement) == (other in statement):
            raise malformed(f"{where} needs {one} or {other}, one of them")
    _texts(statement, where, "Action", "NotAction", "Resource", "NotResource")
    for action in _list(statement.get("Action", [])):
        if action != "*" and ":" not in action:
            raise malformed(f"{where}.Action {action!r} has not the form product:Action")


def _trust_statement(statement: Any, where: str) -> None:
    _common(statement, where)
    if statement.get("Action") not in ("sts:AssumeRole", ["sts:AssumeRole"]):
        raise malformed(f"{where}.Action must be sts:AssumeRole")
    principal = statement.get("Principal")
    if not isinstance(principal, dict) or not principal or set(principal) - {"Service", "RAM", "Federated"}:
        raise malformed(f"{where}.Principal must say Service, RAM or Federated")
    _texts(principal, f"{where}.Principal", "Service", "RAM", "Federated")


def _common(statement: Any, where: str) -> None:
    if not isinstance(statement, dict):
        raise malformed(f"{where} is no map")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise malformed(f"{where}.Effect is {statement.get('Effect')!r}; it must be Allow or Deny")
    known = ("Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition")
    for key in statement:
        if key not in known:
            raise malformed(f"{where}.{key} is unknown")
    if not isinstance(statement.get("Condition", {}), dict):
        raise malformed(f"{where}.Condition is no map")


def _texts(values: dict[str, Any], where: str, *keys: str) -> None:
    for key in keys:
        found = _list(values.get(key, ["x"]))
        if not found or not all(isinstance(one, str) and one for one in found):
            raise malformed(f"{where}.{key} must be a text or a list of texts")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def malformed(reason: str) -> ApiError:
    """The vendor's answer to a document that breaks the rules."""
    return ApiError("MalformedPolicyDocument", f"The policy document is malformed: {reason}.")
