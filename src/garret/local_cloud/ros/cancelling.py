"""CancelUpdateStack and CancelStackOperation: what is under way ends as if it had failed."""

from typing import Any

from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ros import errors, records, requests
from garret.local_cloud.ros.engine import CHANGING, halt_of

OPERATIONS = {"CREATE_IN_PROGRESS": ("CreateStack", "ContinueCreateStack"), "UPDATE_IN_PROGRESS": ("UpdateStack",)}


def cancel_update_stack(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Cancels an update; the stack is rolled back unless the update disabled that."""
    return _cancel(call, cloud, ["UpdateStack"])


def cancel_stack_operation(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Cancels a creation or an update; AllowedStackOperations narrows it to what the caller means."""
    allowed = requests.pick(call.params, "AllowedStackOperations")
    return _cancel(call, cloud, allowed or [one for names in OPERATIONS.values() for one in names])


def _cancel(call: Call, cloud: Cloud, allowed: list[str]) -> dict[str, Any]:
    how = call.params.get("CancelType", "Safe")
    with CHANGING:
        stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
        status = stack["status"]
        if not set(OPERATIONS.get(status, ())) & set(allowed):
            if status.endswith("_IN_PROGRESS"):
                raise errors.action_in_progress(stack["name"], status.removesuffix("_IN_PROGRESS"))
            raise errors.validation_failed(f"{stack['name']} is {status}: there is nothing of this kind to cancel.")
        if status == "UPDATE_IN_PROGRESS" and stack["update"]["made"]:
            text = (
                f"The update of {stack['name']} is done but for what it leaves over; it cannot be cancelled any more."
            )
            raise errors.validation_failed(text)
        cloud.store.update(records.STACK, stack["id"], cancel=how)
        halt = halt_of(cloud, stack["id"])
    if halt is not None:
        halt.cancel(how == "Quick")
    return {}
