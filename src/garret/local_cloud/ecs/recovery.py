"""What ECS does when the server starts after an end that nobody planned."""

from __future__ import annotations

from garret.local_cloud.core import Cloud
from garret.local_cloud.ecs import assistant, freezing, lifecycle, releasing, spot


def recover(cloud: Cloud) -> None:
    """Adopt nodes that still run, boot those that should, finish stops and deletes, close commands that were lost."""
    for body in cloud.store.find("instance"):
        id = body["InstanceId"]
        if body["Goal"] == lifecycle.RUNNING and body["Made"]:
            alive = cloud.driver.alive(id)
            cloud.store.update("instance", id, Status="Running" if alive else "Starting")
        # A driver may keep in memory what it was told of addresses and rules: it is told again.
        told = "" if lifecycle.public_address(body) else body["AddressTold"]
        cloud.store.update("instance", id, GuardTold="", AddressTold=told)
        lifecycle.settle_soon(cloud, id)
    freezing.recover(cloud)
    spot.notice(cloud)
    releasing.notice(cloud)
    assistant.recover(cloud)
