"""ALIYUN::RAM::Role, ManagedPolicy and AttachPolicyToRole: who may do what. RAM knows no regions and no ClientToken."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import (
    ResourceType,
    Work,
    forget_intent,
    gone,
    make_once,
    own_tags,
    truth,
)

ADOPTED = "ros_adopted"  # a kind of record: things that were there before the stack and stay after it
INLINE = "ros_role_policy"  # a kind of record: policies that a role of a stack has made along with it
_POLICY_KEYS = frozenset({"PolicyName", "PolicyDocument", "Description", "IgnoreExisting"})


def text_of(document: Any) -> str:
    """A policy document as RAM takes it."""
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)


def adopted(work: Work) -> bool:
    """Whether the thing was there before the stack; it is neither changed nor deleted then."""
    return work.cloud.store.get(ADOPTED, f"{work.stack_id}/{work.name}/{work.physical_id}") is not None


def make_or_adopt(work: Work, name: str, make: Callable[[], Any], exists: Callable[[], bool]) -> str:
    """Makes a thing and writes its name down; one of that name is taken as it is with IgnoreExisting."""
    try:
        make_once(work, name, make, exists)
    except ApiError as problem:
        if not problem.code.startswith("EntityAlreadyExists.") or not truth(work.properties.get("IgnoreExisting")):
            raise
        work.cloud.store.put(ADOPTED, f"{work.stack_id}/{work.name}/{name}", {"name": name})
    with work.cloud.store.transaction():
        work.made(name)
        forget_intent(work, name)
    return name


def there(work: Work, product: str, action: str, **params: Any) -> bool:
    """Whether a thing can be read."""
    try:
        work.call(product, action, **params)
    except ApiError as problem:
        if gone(problem):
            return False
        raise
    return True


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


class Role(ResourceType):
    """A role with the policies that are made and attached along with it."""

    name = "ALIYUN::RAM::Role"
    attributes = ("RoleName", "RoleId", "Arn")
    carried = frozenset(
        {"RoleName", "AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "Policies", "PolicyAttachments",
         "DeletionForce", "IgnoreExisting", "Tags"}
    )  # fmt: skip
    nested: ClassVar[Mapping[str, frozenset[str]]] = {
        "Policies": _POLICY_KEYS,
        "PolicyAttachments": frozenset({"System", "Custom"}),
    }
    updatable = carried - {"RoleName"}

    def create(self, work: Work) -> str:
        """Makes the role, then its policies, then attaches the others."""
        name = str(work.properties["RoleName"])
        if not work.physical_id:
            make_or_adopt(
                work, name, lambda: self._make(work, name), lambda: there(work, "Ram", "GetRole", RoleName=name)
            )
        self._bring(work, name, {})
        return name

    def _make(self, work: Work, name: str) -> None:
        document = text_of(work.properties["AssumeRolePolicyDocument"])
        asked = {key: work.properties.get(key) or None for key in ("Description", "MaxSessionDuration")}
        asked |= {"AssumeRolePolicyDocument": document, "Tag": work.tag_list()}
        work.call("Ram", "CreateRole", RoleName=name, **asked)

    def _bring(self, work: Work, role: str, before: Mapping[str, Any]) -> None:
        """Policies: those that are new are made or attached, those that are not asked for any more go."""
        wanted, old = _inline(work.properties), _inline(before)
        for name, policy in wanted.items():
            self._make_policy(work, role, name, policy, old.get(name))
        for name in old.keys() - wanted.keys():
            self._drop_policy(work, role, name)
        held, had = _attachments(work.properties), _attachments(before)
        for name, kind in sorted(held - had):
            attach(work, role, name, kind)
        for name, kind in sorted(had - held):
            detach(work, role, name, kind)

    def _slot(self, work: Work, policy: str) -> str:
        return f"{work.stack_id}/{work.name}/{policy}"

    def _make_policy(self, work: Work, role: str, name: str, policy: Any, old: Any) -> None:
        mine = work.cloud.store.get(INLINE, self._slot(work, name)) is not None
        document = text_of(policy["PolicyDocument"])
        if not mine:
            asked = {"PolicyDocument": document, "Description": policy.get("Description") or None}
            try:
                make_policy(work, name, asked)
                with work.cloud.store.transaction():
                    work.cloud.store.put(INLINE, self._slot(work, name), {"role": role, "policy": name})
                    forget_intent(work, f"policy {name}")
            except ApiError as problem:
                if problem.code != "EntityAlreadyExists.Policy" or not truth(policy.get("IgnoreExisting")):
                    raise
        elif old is not None and text_of(old["PolicyDocument"]) != document:
            put_version(work, name, document)
        attach(work, role, name, "Custom")

    def _drop_policy(self, work: Work, role: str, name: str) -> None:
        detach(work, role, name, "Custom")
        if work.cloud.store.get(INLINE, self._slot(work, name)) is not None:
            drop_policy(work, name)
            work.cloud.store.delete(INLINE, self._slot(work, name))

    def read(self, work: Work) -> dict[str, Any]:
        """RoleName, RoleId, Arn."""
        role = work.call("Ram", "GetRole", RoleName=work.physical_id)["Role"]
        return {key: role[key] for key in self.attributes}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes who may take it, its description and session, its policies and tags."""
        if adopted(work):
            return
        fields: dict[str, Any] = {}
        for key in ("AssumeRolePolicyDocument", "Description", "MaxSessionDuration"):
            if work.properties.get(key) != before.get(key):
                value = work.properties.get(key)
                fields[f"New{key}"] = text_of(value) if key == "AssumeRolePolicyDocument" else value or ""
        if fields:
            work.call("Ram", "UpdateRole", RoleName=work.physical_id, **fields)
        self._bring(work, work.physical_id, before)
        _sync_tags(work, before, "role")

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Who may take it, its description and session."""
        try:
            role = work.call("Ram", "GetRole", RoleName=work.physical_id)["Role"]
        except ApiError as problem:
            if gone(problem):
                return None
            raise
        return {
            "RoleName": role["RoleName"],
            "Description": role["Description"],
            "MaxSessionDuration": role["MaxSessionDuration"],
            "AssumeRolePolicyDocument": json.loads(role["AssumeRolePolicyDocument"]),
        }

    def delete(self, work: Work) -> None:
        """Takes back what was attached and made along with it; with DeletionForce whatever else it has."""
        role = work.physical_id
        if adopted(work):
            work.cloud.store.delete(ADOPTED, f"{work.stack_id}/{work.name}/{role}")
            return
        for name in _inline(work.properties):
            self._drop_policy(work, role, name)
        for name, kind in _attachments(work.properties):
            detach(work, role, name, kind)
        try:
            if truth(work.properties.get("DeletionForce")):
                for one in work.call("Ram", "ListPoliciesForRole", RoleName=role)["Policies"]["Policy"]:
                    detach(work, role, one["PolicyName"], one["PolicyType"])
            work.call("Ram", "DeleteRole", RoleName=role)
        except ApiError as problem:
            if not gone(problem):
                raise


def _inline(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {str(one["PolicyName"]): one for one in properties.get("Policies") or []}


def _attachments(properties: Mapping[str, Any]) -> set[tuple[str, str]]:
    found = properties.get("PolicyAttachments") or {}
    return {(str(name), kind) for kind in ("System", "Custom") for name in found.get(kind) or []}


def _sync_tags(work: Work, before: Mapping[str, Any], kind: str) -> None:
    now, old = {tag["Key"]: tag["Value"] for tag in work.tag_list()}, own_tags(before)
    there = {"ResourceType": kind, "ResourceNames": [work.physical_id]}
    if taken := [key for key in old if key not in now]:
        work.call("Ram", "UntagResources", TagKeys=taken, **there)
    if fresh := [{"Key": key, "Value": value} for key, value in now.items() if old.get(key) != value]:
        work.call("Ram", "TagResources", Tag=fresh, **there)


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
            work.cloud.store.delete(ADOPTED, f"{work.stack_id}/{work.name}/{work.physical_id}")
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
