"""Lists that come in pages, read to their end: what is not on the first page is billed, too."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from garret.ops.aliyun.session import Session

TOKEN_PAGE, NUMBER_PAGE = 100, 50


def by_token(session: Session, product: str, action: str, parameters: Mapping[str, Any], where: str) -> list[Any]:
    """Every row of a list that goes on with a NextToken; `where` is the rows' place in the reply ("Disks.Disk")."""
    found: list[Any] = []
    token: str | None = None
    while True:
        reply = session.read(product, action, {**parameters, "MaxResults": TOKEN_PAGE, "NextToken": token})
        found += rows(reply, where)
        following = next_token(reply, where)
        if not following or following == token:
            return found
        token = following


def by_number(session: Session, product: str, action: str, parameters: Mapping[str, Any], where: str) -> list[Any]:
    """Every row of a list that has numbered pages."""
    found: list[Any] = []
    for number in count(1):
        reply = session.read(product, action, {**parameters, "PageSize": NUMBER_PAGE, "PageNumber": number})
        page = rows(reply, where)
        found += page
        if not page or len(found) >= int(reply.get("TotalCount") or 0):
            break
    return found


def rows(reply: Mapping[str, Any], where: str) -> list[Any]:
    """What lies at a place like "Disks.Disk"; the vendor leaves out what is empty."""
    value: Any = reply
    for name in where.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return list(value or [])


def next_token(reply: Mapping[str, Any], where: str) -> str:
    """The token of the next page: at the reply's top, or beside the rows; empty at the end."""
    beside: Any = reply
    for name in where.split(".")[:-1]:
        beside = beside.get(name) if isinstance(beside, Mapping) else None
    inner = beside.get("NextToken") if isinstance(beside, Mapping) else ""
    return str(reply.get("NextToken") or inner or "")
