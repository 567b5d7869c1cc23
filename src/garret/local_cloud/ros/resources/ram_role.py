"""ALIYUN::RAM::Role: who may do what, with the policies that are made along with it."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.adopting import adopted, let_be, make_or_adopt, there
from garret.local_cloud.ros.resources.base import ResourceType, Work, forget_intent, gone, own_tags, truth
from garret.local_cloud.ros.resources.ram_policy import attach, detach, drop_policy, make_policy, put_version, text_of

INLINE = "ros_role_policy"  # a kind of record: policies that a role of a stack has made along with it
_POLICY_KEYS = frozenset({"PolicyName", "PolicyDocument", "Description", "IgnoreExisting"})


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
            let_be(work)
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
