"""Who acts, and where: cloud, region, endpoints and state folder. Flags, then environment, then file, then defaults."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from garret.errors import SettingsError

CLOUDS = ("aliyun", "local")
DEFAULT_REGION = "cn-hangzhou"
PRODUCTS = ("ros", "ecs", "vpc", "oos", "sts", "ram", "quotas", "bssopenapi")
CONFIG_KEYS = ("cloud", "region", "endpoints")

_REGION = re.compile(r"[a-z]{2}-[a-z0-9]+(-[a-z0-9]+)*")
_KEY_PAIR = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")
_OIDC = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
_CREDENTIAL_FILES = (".aliyun/config.json", ".alibabacloud/credentials", ".alibabacloud/credentials.ini")
_ENDPOINT_HINT = "for example GARRET_ENDPOINT_ROS=https://ros.cn-hangzhou.aliyuncs.com"


@dataclass(frozen=True)
class Settings:
    """What a command acts with; `cloud_from` and `region_from` say where the choice was made."""

    home: Path
    cloud: str
    cloud_from: str
    region: str = DEFAULT_REGION
    region_from: str = "default"
    endpoints: Mapping[str, str] = field(default_factory=dict)

    @property
    def deployments(self) -> Path:
        """The folder of what we remember about this cloud's deployments."""
        return self.home / "deployments" / self.cloud


def load_settings(environment: Mapping[str, str], *, cloud: str | None = None, region: str | None = None) -> Settings:
    """Put the settings together; the flags are given by name, None where they were not said.

    Raises:
        SettingsError: names the flag, variable or line of the file that is wrong, and what to type.
    """
    home = home_folder(environment)
    file = read_config(home / "config.yaml")
    chosen, cloud_from = _first(
        (cloud, "--cloud"),
        (environment.get("GARRET_CLOUD"), "GARRET_CLOUD"),
        (file.get("cloud"), str(home / "config.yaml")),
        (_default_cloud(environment), "default"),
    )
    if chosen not in CLOUDS:
        raise SettingsError(
            f"{cloud_from}: there is no cloud {chosen!r}; clouds are {' and '.join(CLOUDS)}", _CLOUD_HINT
        )
    where, region_from = _first(
        (region, "--region"),
        (environment.get("GARRET_REGION"), "GARRET_REGION"),
        (file.get("region"), str(home / "config.yaml")),
        (DEFAULT_REGION, "default"),
    )
    if not _REGION.fullmatch(where):
        raise SettingsError(f"{region_from}: {where!r} is not a region", f"for example --region {DEFAULT_REGION}")
    return Settings(home, chosen, cloud_from, where, region_from, _endpoints(environment, file))


_CLOUD_HINT = "garret deploy --cloud local   (an Alibaba Cloud on this machine; costs nothing)"


def home_folder(environment: Mapping[str, str]) -> Path:
    """The state folder: GARRET_HOME, else ~/.garret.

    Raises:
        SettingsError: GARRET_HOME is, or lies below, something that is no folder.
    """
    if said := environment.get("GARRET_HOME"):
        path = Path.cwd() / Path(said).expanduser()
        there = next((one for one in (path, *path.parents) if one.exists()), path)
        if there.exists() and not there.is_dir():
            raise SettingsError(f"GARRET_HOME: {there} is not a folder", "set GARRET_HOME to a folder, or unset it")
        return path
    return _user_home(environment) / ".garret"


def read_config(path: Path) -> dict[str, Any]:
    """Read config.yaml; an absent file says nothing.

    Raises:
        SettingsError: the file is no mapping, or holds a key that is not known.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise SettingsError(f"{path}: not readable: {reason}", f"correct or remove {path}") from None
    import yaml

    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not readable as YAML: {error}", f"correct or remove {path}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: not a mapping", "for example one line: cloud: local")
    for key, value in values.items():
        if key not in CONFIG_KEYS:
            raise SettingsError(f"{path}: {key!r} is not a setting", f"settings are: {', '.join(CONFIG_KEYS)}")
        wanted = dict if key == "endpoints" else str
        if not isinstance(value, wanted):
            raise SettingsError(
                f"{path}: {key} should be a {'mapping' if wanted is dict else 'text'}", f"correct {path}"
            )
    return values


def credentials_resolve(environment: Mapping[str, str]) -> bool:
    """Say whether the official chain would find credentials, by looking at names and files only.

    The chain's last rung, the metadata service of an ECS instance, is never asked: off the cloud that is a wait for
    an address that does not answer. Whoever runs garret on such an instance says `--cloud aliyun`.
    """
    return bool(credential_source(environment))


def credential_source(environment: Mapping[str, str]) -> str:
    """The first rung of the official chain that holds, in words; empty when none does. What it holds is not read."""
    if all(environment.get(name) for name in _KEY_PAIR):
        return f"the environment ({_KEY_PAIR[0]})"
    if all(environment.get(name) for name in _OIDC):
        return f"the environment, by OIDC ({_OIDC[0]})"
    if file := next((file for file in credential_files(environment) if file.is_file()), None):
        return str(file)
    named = ("ALIBABA_CLOUD_ECS_METADATA", "ALIBABA_CLOUD_CREDENTIALS_URI")
    return next((f"the environment ({name})" for name in named if environment.get(name)), "")


def credential_files(environment: Mapping[str, str]) -> list[Path]:
    """The files in which the official chain looks for credentials."""
    files = [_user_home(environment) / name for name in _CREDENTIAL_FILES]
    if said := environment.get("ALIBABA_CLOUD_CREDENTIALS_FILE"):
        files.append(Path(said))
    return files


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, by its name or number alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _default_cloud(environment: Mapping[str, str]) -> str:
    return "aliyun" if credentials_resolve(environment) else "local"


def _user_home(environment: Mapping[str, str]) -> Path:
    return Path(environment["HOME"]) if environment.get("HOME") else Path.home()


def _first(*candidates: tuple[str | None, str]) -> tuple[str, str]:
    return next((value, source) for value, source in candidates if value)


def _endpoints(environment: Mapping[str, str], file: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for product, value in (file.get("endpoints") or {}).items():
        if product not in PRODUCTS:
            raise SettingsError(
                f"config.yaml: endpoints: {product!r} is not one of {', '.join(PRODUCTS)}", _ENDPOINT_HINT
            )
        found[product] = _endpoint(f"config.yaml: endpoints.{product}", str(value))
    for product in PRODUCTS:
        name = f"GARRET_ENDPOINT_{product.upper()}"
        if value := environment.get(name):
            found[product] = _endpoint(name, value)
    return found


def _endpoint(name: str, value: str) -> str:
    text = value if "://" in value else f"https://{value}"
    try:
        parts = urlsplit(text)
        _ = parts.port  # a ValueError when it is none
    except ValueError as error:
        raise SettingsError(f"{name}: {value!r} is not an endpoint: {error}", _ENDPOINT_HINT) from None
    if parts.username or parts.password:
        raise SettingsError(f"{name}: an endpoint holds no login", _ENDPOINT_HINT)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise SettingsError(f"{name}: {value!r} is not an endpoint", _ENDPOINT_HINT)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(
            f"{name}: {value!r} sends signed requests in the clear", "http is for loopback only; use https"
        )
    return f"{parts.scheme}://{parts.netloc}"
