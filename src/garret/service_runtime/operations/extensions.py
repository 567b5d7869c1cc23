"""The operations on extensions that are there: on, off, away. Each has the service begin anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from garret.service_runtime.extensions.registry import DISABLED, ENABLED, NEW, PROVEN, Extension, Registry
from garret.service_runtime.extensions.registry import UnknownExtension as Unknown
from garret.service_runtime.extensions.watching import START_S, NotReady, begin_anew, wait_until_gone, wait_until_ready
from garret.service_runtime.life import look
from garret.service_runtime.operations.install_extension import NotInstalled, alone, facts, try_it
from garret.service_runtime.operations.run import Run, WrongParameter
from garret.service_runtime.settings import ServiceSettings


def list_extensions(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the extensions, and the folders beside theirs that nobody installed by the operation."""
    for name in parameters:
        raise WrongParameter(name, "is not a parameter of list-extensions")
    registry = Registry(run.settings)
    return {"extensions": [facts(one) for one in registry.all()], "strangers": registry.strangers()}


def enable_extension(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an extension on; it is taken back like a new one when the service is not ready with it."""
    with alone(run):
        extension = _named(run, parameters)
        if extension.is_on and not extension.trial:
            return {**facts(extension), "changed": False}
        return {**try_it(run, replace(extension, state=ENABLED, trial=NEW, failure=None), START_S), "changed": True}


def disable_extension(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an extension off."""
    with alone(run):
        extension = _named(run, parameters)
        if not extension.is_on:
            return {**facts(extension), "changed": False}
        registry = Registry(run.settings)
        with registry.locked():
            off = registry.save(replace(extension, state=DISABLED, trial=PROVEN, previous=None))
        with run.task("restart"):
            restart(run.settings)
        return {**facts(off, runs=look(run.settings.state_dir) is not None), "changed": True}


def remove_extension(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an extension off and delete it."""
    with alone(run):
        extension, registry = _named(run, parameters), Registry(run.settings)
        if extension.is_on:
            with registry.locked():
                registry.save(replace(extension, state=DISABLED, trial=PROVEN))
            with run.task("restart"):
                restart(run.settings)
        with run.task("delete"):
            registry.remove(extension.name)
        return {"name": extension.name, "version": extension.version, "changed": True}


def restart(settings: ServiceSettings) -> None:
    """Have the service begin anew, and wait until it is ready."""
    try:
        before = begin_anew(settings)
        if before is None:
            return
        wait_until_gone(settings, before)
        if not wait_until_ready(settings, before, lambda: False, START_S):
            raise NotReady(f"the service was not ready within {START_S:g} s")
    except NotReady as error:
        raise NotInstalled(str(error), "garret logs shows why; garret ops restart-service") from None


def _named(run: Run, parameters: Mapping[str, Any]) -> Extension:
    name = parameters.get("name")
    if set(parameters) != {"name"} or not isinstance(name, str):
        raise WrongParameter("name", "is what this operation takes, and nothing else", "garret ops extensions list")
    try:
        return Registry(run.settings).get(name)
    except Unknown as error:
        raise WrongParameter("name", str(error), "garret ops extensions list") from None
