"""Autostop: when a node stops itself, told to the node that runs, and remembered here for the one that does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from garret.errors import UsageError
from garret.ops import release
from garret.ops.cloud import Cloud
from garret.ops.deployment import Deployment, flag
from garret.ops.endpoint import endpoint_at
from garret.ops.power import machine_of
from garret.ops.work import Work

PATH = "/machine/autostop"
SETTINGS = ("idle_s", "learn", "stop_by", "time_zone", "delete_after_s")
TELL_S = 15.0


def run(work: Work) -> dict[str, Any]:
    """The verb `autostop`: the settings that are to change."""
    with work.deployment.journal.locked(), work.task("autostop"):
        return change(work.cloud, work.deployment, work.parameters)


def change(cloud: Cloud, deployment: Deployment, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Change some of the settings; the caller holds the journal's lock.

    Raises:
        UsageError: the node may not stop itself, or does not take the settings; says which.
    """
    check(deployment, wanted)
    machine = machine_of(cloud, deployment)
    settings = known(deployment) | dict(wanted)
    facts: dict[str, Any] = {}
    if machine.status == "Running":
        bring(deployment)
        facts = endpoint_of(deployment).put(PATH, dict(wanted), TELL_S)
        settings = {name: facts.get({"idle_s": "after_s"}.get(name, name), settings[name]) for name in SETTINGS}
    deployment.journal.append("autostop", settings=settings, told=bool(facts))
    _remember(deployment, settings)
    at = machine.release_at
    if machine.status == "Stopped" and "delete_after_s" in wanted:
        at = _at(settings["delete_after_s"])
        cloud.instances.release(machine.id, at)
    return {
        "name": deployment.name,
        "state": machine.status.lower(),
        "settings": settings,
        "autostop": facts or None,
        "release_at": at,
    }


def bring(deployment: Deployment) -> None:
    """Tell a node that has come up what was asked for while it was stopped; nothing where it knows all."""
    last = deployment.journal.last("autostop")
    if last is not None and not last.get("told"):
        endpoint_of(deployment).put(PATH, known(deployment), TELL_S)
        deployment.journal.append("autostop", settings=known(deployment), told=True)


def is_forgotten(deployment: Deployment) -> None:
    """Note that the node no longer knows what it was told, for its disk is what it was earlier."""
    if deployment.journal.last("autostop") is not None:
        deployment.journal.append("autostop", settings=known(deployment), told=False)


def known(deployment: Deployment) -> dict[str, Any]:
    """The settings as they were told last, else as it was deployed."""
    told = (deployment.journal.last("autostop") or {}).get("settings") or {}
    spec = (deployment.plan or {}).get("spec") or {}
    idle: dict[str, Any] = {"idle_s": 60.0 * (spec.get("autostop_min") or 0)}
    none: dict[str, Any] = {"learn": False, "stop_by": "", "time_zone": "+00:00", "delete_after_s": 0.0}
    return idle | none | {name: value for name, value in told.items() if name in SETTINGS}


def shown(cloud: Cloud, deployment: Deployment) -> dict[str, Any]:
    """What the node says of it now, or what is remembered of one that does not run; changes nothing."""
    machine = machine_of(cloud, deployment)
    facts = endpoint_of(deployment).get("/machine", TELL_S).get("autostop") if machine.status == "Running" else None
    return {
        "name": deployment.name,
        "state": machine.status.lower(),
        "settings": known(deployment),
        "autostop": facts,
        "release_at": machine.release_at,
    }


def check(deployment: Deployment, wanted: Mapping[str, Any]) -> None:
    """Refuse what this deployment cannot do."""
    plan, name = deployment.plan, deployment.name
    if plan is None:
        raise UsageError(f"{name} is not deployed", f"garret deploy{flag(name)}")
    after = known(deployment) | dict(wanted)
    if not (after["idle_s"] or after["stop_by"]) and not wanted.get("delete_after_s"):
        return
    if plan["spec"].get("charge_type") == "Subscription":
        raise UsageError(
            f"{name} is paid for in advance, whether it runs or not; stopping it saves nothing", "garret cost"
        )
    needed = "ecs:ModifyInstanceAutoReleaseTime" if wanted.get("delete_after_s") else "ecs:StopInstance"
    if (after["idle_s"] or after["stop_by"]) and not role_allows(plan["template"], needed):
        raise UsageError(
            f"{name} was deployed so that its node may not stop itself: its template gives it no {needed}",
            f"garret deploy{flag(name)} --autostop 60m --replace   (makes the node anew; its models are lost)",
        )


def role_allows(template: str, action: str) -> bool:
    """Whether the node of a template that was rendered earlier has a role that allows an action."""
    from garret.templates.text import read_template

    role = read_template(template)["Resources"].get("NodeRole") or {}
    return action in json.dumps(role)


def endpoint_of(deployment: Deployment) -> Any:
    """The service of a deployment.

    Raises:
        UsageError: this machine has no token for it.
    """
    login = deployment.login
    if login is None or not login.endpoint:
        raise UsageError(f"this machine has no token for {deployment.name}", "say it on the machine that deployed it")
    return endpoint_at(login)


def _remember(deployment: Deployment, settings: Mapping[str, Any]) -> None:
    """Have the deployment's own fields say the same, so that a deploy changes nothing back."""
    spec = dict((deployment.plan or {}).get("spec") or {})
    minutes = round(float(settings["idle_s"]) / 60)
    if spec and spec.get("autostop_min") != minutes:
        deployment.journal.append("updated", spec=spec | {"autostop_min": minutes})


def _at(seconds: float) -> str:
    return release.text_of(datetime.now(UTC) + timedelta(seconds=seconds)) if seconds else ""
