"""Hold a request against what the vendor's API takes: nothing unknown, nothing missing, each of its type and place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

FACTS = Path(__file__).parent / "facts"
# What version 1 signatures add to every request; aliyun-python-sdk-core also names the region always.
ENVELOPE = frozenset(
    ("AccessKeyId", "Action", "Format", "RegionId", "SecurityToken", "Signature", "SignatureMethod", "SignatureNonce",
     "SignatureType", "SignatureVersion", "Timestamp", "Version")
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire; header names in lower case, `query` undecoded."""

    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def place(self) -> dict[str, dict[str, str]]:
        """Its parameters by where they travel."""
        form = self.headers.get("content-type", "").startswith(FORM)
        body = dict(parse_qsl(self.body.decode(), keep_blank_values=True)) if form else {}
        return {"query": dict(parse_qsl(self.query, keep_blank_values=True)), "body": body}

    @property
    def action(self) -> str:
        """What it asks for."""
        return self.headers.get("x-acs-action") or self.place["query"].get("Action", "")

    @property
    def version(self) -> str:
        """Of which product's API."""
        return self.headers.get("x-acs-version") or self.place["query"].get("Version", "")


@cache
def tables() -> dict[str, dict[str, dict[str, Any]]]:
    """By API version, then action: its parameters."""
    unlisted = json.loads((FACTS / "unlisted.json").read_text("utf-8"))
    found = {}
    for path in FACTS.glob("*.json"):
        if path.stem != "unlisted":
            table = json.loads(path.read_text("utf-8"))
            found[table["version"]] = table["actions"] | unlisted.get(path.stem, {})
    return found


def faults(request: Request) -> list[str]:
    """What is wrong with a request; empty when nothing is."""
    actions = tables().get(request.version)
    if actions is None or request.action not in actions:
        return [f"{request.version} {request.action}: the API tables know no such action"]
    known = actions[request.action]
    signed_in_query = "authorization" not in request.headers
    places = {
        place: {name: value for name, value in sent.items() if not (signed_in_query and name in ENVELOPE)}
        for place, sent in request.place.items()
    }
    found = [*_of_each(known, places), *_missing(known, places["query"] | places["body"], signed_in_query)]
    return [f"{request.action}: {fault}" for fault in found]


def _of_each(known: Mapping[str, Any], places: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for place, sent in places.items():
        for name, value in sent.items():
            meant = _meant(known, name)
            if meant is None:
                yield f"{name}: there is no such parameter"
                continue
            kind, where = meant
            if where != place:
                yield f"{name}: travels in the {where}, not in the {place}"
            if not _KINDS.get(kind, _any)(value):
                yield f"{name}: {value[:40]!r} is no {kind}"


def _missing(known: Mapping[str, Any], sent: Mapping[str, str], region_is_said: bool) -> Iterator[str]:
    for key, meaning in known.items():
        name, is_list, required, _ = _parts(key, meaning)
        below = [one for one in sent if one == name or one.startswith(f"{name}.")]
        if required and not any(sent[one] for one in below) and not (region_is_said and name == "RegionId"):
            yield f"{name}: is required and missing"
        if not is_list:
            continue
        numbers = sorted({int(one.split(".")[1 + name.count(".")]) for one in below if _numbered(one, name)})
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{name}: its members are numbered {numbers}, not from 1 on"
        if isinstance(meaning, dict):
            for number in numbers:
                prefix = f"{name}.{number}."
                member = {one.removeprefix(prefix): value for one, value in sent.items() if one.startswith(prefix)}
                yield from (f"{prefix}{fault}" for fault in _missing(meaning, member, False))


def _meant(known: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """The type and place of a parameter by its name on the wire, such as Tag.1.Key; None when there is none."""
    for key, meaning in known.items():
        known_name, is_list, _, place = _parts(key, meaning)
        if name == known_name and not is_list:
            return str(meaning).rstrip("!").partition("@")[0].rstrip("!"), place
        if is_list and _numbered(name, known_name):
            rest = name[len(known_name) + 1 :].partition(".")[2]
            if isinstance(meaning, dict):
                found = _meant(meaning, rest)
                if found is not None:
                    return found[0], place
            elif not rest:
                return str(meaning), place
        if meaning == "Struct" and name.startswith(f"{known_name}.") and not _has_members(known, known_name):
            return "String", place  # the tables do not say what is in it
    return None


def _has_members(known: Mapping[str, Any], name: str) -> bool:
    return any(key.startswith(f"{name}.") for key in known)


def _parts(key: str, meaning: Any) -> tuple[str, bool, bool, str]:
    """Name, whether it is a list, whether it is required, and place, of one entry of the facts."""
    text = key if "[]" in key else str(meaning)
    return key.partition("[]")[0], "[]" in key, "!" in text, "body" if "@body" in text else "query"


def _numbered(name: str, head: str) -> bool:
    return name.startswith(f"{head}.") and name[len(head) + 1 :].partition(".")[0].isdigit()


def _whole(value: str) -> bool:
    return value.removeprefix("-").isdigit()


def _number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _any(_value: str) -> bool:
    return True


_KINDS: dict[str, Callable[[str], bool]] = {
    "Boolean": lambda value: value.lower() in ("true", "false"),
    "Integer": _whole,
    "Long": _whole,
    "Float": _number,
    "Json": _json,
}
