"""What the SDKs raise, as our CloudError: code, request id, whether another try may help; keys and signatures gone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.error_classes import ErrorClass, classify
from garret.ops.aliyun.retries import NO_ANSWER

CLOCK_IS_OFF = "InvalidTimeStamp.Expired"
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


def scrub(text: str) -> str:
    """The text without keys, tokens and signatures; SDKs put whole URLs into their messages."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1…", text)
    return text


def cloud_error(action: str, error: BaseException) -> CloudError:
    """Turn whatever an SDK raised into a CloudError."""
    code, message, request_id, status = _fields(error)
    if code is None or code.startswith("SDK."):
        why, again = _why_no_answer(error), getattr(error, "again", True)
        hint = "check the network, then type the same again"
        return CloudError(action, NO_ANSWER, why, retryable=again, hint=hint, kind="retry" if again else "user")
    meaning = meaning_of(action, code, status)
    text = _STRING_TO_SIGN.sub("", _SUFFIX.sub("", _PREFIX.sub("", scrub(message)))).strip()
    return CloudError(
        action,
        code,
        text,
        request_id=request_id,
        retryable=meaning.again in ("always", "harmless"),
        hint=_clock_hint(getattr(error, "date", "")) if code == CLOCK_IS_OFF else meaning.hint,
        kind=meaning.kind,
    )


def meaning_of(action: str, code: str, status: int | None) -> ErrorClass:
    """The class of a code; what is throttled may be called so at the end of a code as well."""
    return classify(action, "Throttling" if code.endswith(".Throttling") else code, status)


def retry_after_s(error: BaseException) -> float:
    """How long the answer itself asks to wait, in seconds; 0 when it does not say."""
    ours, theirs = getattr(error, "retry_after_s", None), getattr(error, "retry_after", None)
    return float(ours if ours is not None else (theirs or 0) / 1000)  # the SDK keeps the header's milliseconds


def _clock_hint(date: str) -> str:
    """By how much this machine's clock is off, by the clock of whoever answered."""
    try:
        minutes = round((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds() / 60)
    except (ValueError, TypeError):
        return "this machine's clock is wrong; set it, then try again"
    if abs(minutes) < 1:
        return "this machine's clock was off when the request was signed and is right now; try again"
    way = "ahead" if minutes > 0 else "behind"
    return f"this machine's clock is {abs(minutes)} minutes {way}, by the cloud's; set it, then try again"


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
