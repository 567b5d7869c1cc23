"""After a server that was killed: every stack that was in the middle of something goes on."""

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.engine import go_on


def recover(cloud: Cloud) -> None:
    """Takes up the stacks whose last action did not end; what was made already is found again, not made twice."""
    for stack in cloud.store.find(records.STACK):
        if stack["status"].endswith("_IN_PROGRESS"):
            go_on(cloud, stack["id"])
