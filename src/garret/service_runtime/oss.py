"""Reading and writing objects of Alibaba Cloud's OSS: the vendor's V4 signature in the Authorization header.

Source: https://help.aliyun.com/en/oss/developer-reference/recommend-to-use-signature-version-4; the official SDK
`oss2` signs the same requests alike.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from garret.service_runtime.acs3 import AccessKeys
from garret.service_runtime.addresses import is_public
from garret.service_runtime.model_sources import Object

_ALGORITHM = "OSS4-HMAC-SHA256"
_REQUEST = "aliyun_v4_request"
_BODY = "UNSIGNED-PAYLOAD"
_METADATA = ("100.100.100.200",)


def signed_headers(
    keys: AccessKeys,
    one: Object,
    now: datetime | None = None,
    *,
    method: str = "GET",
    content: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers that let these keys GET or PUT this object; `now` is in UTC; they are good for 15 minutes.

    `content` is Content-Type and Content-MD5, in lower case, of what is PUT; they are signed as well.
    """
    at = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = {**(content or {}), "x-oss-content-sha256": _BODY, "x-oss-date": at}
    if keys.security_token:
        headers["x-oss-security-token"] = keys.security_token
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    path = quote(f"/{one.bucket}/{one.key}", safe="/~")
    canonical = "\n".join((method, path, "", lines, "", _BODY))
    scope = f"{at[:8]}/{one.region}/oss/{_REQUEST}"
    text = "\n".join((_ALGORITHM, at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"aliyun_v4{keys.access_key_secret}".encode()
    for part in (at[:8], one.region, "oss", _REQUEST):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {**headers, "Authorization": f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, Signature={signature}"}


def is_public_or_inside(address: str) -> bool:
    """Say whether OSS may be at this address: it has some of 100.64.0.0/10 inside the cloud, as the metadata has."""
    inside = address.startswith("100.") and 64 <= int(address.split(".")[1]) <= 127 and address.count(".") == 3
    return is_public(address) or (inside and address not in _METADATA)
