"""Where a machine may go, and where next when a place is sold out: other zones, then types, then regions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from garret.errors import OperationError, SpecError
from garret.spec import DeploymentSpec
from garret.spec.fields import FAMILY

if TYPE_CHECKING:
    from garret.ops.roles import Catalog

MOST_TRIES = 12
WORDS = {"WithStock": "in stock", "ClosedWithStock": "stock is low"}
"""The cloud's words for a shelf that is not empty, and ours."""

Shelves = Mapping[str, Mapping[str, str]]


class SoldOut(OperationError):
    """Everything allowed in a region is sold out; another region may not be."""


@dataclass(frozen=True)
class Candidate:
    """One place to try; `stock` is how full the shelf was when it was looked at."""

    region: str
    zone: str
    instance_type: str
    stock: str

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.zone}"

    @property
    def kind(self) -> tuple[str, str]:
        """What its price depends on: region and type."""
        return (self.region, self.instance_type)

    def placed(self, wish: DeploymentSpec) -> DeploymentSpec:
        """The wish as this place carries it out: this region and type, and nothing left to fall back to."""
        here = {"region": self.region, "instance_type": self.instance_type}
        nothing: tuple[str, ...] = ()
        none = {"fallback_types": nothing, "fallback_zones": nothing, "fallback_regions": nothing}
        zone = {"zone": wish.zone if self.region == wish.region else None}
        return wish.model_copy(update=here | none | zone)


def shelves(spec: DeploymentSpec, catalog: Catalog) -> Shelves:
    """What the region sells in the way the spec pays, with the cloud's words for the stock."""
    return catalog.shelves(
        FAMILY, subscription=spec.charge_type == "Subscription", spot=spec.charge_type == "Spot"
    )  # fmt: skip


def candidates(spec: DeploymentSpec, catalog: Catalog) -> list[Candidate]:
    """The places of one region that have the machine now, in the order in which they are tried; at least one.

    Raises:
        SpecError: the region does not sell the type, or the VSwitch is not there; says what there is.
        OperationError: all that is allowed is sold out.
    """
    sold = shelves(spec, catalog)
    zones = _allowed_zones(spec, catalog)
    found = list(_with_stock(spec, sold, zones))
    if found:
        return found
    if spec.instance_type not in sold:
        raise _not_sold(spec, sold)
    raise _sold_out(spec, sold, zones)


def size_of(instance_type: str) -> tuple[int, str]:
    """What sorts types by how big they are, and so by how dear: ecs.gn7i-c16g1.4xlarge is a four."""
    found = re.search(r"\.(\d*)xlarge$", instance_type)
    return (int(found[1] or 1) if found else 0, instance_type)


def _allowed_zones(spec: DeploymentSpec, catalog: Catalog) -> tuple[str, ...] | None:
    """The zones that may be used, in order; None for any, best stocked first."""
    if spec.vswitch_id:
        return (_zone_of_switch(spec, catalog),)
    return (spec.zone, *spec.fallback_zones) if spec.zone else None


def _zone_of_switch(spec: DeploymentSpec, catalog: Catalog) -> str:
    switch = catalog.switch(spec.vswitch_id or "")
    if switch is None:
        raise SpecError("vswitch_id", f"{spec.region} has no VSwitch {spec.vswitch_id}", "see them in the VPC console")
    if switch.vpc_id != spec.vpc_id:
        raise SpecError(
            "vpc_id", f"{switch.id} is in {switch.vpc_id}, not in {spec.vpc_id}", f"--vpc-id {switch.vpc_id}"
        )
    if spec.zone not in (None, switch.zone):
        raise SpecError("zone", f"{switch.id} is in {switch.zone}, not in {spec.zone}", "leave --zone out")
    if switch.free < 1:
        raise SpecError("vswitch_id", f"{switch.id} has no free address", "another VSwitch, or free one")
    return switch.zone


def _with_stock(spec: DeploymentSpec, sold: Shelves, zones: tuple[str, ...] | None) -> Iterator[Candidate]:
    for kind in (spec.instance_type, *spec.fallback_types):
        shelf = sold.get(kind, {})
        for zone in zones or shelf:
            if shelf.get(zone) in WORDS:
                yield Candidate(spec.region, zone, kind, WORDS[shelf[zone]])


def _not_sold(spec: DeploymentSpec, sold: Shelves) -> SpecError:
    names = ", ".join(sorted(sold)) or "none"
    near = next(iter(get_close_matches(spec.instance_type, sold, 1)), "") or min(sold, default="")
    hint = f"--instance-type {near}" if near else "another region, for example --region cn-hangzhou"
    paid = "" if spec.charge_type == "PayAsYouGo" else f" as {spec.charge_type}"
    reason = f"{spec.region} does not sell {spec.instance_type!r}{paid}; gn7i types there: {names}"
    return SpecError("instance_type", reason, hint)


def _sold_out(spec: DeploymentSpec, sold: Shelves, zones: tuple[str, ...] | None) -> SoldOut | SpecError:
    stocked = [zone for zone, word in sold[spec.instance_type].items() if word in WORDS]
    if zones and stocked and not spec.vswitch_id:
        names = ", ".join(map(repr, zones))
        reason = f"{names} has no {spec.instance_type} now; zones that have: {', '.join(stocked)}"
        return SpecError("zone", reason, f"--zone {stocked[0]}, or --fallback-zone {stocked[0]}, or leave --zone out")
    others = sorted(
        (kind for kind, shelf in sold.items() if any(word in WORDS for word in shelf.values())), key=size_of
    )
    hint = (
        f"--fallback-type {others[0]}, or another region: --fallback-region …" if others else "another region, or later"
    )
    what = " and ".join([spec.instance_type, *spec.fallback_types])
    where = ", ".join(zones) if zones else spec.region
    return SoldOut(f"{where} has no {what} in stock now; nothing was made", hint)
