"""The node stops or releases itself: one signed call each, with the keys of its own role."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from garret.service_runtime.acs3 import query_string, signed_headers
from garret.service_runtime.metadata import Metadata, MetadataError

VERSION = "2014-05-26"
TIMEOUT_S = 15.0
MAXIMUM_BYTES = 65_536


class StopRefused(Exception):
    """The node could not change its own machine; the text says why, in the cloud's words where there are some."""


@dataclass(frozen=True)
class SelfStop:
    """How a node reaches ECS; an empty `endpoint` is the region's own."""

    metadata: Metadata
    endpoint: str = ""

    def __call__(self) -> None:
        """Ask for this instance to stop without further charge.

        Raises:
            StopRefused: the metadata, the network or the cloud said no.
        """
        self._ask("StopInstance", {"StoppedMode": "StopCharging"})

    def release(self, at: datetime | None) -> None:
        """Have this instance released at a time at least half an hour ahead, aware; with None, not at all.

        Raises:
            StopRefused: the metadata, the network or the cloud said no.
        """
        when = {"AutoReleaseTime": at.strftime("%Y-%m-%dT%H:%M:%SZ")} if at else {}
        self._ask("ModifyInstanceAutoReleaseTime", when)

    def _ask(self, action: str, asked: dict[str, str]) -> None:
        try:
            instance = self.metadata.text("meta-data/instance-id")
            region = self.metadata.text("meta-data/region-id")
            keys = self.metadata.role_keys()
        except MetadataError as error:
            raise StopRefused(f"the node does not know itself: {error}") from None
        where = urlsplit(self.endpoint or f"https://ecs.{region}.aliyuncs.com")
        parameters = {"InstanceId": instance, "RegionId": region, **asked}
        headers = signed_headers(keys, host=where.netloc, action=action, version=VERSION, parameters=parameters)
        try:
            status, body = _post(where.scheme, where.netloc, f"/?{query_string(parameters)}", headers)
        except (OSError, http.client.HTTPException) as error:
            raise StopRefused(f"{where.netloc} did not answer: {error}") from None
        if status >= 400:
            raise StopRefused(_refusal(action, status, body))


def _post(scheme: str, netloc: str, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection: http.client.HTTPConnection
    if scheme == "https":
        connection = http.client.HTTPSConnection(netloc, timeout=TIMEOUT_S, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", target, body=b"", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(MAXIMUM_BYTES)
    finally:
        connection.close()


def _refusal(action: str, status: int, body: bytes) -> str:
    try:
        said = json.loads(body)
        return f"{action}: {said['Code']}: {said['Message']} (request {said.get('RequestId', '?')})"
    except (ValueError, KeyError, TypeError):
        return f"{action}: HTTP {status}"
