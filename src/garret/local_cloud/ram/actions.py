"""The actions of RAM."""

from __future__ import annotations

from garret.local_cloud.core import Action, Parameter
from garret.local_cloud.ram import policies, roles, tags

ROLE = Parameter("RoleName", required=True)
POLICY = Parameter("PolicyName", required=True)
KIND = Parameter("PolicyType", required=True, choices=("System", "Custom"))
DOCUMENT = Parameter("PolicyDocument", required=True)
TAGGED = Parameter("ResourceType", required=True, choices=("role", "policy"))
NAMES = Parameter("ResourceNames.N", required=True)
VERSION = Parameter("VersionId", required=True)
_SYSTEM = "System policies: any name of the vendor's form, without what it allows"

ACTIONS = {
    "CreateRole": Action(
        roles.create_role, (ROLE, Parameter("AssumeRolePolicyDocument", required=True)), note="nobody takes it"
    ),
    "GetRole": Action(roles.get_role, (ROLE,)),
    "UpdateRole": Action(roles.update_role, (ROLE,)),
    "DeleteRole": Action(roles.delete_role, (ROLE,)),
    "ListRoles": Action(roles.list_roles),
    "CreatePolicy": Action(policies.create_policy, (POLICY, DOCUMENT)),
    "GetPolicy": Action(policies.get_policy, (POLICY, KIND), note=_SYSTEM),
    "GetPolicyVersion": Action(policies.get_policy_version, (POLICY, KIND, VERSION)),
    "ListPolicyVersions": Action(policies.list_policy_versions, (POLICY, KIND)),
    "CreatePolicyVersion": Action(
        policies.create_policy_version, (POLICY, DOCUMENT, Parameter("SetAsDefault", kind="boolean"))
    ),
    "DeletePolicyVersion": Action(policies.delete_policy_version, (POLICY, VERSION)),
    "DeletePolicy": Action(policies.delete_policy, (POLICY, Parameter("CascadingDelete", kind="boolean"))),
    "ListPolicies": Action(policies.list_policies, note="Custom policies only"),
    "AttachPolicyToRole": Action(policies.attach_policy_to_role, (ROLE, POLICY, KIND), note=_SYSTEM),
    "DetachPolicyFromRole": Action(policies.detach_policy_from_role, (ROLE, POLICY, KIND)),
    "ListPoliciesForRole": Action(policies.list_policies_for_role, (ROLE,)),
    "TagResources": Action(tags.tag_resources, (TAGGED, NAMES), note="roles and policies"),
    "UntagResources": Action(tags.untag_resources, (TAGGED, NAMES, Parameter("All", kind="boolean"))),
}
