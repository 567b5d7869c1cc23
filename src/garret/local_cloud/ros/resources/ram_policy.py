"""ALIYUN::RAM::ManagedPolicy and AttachPolicyToRole, and what roles need of policies."""

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.adopting import adopted, let_be, make_or_adopt, there
from garret.local_cloud.ros.resources.base import ResourceType, Work, forget_intent, gone, make_once


def text_of(document: Any) -> str:
    """A policy document as RAM takes it."""
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)


def attach(work: Work, role: str, policy: str, kind: str) -> None:
    """Gives a role a policy; one that it has is no failure."""
    try:
        work.call("Ram", "AttachPolicyToRole", RoleName=role, PolicyName=policy, PolicyType=kind)
    except ApiError as problem:
        if problem.code != "EntityAlreadyExists.Role.Policy":
            raise


def detach(work: Work, role: str, policy: str, kind: str) -> None:
    """Takes a policy from a role; what is gone is no failure."""
    try:
        work.call("Ram", "DetachPolicyFromRole", RoleName=role, PolicyName=policy, PolicyType=kind)
    except ApiError as problem:
        if not gone(problem):
            raise


def make_policy(work: Work, name: str, asked: Mapping[str, Any]) -> None:
    """Makes a policy of the account's own, once."""
    make_once(
        work,
        f"policy {name}",
        lambda: work.call("Ram", "CreatePolicy", PolicyName=name, **asked),
        lambda: there(work, "Ram", "GetPolicy", PolicyName=name, PolicyType="Custom"),
    )


def put_version(work: Work, policy: str, document: str) -> None:
    """Gives a policy another document, unless it has it already."""
    named = {"PolicyName": policy, "PolicyType": "Custom"}
    if work.call("Ram", "GetPolicy", **named)["DefaultPolicyVersion"]["PolicyDocument"] != document:
        rotate = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
        asked = {"PolicyName": policy, "PolicyDocument": document, "SetAsDefault": True, "RotateStrategy": rotate}
        work.call("Ram", "CreatePolicyVersion", **asked)


def drop_policy(work: Work, policy: str) -> None:
    """Removes a policy with its versions; one that is gone is no failure."""
    try:
        work.call("Ram", "DeletePolicy", PolicyName=policy, CascadingDelete=True)
    except ApiError as problem:
        if not gone(problem):
            raise


class ManagedPolicy(ResourceType):
    """A policy of the account's own, attached to roles."""

    name = "ALIYUN::RAM::ManagedPolicy"
    attributes = ("PolicyName",)
    carried = frozenset({"PolicyName", "PolicyDocument", "PolicyDocumentUnchecked", "Description", "Roles",
                         "IgnoreExisting"})  # fmt: skip
    updatable = frozenset({"PolicyDocument", "PolicyDocumentUnchecked", "Roles", "IgnoreExisting"})

    def _document(self, properties: Mapping[str, Any]) -> str:
        return text_of(properties.get("PolicyDocumentUnchecked") or properties.get("PolicyDocument") or {})

    def create(self, work: Work) -> str:
        """Makes the policy, then attaches it."""
        name = str(work.properties["PolicyName"])
        if not work.physical_id:
            asked: dict[str, Any] = {"PolicyDocument": self._document(work.properties)}
            asked |= {"Description": work.properties.get("Description") or None}
            named = {"PolicyName": name, "PolicyType": "Custom"}
            make_or_adopt(
                work,
                name,
                lambda: work.call("Ram", "CreatePolicy", PolicyName=name, **asked),
                lambda: there(work, "Ram", "GetPolicy", **named),
            )
        for role in work.properties.get("Roles") or []:
            attach(work, str(role), name, "Custom")
        return name

    def read(self, work: Work) -> dict[str, Any]:
        """PolicyName."""
        return {"PolicyName": work.physical_id}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Another document is another version; roles come and go."""
        if adopted(work):
            return
        if self._document(before) != self._document(work.properties):
            put_version(work, work.physical_id, self._document(work.properties))
        old, now = set(before.get("Roles") or []), set(work.properties.get("Roles") or [])
        for role in sorted(now - old):
            attach(work, str(role), work.physical_id, "Custom")
        for role in sorted(old - now):
            detach(work, str(role), work.physical_id, "Custom")

    def drift(self, work: Work) -> dict[str, Any] | None:
        """What it allows."""
        try:
            found = work.call("Ram", "GetPolicy", PolicyName=work.physical_id, PolicyType="Custom")
        except ApiError as problem:
            if gone(problem):
                return None
            raise
        document = json.loads(found["DefaultPolicyVersion"]["PolicyDocument"])
        key = "PolicyDocumentUnchecked" if work.properties.get("PolicyDocumentUnchecked") else "PolicyDocument"
        return {"PolicyName": work.physical_id, key: document}

    def delete(self, work: Work) -> None:
        """Takes it from its roles and removes it with its versions."""
        for role in work.properties.get("Roles") or []:
            detach(work, str(role), work.physical_id, "Custom")
        if adopted(work):
            let_be(work)
        else:
            drop_policy(work, work.physical_id)


class AttachPolicyToRole(ResourceType):
    """A policy on a role that is there already."""

    name = "ALIYUN::RAM::AttachPolicyToRole"
    attributes = ()
    carried = frozenset({"PolicyName", "PolicyType", "RoleName"})

    def _asked(self, work: Work) -> tuple[str, str, str]:
        values = work.properties
        return str(values["RoleName"]), str(values["PolicyName"]), str(values["PolicyType"])

    def create(self, work: Work) -> str:
        """Attaches the policy; one that the role had before is refused, as it would be lost with the stack."""
        role, policy, kind = self._asked(work)
        if work.physical_id:
            return work.physical_id
        asked = {"RoleName": role, "PolicyName": policy, "PolicyType": kind}

        def attached() -> bool:
            found = work.call("Ram", "ListPoliciesForRole", RoleName=role)["Policies"]["Policy"]
            return any((one["PolicyName"], one["PolicyType"]) == (policy, kind) for one in found)

        physical_id = f"{role}:{policy}:{kind}"
        make_once(work, physical_id, lambda: work.call("Ram", "AttachPolicyToRole", **asked), attached)
        with work.cloud.store.transaction():
            work.made(physical_id)
            forget_intent(work, physical_id)
        return physical_id

    def read(self, work: Work) -> dict[str, Any]:  # noqa: ARG002 - there is nothing to read
        """It has no attributes."""
        return {}

    def delete(self, work: Work) -> None:
        """Takes the policy from the role."""
        detach(work, *self._asked(work))
