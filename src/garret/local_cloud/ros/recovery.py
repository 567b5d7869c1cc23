"""After a server that was killed, or an older one: every stack that was in the middle of something goes on."""

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.change_set_records import CHANGE_SET
from garret.local_cloud.ros.change_sets import compare
from garret.local_cloud.ros.drifting import DETECTION, look
from garret.local_cloud.ros.engine import go_on

_STACK: records.Body = {
    "parallelism": 0, "update": None, "cancel": "", "again": [], "drift": None, "parent_id": "", "resource_group": "",
}  # fmt: skip
_RESOURCE: records.Body = {"tags": [], "tried": [], "unsure": True, "drift": None}


def recover(cloud: Cloud) -> None:
    """Takes up the stacks whose last action did not end; what was made already is found again, not made twice."""
    _complete_older_records(cloud)
    for stack in cloud.store.find(records.STACK):
        if stack["status"].endswith("_IN_PROGRESS"):
            go_on(cloud, stack["id"])
    for id, body in cloud.store.pairs(CHANGE_SET):
        if body["status"] == "CREATE_IN_PROGRESS":
            compare(cloud, id)
    for id, body in cloud.store.pairs(DETECTION):
        if body["status"] == "DETECTION_IN_PROGRESS":
            look(cloud, id)


def _complete_older_records(cloud: Cloud) -> None:
    """Gives the records of an earlier garret the fields that they did not have."""
    for id, stack in cloud.store.pairs(records.STACK):
        _complete(cloud, records.STACK, id, stack, {**_STACK, "begun": stack["create_time"]})
    for id, resource in cloud.store.pairs(records.RESOURCE):
        _complete(cloud, records.RESOURCE, id, resource, {**_RESOURCE, "slot": resource["name"]})


def _complete(cloud: Cloud, kind: str, id: str, body: records.Body, newer: records.Body) -> None:
    missing = {key: value for key, value in newer.items() if key not in body}
    if missing:
        cloud.store.update(kind, id, **missing)
