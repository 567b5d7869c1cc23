"""After a server that was killed, or an older one: every stack that was in the middle of something goes on."""

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.engine import go_on


def recover(cloud: Cloud) -> None:
    """Takes up the stacks whose last action did not end; what was made already is found again, not made twice."""
    _complete_older_records(cloud)
    for stack in cloud.store.find(records.STACK):
        if stack["status"].endswith("_IN_PROGRESS"):
            go_on(cloud, stack["id"])


def _complete_older_records(cloud: Cloud) -> None:
    """Gives the records of an earlier garret the fields that they did not have."""
    for id, stack in cloud.store.pairs(records.STACK):
        newer = {"parallelism": 0, "begun": stack["create_time"], "update": None, "cancel": "", "change_set": ""}
        if newer.keys() - stack.keys():
            cloud.store.update(records.STACK, id, **{**newer, **stack})
    for id, resource in cloud.store.pairs(records.RESOURCE):
        newer = {"slot": resource["name"], "tags": [], "tried": [], "unsure": not resource["physical_id"]}
        if newer.keys() - resource.keys():
            cloud.store.update(records.RESOURCE, id, **{**newer, **resource})
