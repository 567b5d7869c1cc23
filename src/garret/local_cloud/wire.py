"""The wire: who signed a request, with what, and what they ask for.

Two signatures, both verified by code of our own from the vendor's published rules:
ACS3-HMAC-SHA256 (headers; the typed SDKs) and version 1.0 HMAC-SHA1 (query; aliyun-python-sdk-core).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, quote

from garret.local_cloud.clock import parse_stamp
from garret.local_cloud.core import ApiError

ALGORITHM = "ACS3-HMAC-SHA256"
CLOCK_SKEW = timedelta(minutes=15)
_MUST_BE_SIGNED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}
# Of the envelope, not of what is asked: two sendings of one call differ in them.
_SIGNATURE_PARAMS = {
    "AccessKeyId", "Action", "Format", "SecurityToken", "SignatureMethod", "SignatureNonce", "SignatureType",
    "SignatureVersion", "Timestamp", "Version",
}  # fmt: skip
_FORM = "application/x-www-form-urlencoded"

Secrets = Mapping[str, str]
UseNonce = Callable[[str], bool]
TokenOf = Callable[[str], str]


@dataclass(frozen=True)
class Request:
    """An HTTP request as it came: header names in lower case, `query` undecoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Asked:
    """What a request whose signature is good asks for."""

    version: str
    action: str
    params: dict[str, str]
    access_key_id: str


def _no_token(_key: str) -> str:
    return ""


def verify(
    request: Request, secrets: Secrets, now: datetime, use_nonce: UseNonce, token_of: TokenOf = _no_token
) -> Asked:
    """Verify a request's signature, time and nonce, and its security token where the key has one.

    Errors: ApiError with the vendor's codes: InvalidAccessKeyId.NotFound, SignatureDoesNotMatch, IncompleteSignature,
    InvalidTimeStamp.Expired, InvalidTimeStamp.Format, SignatureNonceUsed, MissingParameter, InvalidSecurityToken.*.
    """
    if request.headers.get("authorization", "").startswith(ALGORITHM):
        return _verify_headers(request, secrets, now, use_nonce, token_of)
    return _verify_query(request, secrets, now, use_nonce, token_of)


def encode(text: str) -> str:
    """Percent-encoding as both signatures want it: only letters, digits and -_.~ stay."""
    return quote(text, safe="~")


def _verify_headers(request: Request, secrets: Secrets, now: datetime, use_nonce: UseNonce, token_of: TokenOf) -> Asked:
    fields = _authorization(request.headers["authorization"])
    secret = _secret(secrets, fields["Credential"])
    signed = fields["SignedHeaders"].split(";")
    token = {"x-acs-security-token"} & request.headers.keys()
    unsigned = (_MUST_BE_SIGNED | token).difference(signed) or {name for name in signed if name not in request.headers}
    if unsigned:
        raise ApiError("IncompleteSignature", f"These headers must be there and signed: {', '.join(sorted(unsigned))}.")
    _check_token(request.headers.get("x-acs-security-token", ""), token_of(fields["Credential"]))
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(
        (
            request.method,
            request.path,
            "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(_pairs(request.query))),
            "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed),
            fields["SignedHeaders"],
            digest,
        )
    )
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    if request.headers.get("x-acs-content-sha256", digest) != digest:
        raise ApiError("SignatureDoesNotMatch", "The header x-acs-content-sha256 is not the hash of the body.")
    _compare(expected, fields["Signature"], canonical)
    _check_time(request.headers["x-acs-date"], now)
    _check_nonce(request.headers["x-acs-signature-nonce"], use_nonce)
    params = dict(_pairs(request.query)) | _form(request)
    return Asked(
        request.headers["x-acs-version"], request.headers["x-acs-action"], params, access_key_id=fields["Credential"]
    )


def _verify_query(request: Request, secrets: Secrets, now: datetime, use_nonce: UseNonce, token_of: TokenOf) -> Asked:
    params = dict(_pairs(request.query)) | _form(request)
    for name in ("AccessKeyId", "Signature", "SignatureNonce", "Timestamp", "Version", "Action"):
        if not params.get(name):
            raise ApiError("MissingParameter", f"The parameter {name} is missing: every request must be signed.")
    secret = _secret(secrets, params["AccessKeyId"])
    _check_token(params.get("SecurityToken", ""), token_of(params["AccessKeyId"]))
    if (params.get("SignatureMethod"), params.get("SignatureVersion")) != ("HMAC-SHA1", "1.0"):
        raise ApiError("InvalidParameter.SignatureMethod", "Only HMAC-SHA1 with SignatureVersion 1.0 is known here.")
    signature = params.pop("Signature")
    pairs = "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(params.items()))
    text = f"{request.method}&%2F&{encode(pairs)}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    _compare(base64.b64encode(digest).decode(), signature, text)
    _check_time(params["Timestamp"], now)
    _check_nonce(params["SignatureNonce"], use_nonce)
    asked = {name: value for name, value in params.items() if name not in _SIGNATURE_PARAMS}
    return Asked(params["Version"], params["Action"], asked, access_key_id=params["AccessKeyId"])


def _authorization(header: str) -> dict[str, str]:
    fields = dict(part.strip().partition("=")[::2] for part in header[len(ALGORITHM) :].split(","))
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise ApiError("IncompleteSignature", f"The Authorization header has no {name}.")
    return fields


def _pairs(query: str) -> list[tuple[str, str]]:
    # The typed SDKs sign %20 and send +: whatever came is decoded here and encoded anew for the comparison.
    return parse_qsl(query, keep_blank_values=True)


def _form(request: Request) -> dict[str, str]:
    if not request.headers.get("content-type", "").startswith(_FORM):
        return {}
    try:
        return dict(_pairs(request.body.decode("utf-8")))
    except UnicodeDecodeError:
        raise ApiError("InvalidParameter", "The form in the body is not UTF-8.") from None


def _secret(secrets: Secrets, access_key_id: str) -> str:
    secret = secrets.get(access_key_id)
    if secret is None:
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    return secret


def _check_token(given: str, wanted: str) -> None:
    if wanted and not given:
        text = "Specified access key is not found: it is a role's, which signs with a security token."
        raise ApiError("InvalidAccessKeyId.NotFound", text, 404)
    if given and not wanted:
        raise ApiError(
            "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed: this key has none.", 403
        )
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        text = "Specified SecurityToken is not that of the access key."
        raise ApiError("InvalidSecurityToken.MismatchWithAccessKey", text, 403)


def _compare(expected: str, given: str, text: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise ApiError(
            "SignatureDoesNotMatch",
            f"Specified signature is not matched with our calculation. server string to sign is:{text}",
        )


def _check_time(text: str, now: datetime) -> None:
    try:
        moment = parse_stamp(text)
    except ValueError:
        raise ApiError("InvalidTimeStamp.Format", f"The time {text!r} is not ISO 8601 in UTC.") from None
    if abs(moment - now) > CLOCK_SKEW:
        raise ApiError("InvalidTimeStamp.Expired", f"The time {text} is more than 15 minutes from {now:%FT%TZ}.")


def _check_nonce(nonce: str, use_nonce: UseNonce) -> None:
    if not use_nonce(nonce):
        raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
