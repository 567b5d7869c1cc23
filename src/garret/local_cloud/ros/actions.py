"""ROS 2019-09-10: the actions that the local cloud has, and what each of them leaves out."""

from typing import Any

from garret.local_cloud.core import Action, ApiError, Call, Cloud, Parameter
from garret.local_cloud.params import flag
from garret.local_cloud.ros import (
    cancelling,
    change_sets,
    constraints,
    continuing,
    creating,
    deleting,
    drifting,
    errors,
    looking,
    planning,
    policies,
    protecting,
    records,
    requests,
    updating,
    waitcondition,
)

REGION = Parameter("RegionId", required=True)
RESOURCE_TYPE = Parameter("ResourceType", required=True)
RESOURCE_IDS = Parameter("ResourceId.N", required=True)
CANCEL_TYPE = Parameter("CancelType", choices=("Quick", "Safe"))
CHANGE_SET_ID = Parameter("ChangeSetId", required=True)
STACK_ID = Parameter("StackId", required=True)
PAGES = (Parameter("PageNumber", kind="integer"), Parameter("PageSize", kind="integer"))


def create_stack(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Checks the template, records the stack and starts making it."""
    wanted = requests.wanted(call)
    token = requests.client_token(call)
    return {"StackId": creating.create(cloud, call, wanted, token, requests.fingerprint(call))}


def update_stack(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Checks the template against the stack, records the update and starts it."""
    wanted, token = requests.update(call), requests.client_token(call)
    return {"StackId": updating.update(cloud, call, wanted, token, requests.fingerprint(call))}


def delete_stack(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Starts deleting a stack, the resource made last first."""
    requests.refuse_what_is_not_emulated(call)
    retain = requests.pick(call.params, "RetainResources")
    everything = flag(call.params, "RetainAllResources")
    deleting.delete(cloud, call.params["StackId"], requests.region_of(call), retain, everything)
    return {}


def signal_resource(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Sends a signal to a handle (or to the condition that waits on it) without the handle's address."""
    stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
    name, unique = call.params["LogicalResourceId"], call.params["UniqueId"]
    resource = records.resource(cloud, stack["id"], name)
    if resource is None:
        raise errors.resource_not_found(name, stack["id"])
    if len(unique) > 64:
        raise errors.invalid_parameter("UniqueId", "it must have 1 to 64 characters")
    if resource["type"] == "ALIYUN::ROS::WaitCondition" and resource["properties"]:
        name = str(resource["properties"]["Handle"]).partition("/")[2]
    elif resource["type"] != "ALIYUN::ROS::WaitConditionHandle":
        raise ApiError("StackValidationFailed", f"{name} is a {resource['type']}; only handles take signals.")
    waitcondition.add(cloud, stack["id"], name, {"status": call.params["Status"], "id": unique})
    return {}


ACTIONS: dict[str, Action] = {
    "ValidateTemplate": Action(
        planning.validate_template, note="template text only; resource types and functions must be emulated"
    ),
    "PreviewStack": Action(
        planning.preview_stack, (REGION,), "new stacks, or with StackId what an update would change"
    ),
    "GetTemplateSummary": Action(planning.get_template_summary, note="template text only"),
    "GetTemplateParameterConstraints": Action(
        constraints.get_template_parameter_constraints,
        (REGION, Parameter("ParametersKeyFilter", kind="json"), Parameter("ParametersOrder", kind="json")),
        "InstanceType, ZoneId and disk categories by what the local cloud sells; the order is not heeded",
    ),
    "GenerateTemplatePolicy": Action(
        policies.generate_template_policy,
        note="exact actions of the types' own calls; no GenerateOptions, all resources",
    ),
    "GetTemplateEstimateCost": Action(
        planning.get_template_estimate_cost, (REGION,), "one hour by made-up prices; new stacks only"
    ),
    "CreateStack": Action(
        create_stack,
        (
            REGION,
            Parameter("StackName", required=True),
            Parameter("DisableRollback", kind="boolean"),
            Parameter("DeletionProtection", choices=("Enabled", "Disabled")),
            Parameter("TimeoutInMinutes", kind="integer"),
            Parameter("Parallelism", kind="integer"),
        ),
        "no stack policy, RAM role, notification or template by URL",
    ),
    "UpdateStack": Action(
        update_stack,
        (
            REGION,
            STACK_ID,
            Parameter("DisableRollback", kind="boolean"),
            Parameter("DryRun", kind="boolean"),
            Parameter("Parallelism", kind="integer"),
            Parameter("ReplacementOption", choices=("Enabled", "Disabled")),
            Parameter("TimeoutInMinutes", kind="integer"),
            Parameter("UsePreviousParameters", kind="boolean"),
        ),
        "a replaced resource is made anew before the old one goes; when only the clearing away fails the stack is "
        "UPDATE_FAILED with the new template; no stack policy, RAM role, tainted resources or template by URL",
    ),
    "ContinueCreateStack": Action(
        continuing.continue_create_stack,
        (
            REGION,
            STACK_ID,
            Parameter("DryRun", kind="boolean"),
            Parameter("Mode", choices=("Recreate", "Ignore")),
            Parameter("Parallelism", kind="integer"),
        ),
        "of stacks that are CREATE_FAILED; what is named in RecreatingResources is made anew with all that needs it",
    ),
    "CancelUpdateStack": Action(
        cancelling.cancel_update_stack, (REGION, STACK_ID, CANCEL_TYPE), "Safe unless CancelType says otherwise"
    ),
    "CancelStackOperation": Action(
        cancelling.cancel_stack_operation, (REGION, STACK_ID, CANCEL_TYPE), "creations and updates"
    ),
    "DetectStackDrift": Action(drifting.detect_stack_drift, (REGION, STACK_ID)),
    "DetectStackResourceDrift": Action(
        drifting.detect_stack_resource_drift, (REGION, STACK_ID, Parameter("LogicalResourceId", required=True))
    ),
    "GetStackDriftDetectionStatus": Action(
        drifting.get_stack_drift_detection_status, (REGION, Parameter("DriftDetectionId", required=True))
    ),
    "ListStackResourceDrifts": Action(
        drifting.list_stack_resource_drifts, (REGION, STACK_ID, Parameter("MaxResults", kind="integer"))
    ),
    "SetDeletionProtection": Action(
        protecting.set_deletion_protection,
        (REGION, STACK_ID, Parameter("DeletionProtection", required=True, choices=("Enabled", "Disabled"))),
    ),
    "TagResources": Action(
        protecting.tag_resources, (REGION, RESOURCE_TYPE, RESOURCE_IDS), "stacks only; not carried to their resources"
    ),
    "UntagResources": Action(
        protecting.untag_resources,
        (REGION, RESOURCE_TYPE, RESOURCE_IDS, Parameter("All", kind="boolean")),
        "stacks only",
    ),
    "ListTagResources": Action(protecting.list_tag_resources, (REGION, RESOURCE_TYPE), "stacks only, in one page"),
    "CreateChangeSet": Action(
        change_sets.create_change_set,
        (
            REGION,
            Parameter("ChangeSetName", required=True),
            Parameter("ChangeSetType", choices=("CREATE", "UPDATE", "IMPORT")),
            Parameter("DisableRollback", kind="boolean"),
            Parameter("Parallelism", kind="integer"),
            Parameter("ReplacementOption", choices=("Enabled", "Disabled")),
            Parameter("TimeoutInMinutes", kind="integer"),
            Parameter("UsePreviousParameters", kind="boolean"),
        ),
        "CREATE and UPDATE; an update that would change nothing ends as CREATE_FAILED",
    ),
    "GetChangeSet": Action(change_sets.get_change_set, (REGION, CHANGE_SET_ID)),
    "ListChangeSets": Action(change_sets.list_change_sets, (REGION, STACK_ID, *PAGES)),
    "ExecuteChangeSet": Action(
        change_sets.execute_change_set, (REGION, CHANGE_SET_ID), "refused once the stack has done anything else"
    ),
    "DeleteChangeSet": Action(change_sets.delete_change_set, (REGION, CHANGE_SET_ID), "the stack stays"),
    "GetStack": Action(
        looking.get_stack,
        (
            REGION,
            STACK_ID,
            Parameter("OutputOption", choices=("Enabled", "Disabled")),
            Parameter("ShowResourceProgress", choices=("Disabled", "PercentageOnly", "EnabledIfCreateStack")),
        ),
        "no logs; a deleted stack answers for one hour",
    ),
    "ListStacks": Action(looking.list_stacks, (REGION, *PAGES), "no resource groups"),
    "ListStackEvents": Action(looking.list_stack_events, (REGION, STACK_ID, *PAGES)),
    "ListStackResources": Action(looking.list_stack_resources, (REGION, STACK_ID)),
    "GetStackResource": Action(
        looking.get_stack_resource, (REGION, STACK_ID, Parameter("LogicalResourceId", required=True))
    ),
    "GetTemplate": Action(looking.get_template, (), "templates of stacks and change sets only, as they were passed"),
    "DeleteStack": Action(
        delete_stack, (REGION, STACK_ID, Parameter("RetainAllResources", kind="boolean")), "no options, no RAM role"
    ),
    "SignalResource": Action(
        signal_resource,
        (
            REGION,
            STACK_ID,
            Parameter("LogicalResourceId", required=True),
            Parameter("Status", required=True, choices=waitcondition.STATUSES),
            Parameter("UniqueId", required=True),
        ),
    ),
}
