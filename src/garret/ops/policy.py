"""The RAM actions that garret's commands need, and no other: verb by verb, and as the policy document to attach.

ROS makes a stack's resources in the caller's name, so what it calls for the template is here as well. A test holds
this list against the calls that the local cloud saw while all verbs ran, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LOOK = ("ros:ListStacks", "ros:GetStack", "ecs:DescribeInstances", "vpc:DescribeEipAddresses")
_BILLED = ("ecs:DescribeInstances", "vpc:DescribeEipAddresses", "ecs:DescribeDisks", "vpc:DescribeNatGateways",
           "ecs:DescribeSnapshots")  # fmt: skip
_COMMAND = ("ecs:DescribeInstances", "ecs:RunCommand", "ecs:DescribeInvocationResults")
_FILE = ("ecs:SendFile", "ecs:DescribeSendFileResults")
# What goes on in the cloud by itself, and ending it.
_BY_ITSELF = ("oos:ListExecutions", "oos:CancelExecution")
# By ROS, for the template: making, looking at and taking down its resources.
_MAKE = (
    "vpc:CreateVpc", "vpc:DescribeVpcs", "vpc:CreateVSwitch", "vpc:DescribeVSwitches", "ecs:CreateSecurityGroup",
    "ecs:AuthorizeSecurityGroup", "ecs:RunInstances", "vpc:AllocateEipAddress", "vpc:AssociateEipAddress",
)  # fmt: skip
_UNMAKE = (
    "vpc:UnassociateEipAddress", "vpc:ReleaseEipAddress", "ecs:DeleteInstance", "ecs:DeleteSecurityGroup",
    "vpc:DeleteVSwitch", "vpc:DeleteVpc",
)  # fmt: skip

# Unless `--no-autostop` was said, the node has a role that may stop this one machine.
_ROLE = (
    "ram:CreateRole", "ram:GetRole", "ram:DeleteRole", "ram:CreatePolicy", "ram:GetPolicy", "ram:DeletePolicy",
    "ram:AttachPolicyToRole", "ram:DetachPolicyFromRole", "ram:ListPoliciesForRole",
)  # fmt: skip

_CHANGE = (
    "ros:CreateChangeSet", "ros:GetChangeSet", "ros:ListChangeSets", "ros:ExecuteChangeSet", "ros:ListStackEvents",
    "ros:GetTemplateEstimateCost",
)  # fmt: skip

VERBS: Mapping[str, tuple[str, ...]] = {
    # While a node is set up, status asks it how far it is.
    "status, list": (*_LOOK, *_COMMAND[1:], "ros:ListStackEvents"),
    "deploy": (
        *_LOOK, "ecs:DescribeRegions", "ecs:DescribeAvailableResource", "ecs:DescribeImageFromFamily",
        "ecs:DescribeImages", "ecs:DescribePrice", "ros:ValidateTemplate", "ros:PreviewStack",
        "ros:GetTemplateEstimateCost", "ros:CreateStack", "ros:ListStackEvents", "ecs:GetInstanceConsoleOutput",
        *_MAKE, *_ROLE, *_COMMAND, *_FILE,
        # What its machine still says when it fails; then it is taken back, and what is left of it is looked for.
        *_UNMAKE, "ros:DeleteStack", *_BILLED,
    ),
    "update": (
        *_LOOK, "ros:ValidateTemplate", *_CHANGE, "ecs:ModifyInstanceSpec", "ecs:ResizeDisk",
        "vpc:ModifyEipAddressAttribute", "ecs:AuthorizeSecurityGroup", "ecs:RevokeSecurityGroup", "ecs:TagResources",
        "vpc:TagResources", "ecs:UntagResources", "vpc:UnTagResources",
    ),
    "logs": (*_LOOK, *_COMMAND, "ecs:GetInstanceConsoleOutput"),
    "events": (*_LOOK, "ros:ListStackEvents"),
    "ops stop": (
        *_BILLED, "ecs:StopInstance", "ros:GetTemplateEstimateCost", "ecs:DescribePrice", *_BY_ITSELF,
        "ecs:ModifyInstanceAutoReleaseTime",
    ),
    "ops autostop": ("ecs:DescribeInstances", "ecs:ModifyInstanceAutoReleaseTime"),
    "ops ssh, tunnel": (
        *_COMMAND, *_FILE, "ecs:DescribeSecurityGroupAttribute", "ecs:AuthorizeSecurityGroup",
        "ecs:RevokeSecurityGroup",
    ),
    "ops resize": (
        *_LOOK, *_CHANGE, "ecs:DescribeAvailableResource", "ecs:DescribePrice", "ecs:ModifyInstanceSpec",
        "ecs:StopInstance", "ecs:StartInstance",
    ),
    "ops backup, restore": (
        "ecs:DescribeInstances", "ecs:DescribeDisks", "ecs:DescribeSnapshots", "ecs:CreateSnapshot",
        "ecs:DeleteSnapshot", "ecs:ResetDisk", "ecs:StopInstance", "ecs:StartInstance", "bssapi:DescribeInstanceBill",
        *_COMMAND, *_FILE,  # the node of an earlier backup is told the present login
    ),
    "ops run, rotate-password": (*_COMMAND, *_FILE),
    # Sold out, it may take another type or zone where that is allowed: by a change of the stack, and an image of the
    # disk that goes afterwards.
    "ops start": (
        "ecs:DescribeInstances", "ecs:StartInstance", "ecs:DescribeAvailableResource", "ecs:DescribePrice",
        "ecs:ModifyInstanceAutoReleaseTime",
        *_CHANGE, "ecs:ModifyInstanceSpec", "ecs:CreateImage", "ecs:DescribeImages", "ecs:TagResources",
        "ecs:DeleteImage", "ecs:DeleteSnapshot", *_MAKE, *_UNMAKE, *_COMMAND, *_FILE,
    ),
    "ops download-model": (*_COMMAND, *_FILE),
    "ops list-models, remove-model, restore-model, verify-models": (*_COMMAND, *_FILE),
    "ops executions": (*_COMMAND, *_FILE, *_BY_ITSELF, "oos:ListTaskExecutions"),
    # OOS acts with the rights of whoever made the schedule, unless a role was said.
    "ops schedule": (
        *_BY_ITSELF, "oos:StartExecution", "ecs:DescribeInstances", "ecs:StartInstance", "ecs:StopInstance",
    ),
    "delete": (
        *_LOOK, "ros:ListStackResources", "ros:ListStackEvents", "ros:DeleteStack", *_UNMAKE, *_ROLE, *_BILLED,
        *_BY_ITSELF, "ecs:CreateSnapshot", "ecs:DeleteSnapshot",
    ),
    "cost": (*_LOOK, *_BILLED, "ros:GetTemplateEstimateCost", "ecs:DescribePrice", "bssapi:DescribeInstanceBill"),
    "image bake, list, delete": (
        "ecs:CreateImage", "ecs:DescribeImages", "ecs:DeleteImage", "ecs:TagResources", "ecs:StopInstance",
        "ecs:DescribeInstances", "ecs:DescribeSnapshots", "ecs:DeleteSnapshot", *_COMMAND,
    ),
    "doctor": (
        "ecs:DescribeRegions", "ecs:DescribeImages", "ecs:DescribeAvailableResource", "ecs:DescribeImageFromFamily",
        "ecs:DescribeAccountAttributes", "quotas:ListProductQuotas", "bssapi:QueryAccountBalance",
    ),
}  # fmt: skip

UNSEEN: Mapping[str, str] = {
    "ram:PassRole": "RAM asks for it when a machine is given a role; it is no call of its own",
    "ros:DeleteChangeSet": "takes away what a killed update left",
}
"""Actions that are allowed although no test sees them asked for, each with its reason."""


def actions() -> list[str]:
    """Every action, sorted."""
    return sorted({action for needed in VERBS.values() for action in needed} | set(UNSEEN))


def document() -> dict[str, Any]:
    """The policy document, as RAM's console and API take it; one statement per product, to be read easily."""
    products = sorted({action.partition(":")[0] for action in actions()})
    return {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [action for action in actions() if action.partition(":")[0] == product],
                "Resource": "*",
            }
            for product in products
        ],
    }


def verbs_with(action: str) -> list[str]:
    """The verbs that need an action."""
    return [verb for verb, needed in VERBS.items() if action in needed]
