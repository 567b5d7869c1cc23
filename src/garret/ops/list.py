"""List: every deployment, those this machine remembers and those only the cloud knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from garret.ops.cloud import DEPLOYMENT_TAG, Cloud
from garret.ops.deployment import Deployment
from garret.ops.journal import Journal, journals
from garret.ops.status import Status, status

AT_ONCE = 4


def list_deployments(folder: Path, regions: Iterable[str], connect: Callable[[str], Cloud]) -> list[Status]:
    """One status per deployment, by name; `regions` are looked through besides those of the journals."""
    known = {journal.folder.name: Deployment(journal.folder.name, journal) for journal in journals(folder)}
    where = {name: str(plan["region"]) for name, deployment in known.items() if (plan := deployment.plan)}
    clouds = {region: connect(region) for region in {*regions, *where.values()}}
    for region, cloud in clouds.items():
        for stack in cloud.stacks.tagged():
            if name := stack.tags.get(DEPLOYMENT_TAG):
                where.setdefault(name, region)
                known.setdefault(name, Deployment(name, Journal(folder / name)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(
            lambda name: status(clouds[where[name]], known[name], where[name], closely=False), sorted(where)
        )
        return [one for one in found if one.state != "absent"]
