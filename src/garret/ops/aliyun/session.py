"""One set of credentials, region and endpoints, and the SDK clients made from it when they are first needed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from garret.errors import CloudError, SettingsError
from garret.ops.aliyun.products import PRODUCTS, WITHOUT_REGION, default_domain
from garret.ops.aliyun.retries import silent, with_retries
from garret.ops.aliyun.signed import SignedReader
from garret.ops.cloud import SystemClock
from garret.service_runtime.acs3 import AccessKeys
from garret.settings import is_loopback

if TYPE_CHECKING:
    from garret.ops.roles import Clock

Reply = TypeVar("Reply")
Keys = AccessKeys

CONNECT_TIMEOUT_MS = 5_000
READ_TIMEOUT_MS = 30_000
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass
class Session:
    """How the products are reached; without `keys`, the environment's own, else the official credential chain's.

    Reads that a person waits for go through `read`, which imports no SDK. Writes go through the typed clients, and
    what neither of these knows through the vendor's core SDK (`common`). `tell` hears why a call is sent again.
    """

    region: str
    endpoints: Mapping[str, str] = field(default_factory=dict)
    keys: Keys | None = None
    clock: Clock = field(default_factory=SystemClock)
    tell: Callable[[str], None] = silent

    def __post_init__(self) -> None:
        """Take proxies out of the way of a loopback endpoint: neither SDK heeds NO_PROXY."""
        if any(is_loopback(urlsplit(endpoint).hostname or "") for endpoint in self.endpoints.values()):
            for name in _PROXIES:
                os.environ.pop(name, None)

    def call(self, action: str, send: Callable[[], Reply], *, again: bool = True) -> Reply:
        """Send one call; `again` says that sending it twice does no harm."""
        return with_retries(action, send, again=again, clock=self.clock, tell=self.tell)

    def read(
        self, product: str, action: str, parameters: Mapping[str, Any] | None = None, *, region: str = ""
    ) -> dict[str, Any]:
        """The answer to an action that changes nothing, by a signed request of the standard library.

        Parameters may be nested ({"Tag": [{"Key": "a"}]}); None is left out. RegionId is the session's, and so is the
        place that is asked, unless another `region` is said.

        Raises:
            CloudError: the last answer, after what may pass was asked again.
        """
        wanted = dict(parameters or {})
        if PRODUCTS[product].regional and action not in WITHOUT_REGION:
            wanted.setdefault("RegionId", region or self.region)
        endpoint = self.endpoint(product, region)
        return self.call(action, lambda: self._reader.ask(endpoint, product, action, wanted, self._resolved()))

    def endpoint(self, product: str, region: str = "") -> str:
        """Where a product answers for this session, as a URL."""
        return self.endpoints.get(product) or f"https://{default_domain(product, region or self.region)}"

    @cached_property
    def _reader(self) -> SignedReader:
        return SignedReader()

    @cached_property
    def ros(self) -> Any:
        """The typed ROS client."""
        from alibabacloud_ros20190910.client import Client

        return Client(self._config("ros"))

    @cached_property
    def ecs(self) -> Any:
        """The typed ECS client."""
        from alibabacloud_ecs20140526.client import Client

        return Client(self._config("ecs"))

    @cached_property
    def oos(self) -> Any:
        """The typed OOS client."""
        from alibabacloud_oos20190601.client import Client

        return Client(self._config("oos"))

    def common(self, product: str, action: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Ask a product for which no typed client of ours exists; reads only."""
        from aliyunsdkcore.http import protocol_type
        from aliyunsdkcore.request import CommonRequest

        request = CommonRequest()
        endpoint = urlsplit(self.endpoint(product))
        request.set_domain(endpoint.netloc)
        # The SDK's own default is http, and it knows https only by identity: an equal text would go in the clear.
        request.set_protocol_type(protocol_type.HTTP if endpoint.scheme == "http" else protocol_type.HTTPS)
        request.set_version(PRODUCTS[product].version)
        request.set_action_name(action)
        request.set_method("POST")
        for name, value in ({"RegionId": self.region} | dict(parameters)).items():
            request.add_query_param(name, value)
        body = self.call(action, lambda: self._core.do_action_with_exception(request))
        try:
            reply = json.loads(body)
        except ValueError:
            raise CloudError(action, "NotJson", "the answer is not JSON", retryable=True) from None
        if not isinstance(reply, dict):
            raise CloudError(action, "NotJson", "the answer is not a JSON object", retryable=True)
        return reply

    @cached_property
    def _credential(self) -> Any:
        if not (os.environ.get("ALIBABA_CLOUD_ECS_METADATA") or on_ecs()):
            # The chain's last rung; off the cloud it is a wait for an address that does not answer.
            os.environ.setdefault("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        import logging

        from alibabacloud_credentials.client import Client

        # It writes a traceback for every rung that holds; what is missing is said once, in our words.
        logging.getLogger("credentials").setLevel(logging.CRITICAL + 1)
        return Client()

    def _resolved(self) -> Keys:
        if known := self.keys or environment_keys(os.environ):
            return known
        try:
            found = self._credential.get_credential()
        except Exception as error:
            raise SettingsError(
                f"no credentials for Alibaba Cloud were found ({type(error).__name__})",
                "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or say --cloud local",
            ) from error
        return Keys(found.access_key_id, found.access_key_secret, found.security_token or "")

    @cached_property
    def _core(self) -> Any:
        from aliyunsdkcore.auth.credentials import StsTokenCredential
        from aliyunsdkcore.client import AcsClient

        keys = self._resolved()
        # Our own tries cover more codes than the SDK's.
        options: dict[str, Any] = {"region_id": self.region, "timeout": READ_TIMEOUT_MS // 1000, "auto_retry": False}
        if keys.security_token:
            token = StsTokenCredential(keys.access_key_id, keys.access_key_secret, keys.security_token)
            return AcsClient(credential=token, **options)
        return AcsClient(keys.access_key_id, keys.access_key_secret, **options)

    def _config(self, product: str) -> Any:
        from alibabacloud_tea_openapi.models import Config

        options: dict[str, Any] = {
            "region_id": self.region,
            "protocol": "https",
            "connect_timeout": CONNECT_TIMEOUT_MS,
            "read_timeout": READ_TIMEOUT_MS,
        }
        if endpoint := self.endpoints.get(product):
            options |= {"endpoint": urlsplit(endpoint).netloc, "protocol": urlsplit(endpoint).scheme}
        if self.keys is None:
            self._resolved()  # says what is missing, in our words, before anything is sent
            return Config(credential=self._credential, **options)
        options |= {"access_key_id": self.keys.access_key_id, "access_key_secret": self.keys.access_key_secret}
        if self.keys.security_token:
            options["security_token"] = self.keys.security_token
        return Config(**options)


def on_ecs(vendor: Path = Path("/sys/class/dmi/id/sys_vendor")) -> bool:
    """Say whether this machine is an instance of the cloud itself, by what its firmware says."""
    try:
        return vendor.read_text("utf-8", "replace").strip() == "Alibaba Cloud"
    except OSError:
        return False


def environment_keys(environment: Mapping[str, str]) -> Keys | None:
    """The keys that stand in the environment itself: the official chain's first rung, without its import."""
    identity = environment.get("ALIBABA_CLOUD_ACCESS_KEY_ID")
    secret = environment.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
    if not identity or not secret:
        return None
    return Keys(identity, secret, environment.get("ALIBABA_CLOUD_SECURITY_TOKEN", ""))
