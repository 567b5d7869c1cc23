"""Readers for a call's flat parameters: lists, tags, JSON, whole numbers, booleans, pages, and ClientToken."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, invalid

Reply = dict[str, Any]
Tags = list[dict[str, str]]


def flag(params: Mapping[str, str], name: str, default: bool = False) -> bool:
    """A boolean, however it is capitalised (the typed SDKs send "True")."""
    value = params.get(name, "")
    return default if value == "" else value.lower() == "true"


def number(params: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number within `low`..`high`; ApiError InvalidParameter otherwise."""
    text = params.get(name, "")
    if text == "":
        return default
    try:
        value = int(text)
    except ValueError:
        raise invalid(name, f"{text!r} is no whole number") from None
    if not low <= value <= high:
        raise invalid(name, f"{value} is not within {low} to {high}")
    return value


def numbered(params: Mapping[str, str], name: str) -> list[str]:
    """The values of Name.1, Name.2, … in order."""
    pattern = re.compile(rf"{re.escape(name)}\.(\d+)")
    found = [(int(match[1]), value) for key, value in params.items() if (match := pattern.fullmatch(key))]
    return [value for _, value in sorted(found)]


def groups(params: Mapping[str, str], name: str) -> list[dict[str, str]]:
    """The records of Name.1.Field, Name.2.Field, … in order."""
    pattern = re.compile(rf"{re.escape(name)}\.(\d+)\.(.+)")
    found: dict[int, dict[str, str]] = {}
    for key, value in params.items():
        if match := pattern.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[index] for index in sorted(found)]


def names(params: Mapping[str, str], name: str) -> list[str]:
    """A list that comes as Name.1, Name.2, … or as JSON text in Name; a bare value counts as one."""
    values = numbered(params, name)
    text = params.get(name, "")
    if values or not text:
        return values
    if not text.startswith("["):
        return [part for part in text.split(",") if part]
    try:
        return [str(value) for value in json.loads(text)]
    except ValueError:
        raise ApiError(f"Invalid{name}.Malformed", f"The specified {name} is no JSON list of texts.") from None


def tags(params: Mapping[str, str]) -> Tags:
    """The tags of a call: Tag.N.Key and Tag.N.Value; ApiError when they break the vendor's limits."""
    found = [{"Key": tag.get("Key", ""), "Value": tag.get("Value", "")} for tag in groups(params, "Tag")]
    if len(found) > 20:
        raise ApiError("InvalidParameter.TooManyTags", "A resource can have at most 20 tags.")
    for tag in found:
        key = tag["Key"]
        if not 1 <= len(key) <= 128 or key.lower().startswith(("aliyun", "acs:", "http://", "https://")):
            raise ApiError("InvalidTagKey.Malformed", f"The specified Tag.n.Key {key!r} is not valid.")
        if len(tag["Value"]) > 128:
            raise ApiError("InvalidTagValue.Malformed", f"The value of the tag {key!r} is over 128 characters.")
    return found


def missing_tags() -> ApiError:
    """The vendor's answer to a tagging call without tags."""
    return ApiError("MissingParameter.Tags", "At least one Tag.N.Key is needed.")


def has_tags(body: Mapping[str, Any], wanted: Sequence[Mapping[str, str]]) -> bool:
    """Whether a body carries all the wanted tags; a wanted tag without a value asks for the key only."""
    mine = {tag["Key"]: tag["Value"] for tag in body.get("Tags", [])}
    return all(tag["Key"] in mine and tag["Value"] in ("", mine[tag["Key"]]) for tag in wanted)


def dry_run(call: Call) -> None:
    """End a call that only asks whether it would work; the vendor says so with an error."""
    if flag(call.params, "DryRun"):
        raise ApiError("DryRunOperation", "Request validation has been passed with DryRun flag set.")


def page(call: Call, items: Sequence[Any], high: int = 100, default: int = 10) -> tuple[list[Any], Reply]:
    """One page of `items`, and what the reply says of it: numbered pages, or with MaxResults a NextToken."""
    if call.params.get("MaxResults") or call.params.get("NextToken"):
        return _page_by_token(call, items, high, default)
    index = number(call.params, "PageNumber", 1, 1, 1_000_000)
    size = number(call.params, "PageSize", default, 1, high)
    start = (index - 1) * size
    return list(items[start : start + size]), {"TotalCount": len(items), "PageNumber": index, "PageSize": size}


def _page_by_token(call: Call, items: Sequence[Any], high: int, default: int) -> tuple[list[Any], Reply]:
    size, token = number(call.params, "MaxResults", default, 1, high), call.params.get("NextToken", "") or "0"
    if not token.isdecimal():
        raise invalid("NextToken", "it is none of this list's")
    start = int(token)
    end = start + size
    following = str(end) if end < len(items) else ""
    return list(items[start:end]), {"TotalCount": len(items), "MaxResults": size, "NextToken": following}


def once(call: Call, cloud: Cloud, create: Callable[[], Reply]) -> Reply:
    """Create only once per ClientToken: the same call again gets the first answer, another one is refused.

    `create` runs in a transaction with the record of the token; ApiError IdempotentParameterMismatch otherwise.
    """
    token = call.params.get("ClientToken", "")
    if not token:
        with cloud.store.transaction():
            return create()
    if len(token) > 64 or not token.isascii():
        raise invalid("ClientToken", "it has at most 64 ASCII characters")
    content = json.dumps(sorted((key, value) for key, value in call.params.items() if key != "ClientToken"))
    print_of_call = hashlib.sha256(content.encode()).hexdigest()
    id = f"{call.product}/{call.action}/{call.region}/{token}"
    with cloud.store.transaction():
        known = cloud.store.get("client_token", id)
        if known is None:
            reply = create()
            cloud.store.put("client_token", id, {"print": print_of_call, "reply": reply})
            return reply
    if known["print"] != print_of_call:
        raise ApiError(
            "IdempotentParameterMismatch",
            "The request uses the ClientToken of an earlier request with other parameters.",
        )
    reply = known["reply"]
    return dict(reply)
