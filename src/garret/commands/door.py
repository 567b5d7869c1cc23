"""What every command shares: its options, the settings, and the cloud they lead to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from garret.console import Console
from garret.errors import UsageError
from garret.settings import PRODUCTS, Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from garret.local_cloud.daemon import CloudRecord
    from garret.local_cloud.home import CloudFile
    from garret.ops.cloud import Cloud
    from garret.ops.crash import Crash
    from garret.ops.deployment import Deployment

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Caller:
    """Who called a command, and how they want to be answered."""

    console: Console
    environment: Mapping[str, str]
    cloud_flag: str | None = None
    region_flag: str | None = None

    def settings(self) -> Settings:
        """The settings; the choice of a cloud that nobody made is told in one line."""
        settings = load_settings(self.environment, cloud=self.cloud_flag, region=self.region_flag)
        if settings.cloud_from == "default":
            why = (
                "credentials were found" if settings.cloud == "aliyun" else "no credentials of Alibaba Cloud were found"
            )
            other = "local" if settings.cloud == "aliyun" else "aliyun"
            self.console.note(f"cloud: {settings.cloud}, since {why}; another with --cloud {other}")
        return settings

    def deployment(self, settings: Settings, name: str | None) -> Deployment:
        """A deployment by its name, or the only one."""
        from garret.ops.deployment import named

        return named(settings.deployments, name)

    def region_of(self, settings: Settings, deployment: Deployment) -> str:
        """The region of a deployment: where it was made, unless another was said."""
        plan = deployment.plan
        return str(plan["region"]) if plan and settings.region_from != "--region" else settings.region

    def cloud(self, settings: Settings, region: str) -> Cloud:
        """The cloud; the local one is started when it is not up."""
        from garret.ops.aliyun.connect import connect

        if settings.cloud == "aliyun":
            return connect("aliyun", region, settings.endpoints, tell=self.console.note)
        from garret.local_cloud.running import running
        from garret.ops.aliyun.session import Keys

        record: CloudFile | CloudRecord | None = running(settings.home)
        if record is None:
            from garret.local_cloud import daemon  # takes its time to load, and is needed only now and then

            driver = self.environment.get("GARRET_LOCAL_DRIVER") or ""
            record = daemon.up(settings.home, driver=driver, tell=self.console.note)
        endpoints = dict.fromkeys(PRODUCTS, record.endpoint) | dict(settings.endpoints)
        keys = Keys(record.access_key_id, record.access_key_secret)
        return connect("local", region, endpoints, keys, tell=self.console.note, scheme=local_scheme(settings.home))

    def cloud_of(self, settings: Settings, deployment: Deployment) -> Cloud:
        """The cloud that a deployment is on; none is started just to find nothing there.

        Raises:
            UsageError: there can be no such deployment.
        """
        if not self.has_cloud(settings) and not deployment.journal.entries():
            raise UsageError(
                f"there is no deployment {deployment.name} on {settings.cloud}",
                f"garret list; to make one: garret deploy {deployment.name}",
            )
        return self.cloud(settings, self.region_of(settings, deployment))

    def there(self, name: str | None) -> Deployment:
        """A deployment by its name, or the only one, whose cloud can be asked; the local one is started for it.

        Raises:
            UsageError: there can be no such deployment.
        """
        settings = self.settings()
        deployment = self.deployment(settings, name)
        self.cloud_of(settings, deployment)
        return deployment

    def has_cloud(self, settings: Settings) -> bool:
        """Say whether there can be anything: a local cloud that was never up holds nothing."""
        return settings.cloud == "aliyun" or (settings.home / "local-cloud").is_dir()

    def crash(self) -> Crash:
        """Where to die, if anywhere."""
        from garret.ops.crash import Crash

        return Crash.from_environment(self.environment)


def local_scheme(home: Path) -> str:
    """What the services of the local cloud's nodes speak."""
    from garret.local_cloud.home import Home
    from garret.local_cloud.nodes.choice import chosen

    choice = chosen(Home(home))
    return choice.scheme if choice else "http"


def output_options(function: Function) -> Function:
    """Add --json and --debug, and hand the function a Caller in their place."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @wraps(function)
    def wrapped(as_json: bool, debug: bool, **options: Any) -> Any:
        cloud, region = options.pop("cloud", None), options.pop("region", None)
        caller = Caller(Console(as_json=as_json, debug=debug), os.environ, cloud, region)
        return function(caller, **options)

    return wrapped  # type: ignore[return-value]


def cloud_options(function: Function) -> Function:
    """Add --cloud and --region, which go into the Caller, and what every command has."""
    function = output_options(function)
    function = click.option("--region", help="Region, for example cn-hangzhou.")(function)
    return click.option("--cloud", help="aliyun, or local: an Alibaba Cloud on this machine.")(function)


def name_option(function: Function) -> Function:
    """Add --name; without it, the only deployment is meant."""
    return click.option("--name", help="Which deployment; needed only when there are several.")(function)
