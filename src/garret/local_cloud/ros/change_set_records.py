"""Change sets as the store keeps them, and what the life of their stack does to them."""

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import errors, records

CHANGE_SET = "change_set"
DONE_WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def change_set(cloud: Cloud, id: str, region: str) -> records.Body:
    """The change set of this id in this region; raises ChangeSetNotFound."""
    found = cloud.store.get(CHANGE_SET, id)
    if found is None or found["region"] != region:
        raise errors.change_set_not_found(id)
    return found


def of_stack(cloud: Cloud, stack_id: str) -> list[records.Body]:
    """A stack's change sets, oldest first."""
    return cloud.store.find(CHANGE_SET, stack_id=stack_id)


def begun(cloud: Cloud, stack_id: str, used: str = "") -> None:
    """An action of the stack began: what other sets were compared with is no more."""
    for one in of_stack(cloud, stack_id):
        if one["id"] == used:
            cloud.store.update(CHANGE_SET, used, execution="EXECUTE_IN_PROGRESS")
        elif one["execution"] in ("AVAILABLE", "UNAVAILABLE") and one["status"] != "CREATE_FAILED":
            cloud.store.update(CHANGE_SET, one["id"], execution="OBSOLETE")


def ended(cloud: Cloud, stack_id: str, status: str) -> None:
    """The stack has this status now; a set that was carried out has ended with it."""
    if status.endswith("_IN_PROGRESS"):
        return
    for one in of_stack(cloud, stack_id):
        if one["execution"] == "EXECUTE_IN_PROGRESS":
            execution = "EXECUTE_COMPLETE" if status in DONE_WELL else "EXECUTE_FAILED"
            cloud.store.update(CHANGE_SET, one["id"], execution=execution)
