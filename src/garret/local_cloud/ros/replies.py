"""How stacks, resources and events look in an answer."""

from typing import Any

from garret.local_cloud.core import ACCOUNT_ID, Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.parameters import Parameter
from garret.local_cloud.ros.records import told


def stack_row(stack: records.Body) -> dict[str, Any]:
    """One stack as ListStacks tells it."""
    row = {
        "StackId": stack["id"],
        "StackName": stack["name"],
        "RegionId": stack["region"],
        "Status": stack["status"],
        "StatusReason": stack["status_reason"],
        "StackType": "ROS",
        "CreateTime": told(stack["create_time"]),
        "UpdateTime": told(stack["update_time"]),
        "TimeoutInMinutes": stack["timeout_minutes"],
        "DisableRollback": stack["disable_rollback"],
        "DeletionProtection": "Enabled" if stack["deletion_protection"] else "Disabled",
        "ServiceManaged": False,
        "Tags": stack["tags"],
        "StackDriftStatus": stack["drift"]["status"] if stack["drift"] else "NOT_CHECKED",
    }
    if stack["drift"]:
        row["DriftDetectionTime"] = told(stack["drift"]["time"])
    if stack["resource_group"]:
        row["ResourceGroupId"] = stack["resource_group"]
    if stack["parent_id"]:
        row["ParentStackId"] = stack["parent_id"]
    return {**row, "OperationInfo": stack["operation"]} if stack["operation"] else row


def pseudo_rows(stack: records.Body) -> list[dict[str, str]]:
    """The pseudo parameters, which GetStack lists among the others."""
    values = {
        "ALIYUN::StackId": stack["id"],
        "ALIYUN::StackName": stack["name"],
        "ALIYUN::Region": stack["region"],
        "ALIYUN::AccountId": ACCOUNT_ID,
        "ALIYUN::TenantId": ACCOUNT_ID,
        "ALIYUN::NoValue": "None",
    }
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def parameter_rows(parameters: dict[str, Parameter]) -> list[dict[str, str]]:
    """The template's parameters; one with NoEcho shows asterisks."""
    return [{"ParameterKey": one.name, "ParameterValue": one.shown()} for one in parameters.values()]


def resource_row(stack: records.Body, resource: records.Body) -> dict[str, Any]:
    """One resource as ListStackResources tells it."""
    drift = resource["drift"]
    looked = {"DriftDetectionTime": told(drift["time"])} if drift else {}
    return {
        **looked,
        "StackId": stack["id"],
        "StackName": stack["name"],
        "LogicalResourceId": resource["name"],
        "PhysicalResourceId": resource["physical_id"],
        "ResourceType": resource["type"],
        "Status": resource["status"],
        "StatusReason": resource["status_reason"],
        "CreateTime": told(resource["create_time"]),
        "UpdateTime": told(resource["update_time"]),
        "ResourceDriftStatus": drift["status"] if drift else "NOT_CHECKED",
    }


def drift_row(resource: records.Body) -> dict[str, Any]:
    """What was found when one resource was compared with the cloud."""
    drift = resource["drift"]
    return {
        "StackId": resource["stack_id"],
        "LogicalResourceId": resource["name"],
        "PhysicalResourceId": resource["physical_id"],
        "ResourceType": resource["type"],
        "ResourceDriftStatus": drift["status"],
        "DriftDetectionTime": told(drift["time"]),
        "ExpectedProperties": drift["expected"],
        "ActualProperties": drift["actual"],
        "PropertyDifferences": drift["differences"],
    }


def progress(cloud: Cloud, stack: records.Body, option: str) -> dict[str, Any]:
    """ResourceProgress: percentages, or counts while a stack is created."""
    found = records.resources(cloud, stack["id"])
    done = [one for one in found if one["status"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE", records.GONE)]
    if option == "PercentageOnly":
        share = 100.0 * len(done) / len(found) if found else 100.0
        return {"StackActionProgress": round(share, 1), "StackOperationProgress": round(share, 1)}
    busy = [one for one in found if one["status"].endswith("_IN_PROGRESS")]
    failed = [one for one in found if one["status"].endswith("_FAILED")]
    return {
        "TotalResourceCount": len(found),
        "SuccessResourceCount": len(done),
        "FailedResourceCount": len(failed),
        "InProgressResourceCount": len(busy),
        "PendingResourceCount": len(found) - len(done) - len(busy) - len(failed),
        "InProgressResourceDetails": [{"ResourceName": one["name"], "ResourceType": one["type"]} for one in busy],
    }


def localized(text: Any) -> str:
    """A text that may come as {en: …, zh-cn: …}; replies have one text."""
    if isinstance(text, dict):
        return str(text.get("en") or next(iter(text.values()), ""))
    return str(text or "")
