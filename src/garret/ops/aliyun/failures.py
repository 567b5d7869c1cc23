"""What the SDKs raise, as our CloudError: code, request id, whether another try may help; keys and signatures gone."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, TypeVar

from garret.errors import CloudError
from garret.ops.cloud import Clock

Reply = TypeVar("Reply")

NO_ANSWER = "NoAnswer"
ATTEMPTS, PATIENT_ATTEMPTS = 5, 11
"""How often one call is sent at most: after an outage, and when the cloud only asks for patience."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
_REFUSED_FOR_NOW = re.compile(
    r"^(Throttling.*|.*\.Throttling|SignatureNonceUsed|LastTokenProcessing|IdempotentProcessing)$"
)
"""Said before any work was done: the same call may always be sent again."""
_RETRYABLE = re.compile(r"^(ServiceUnavailable|InternalError.*|UnknownError|LimitedOperation.*|SystemBusy)$")
_SECRETS = (
    re.compile(
        r"(?i)((?:AccessKeyId|Signature|SignatureNonce|SecurityToken|AccessKeySecret|x-acs-security-token)"
        r"[\"']?\s*(?:=|:|%3D)\s*[\"']?)[^&\s\"',}%]+"
    ),
    re.compile(r"(?i)(Credential=)[^,\s]+"),
    re.compile(r"\b(LTAI|STS\.)[A-Za-z0-9]{8,}"),
)
_PREFIX = re.compile(r"^code: \d+, ")
_STRING_TO_SIGN = re.compile(r"\s*server string to sign.*", re.IGNORECASE | re.DOTALL)
"""What follows tells a programmer of signatures something, and a person nothing."""
_SUFFIX = re.compile(r"\s*request id: \S+(\s+Response: .*)?$", re.DOTALL)
_HINTS = {
    "InvalidAccessKeyId.NotFound": "check ALIBABA_CLOUD_ACCESS_KEY_ID, or try `--cloud local`",
    "InvalidAccessKeyId": "check ALIBABA_CLOUD_ACCESS_KEY_ID, or try `--cloud local`",
    "SignatureDoesNotMatch": "check ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "IncompleteSignature": "check ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "InvalidTimeStamp.Expired": "this machine's clock is wrong; set it, then try again",
    "NoPermission": "the user of these keys lacks a permission: see the cloud's RAM console",
    "Forbidden.RAM": "the user of these keys lacks a permission: see the cloud's RAM console",
}


def scrub(text: str) -> str:
    """The text without keys, tokens and signatures; SDKs put whole URLs into their messages."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1…", text)
    return text


def cloud_error(action: str, error: BaseException) -> CloudError:
    """Turn whatever an SDK raised into a CloudError."""
    code, message, request_id, status = _fields(error)
    if code is None or code.startswith("SDK."):
        return CloudError(
            action,
            NO_ANSWER,
            _why_no_answer(error),
            retryable=getattr(error, "again", True),
            hint="check the network, then type the same again",
        )
    passing = _REFUSED_FOR_NOW.match(code) or _RETRYABLE.match(code)
    retryable = bool(passing) or (status is not None and status >= 500)
    text = _STRING_TO_SIGN.sub("", _SUFFIX.sub("", _PREFIX.sub("", scrub(message)))).strip()
    return CloudError(action, code, text, request_id=request_id, retryable=retryable, hint=_HINTS.get(code, ""))


def with_retries(action: str, send: Callable[[], Reply], *, again: bool, clock: Clock) -> Reply:
    """Send, and send again after throttling, 5xx and lost connections, if `again` says that this does no harm.

    Raises:
        CloudError: the last answer.
    """
    pause = FIRST_PAUSE_S
    for attempt in range(1, PATIENT_ATTEMPTS + 1):
        try:
            return send()
        except Exception as raised:
            if not is_vendors(raised):
                raise
            error = cloud_error(action, raised)
            not_done = bool(_REFUSED_FOR_NOW.match(error.code))
            limit = PATIENT_ATTEMPTS if not_done else ATTEMPTS
            if not (error.retryable and (again or not_done)) or attempt >= limit:
                raise error from raised
        # Jitter, so that many callers that were throttled together do not come back together.
        clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
        pause = min(2 * pause, LONGEST_PAUSE_S)
    raise AssertionError("unreachable")


def is_vendors(error: BaseException) -> bool:
    """Say whether an exception comes from an SDK or from the network below it, and is no fault of ours."""
    roots = (
        "Tea", "darabonba", "aliyunsdkcore", "alibabacloud_", "requests", "urllib3", "aiohttp",
        "garret.ops.aliyun.signed",
    )  # fmt: skip
    return any(klass.__module__.startswith(roots) for klass in type(error).__mro__) or isinstance(
        error, (ConnectionError, TimeoutError)
    )


def _fields(error: BaseException) -> tuple[str | None, str, str, int | None]:
    """Code, message, request id and HTTP status, from either SDK's exceptions."""
    if hasattr(error, "get_error_code"):  # aliyun-python-sdk-core
        theirs: Any = error
        status = theirs.get_http_status() if hasattr(theirs, "get_http_status") else None
        identity = theirs.get_request_id() if hasattr(theirs, "get_request_id") else ""
        return theirs.get_error_code(), str(theirs.get_error_msg()), identity or "", _number(status)
    data = getattr(error, "data", None)
    data = data if isinstance(data, dict) else {}
    code = getattr(error, "code", None)
    status = getattr(error, "status_code", None) or getattr(error, "statusCode", None) or data.get("statusCode")
    identity = getattr(error, "request_id", None) or data.get("RequestId") or ""
    message = data.get("Message") or getattr(error, "message", None) or str(error)
    return (str(code) if code else None), str(message), str(identity), _number(status)


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, str)) and str(value).isdigit() else None


def _why_no_answer(error: BaseException) -> str:
    text = scrub(str(error))
    for sign, meaning in (
        ("refused", "the connection was refused"),
        ("timed out", "no answer in time"),
        ("Name or service not known", "its name is not known to the resolver"),
        ("getaddrinfo", "its name is not known to the resolver"),
        ("reset", "the connection broke"),
        ("aborted", "the connection broke"),
    ):
        if sign in text:
            return meaning
    return text[:300]
