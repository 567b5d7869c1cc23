"""What a node can ask the cloud about itself: instance metadata (IMDSv2), and the keys of its RAM role."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from garret.service_runtime.acs3 import AccessKeys

DEFAULT_URL = "http://100.100.100.200/latest"
TOKEN_TTL_S = 300
TIMEOUT_S = 5.0
MAXIMUM_BYTES = 65_536


class MetadataError(Exception):
    """The metadata did not answer, or not with what is needed; the text says what was asked."""


@dataclass(frozen=True)
class Metadata:
    """The metadata service below `url`; every read takes a fresh token, for reads are rare."""

    url: str = DEFAULT_URL

    def text(self, path: str) -> str:
        """Return one value, for example `meta-data/instance-id`.

        Raises:
            MetadataError: no answer, or an error.
        """
        headers = {"X-aliyun-ecs-metadata-token-ttl-seconds": str(TOKEN_TTL_S)}
        token = self._ask("PUT", "api/token", headers)
        return self._ask("GET", path, {"X-aliyun-ecs-metadata-token": token})

    def role_keys(self) -> AccessKeys:
        """Return the temporary keys of the role that the node was given.

        Raises:
            MetadataError: it has none.
        """
        # What signs with keys needs a newer Python than the bootstrap, which only asks for the node's address.
        from garret.service_runtime.acs3 import AccessKeys

        place = "meta-data/ram/security-credentials/"
        role = self.text(place).split("\n")[0].strip()
        try:
            found = json.loads(self.text(place + role))
            return AccessKeys(found["AccessKeyId"], found["AccessKeySecret"], found["SecurityToken"])
        except (ValueError, KeyError, TypeError):
            raise MetadataError(f"the role {role!r} has no keys to give") from None

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(f"{self.url}/{path}", headers=headers, method=method)  # noqa: S310 - the url is a setting
        # No proxy: metadata is this machine's own affair.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                return str(answer.read(MAXIMUM_BYTES).decode("utf-8", "replace")).strip()
        except urllib.error.HTTPError as error:
            error.close()
            why = "there is no RAM role on this instance" if error.code == 404 and "/ram/" in path else str(error)
            raise MetadataError(f"{method} {path}: {why}") from None
        except OSError as error:
            raise MetadataError(f"{method} {path}: {error}") from None
