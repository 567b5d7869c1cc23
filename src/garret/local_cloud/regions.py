"""Regions and zones of the local cloud: the vendor's names, and a made-up word on who sells gn7i."""

from __future__ import annotations

from dataclasses import dataclass

from garret.local_cloud.faults import LOW_STOCK, NO_STOCK, WITH_STOCK


@dataclass(frozen=True)
class Region:
    """A region: its names, the letters of its zones, and which of them sell gn7i."""

    id: str
    name: str
    chinese_name: str
    zones: tuple[str, ...]
    selling: tuple[str, ...]


def _region(id: str, name: str, chinese_name: str, letters: str, selling: str) -> Region:
    # Zones of most regions are cn-hangzhou-h; those whose region ends in a digit are us-west-1a.
    joint = "" if id[-1].isdigit() else "-"
    return Region(
        id, name, chinese_name, tuple(id + joint + one for one in letters), tuple(id + joint + one for one in selling)
    )


REGIONS: dict[str, Region] = {
    region.id: region
    for region in (
        _region("cn-hangzhou", "China (Hangzhou)", "华东1(杭州)", "hijk", "ij"),
        _region("cn-shanghai", "China (Shanghai)", "华东2(上海)", "fglm", "fgm"),
        _region("cn-beijing", "China (Beijing)", "华北2(北京)", "hijk", "ik"),
        _region("cn-shenzhen", "China (Shenzhen)", "华南1(深圳)", "def", "de"),
        _region("cn-zhangjiakou", "China (Zhangjiakou)", "华北3(张家口)", "abc", "c"),
        _region("cn-hongkong", "China (Hong Kong)", "中国香港", "bcd", "b"),
        _region("ap-southeast-1", "Singapore", "新加坡", "abc", "ac"),
        _region("eu-central-1", "Germany (Frankfurt)", "德国(法兰克福)", "ab", "a"),
        _region("us-west-1", "US (Silicon Valley)", "美国(硅谷)", "ab", "b"),
    )
}

# Made up: the largest types are scarce everywhere, so that an empty shelf can be met without the fault board.
_SCARCE = {"ecs.gn7i-c32g1.32xlarge": LOW_STOCK, "ecs.gn7i-8x.32xlarge": NO_STOCK}


def region_of_zone(zone: str) -> Region | None:
    """The region a zone is in, or None."""
    return next((region for region in REGIONS.values() if zone in region.zones), None)


def default_stock(zone: str, instance_type: str) -> str | None:
    """How full the shelf of a type in a zone is; None when the zone does not sell it."""
    region = region_of_zone(zone)
    if region is None or zone not in region.selling:
        return None
    return _SCARCE.get(instance_type, WITH_STOCK)
