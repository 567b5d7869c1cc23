"""RAM's pages: Marker and MaxItems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from garret.local_cloud.core import Call, invalid
from garret.local_cloud.params import Reply, number


def marked(call: Call, items: Sequence[Any]) -> tuple[list[Any], Reply]:
    """One page of `items`, with IsTruncated and the Marker of the next."""
    size = number(call.params, "MaxItems", 100, 1, 1000)
    marker = call.params.get("Marker", "") or "0"
    if not marker.isdecimal():
        raise invalid("Marker", f"{marker!r} was never given out")
    start = int(marker)
    more = start + size < len(items)
    rest: Reply = {"IsTruncated": more, **({"Marker": str(start + size)} if more else {})}
    return list(items[start : start + size]), rest
