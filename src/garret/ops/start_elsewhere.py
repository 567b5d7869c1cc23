"""Start elsewhere: what `start` tries when its place is sold out, each told; and what to say when nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from garret.errors import CloudError, OperationError, SpecError, StackFailed
from garret.ops.aliyun.error_classes import classify
from garret.ops.capacity import WORDS, Candidate, Shelves, shelves, size_of
from garret.ops.cloud import Cloud, Instance
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, flag
from garret.ops.move import Move
from garret.ops.power import machine_of, wait_for_status
from garret.ops.prices import TooDear
from garret.ops.stack_change import StackChange
from garret.ops.tell import Teller
from garret.ops.variant import of_type, with_password

_MONEY = ("InsufficientBalance", "InvalidAccountStatus", "Account.Arrearage", "InstanceExpired", "DiskInArrears")
MOST_SHOWN = 3


@dataclass(frozen=True)
class Allowed:
    """What `start` may do beside waiting: other types in the zone, other zones (`any_zone`: whichever has stock)."""

    types: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    any_zone: bool = False

    @classmethod
    def said(cls, parameters: Mapping[str, Any]) -> Allowed:
        """From a verb's parameters: fallback_types, move_zones, and move_zone for any."""
        types, zones = parameters.get("fallback_types") or (), parameters.get("move_zones") or ()
        return cls(tuple(map(str, types)), tuple(map(str, zones)), bool(parameters.get("move_zone")))

    @property
    def may_move(self) -> bool:
        """Say whether another zone is allowed."""
        return bool(self.zones) or self.any_zone


@dataclass
class Elsewhere:
    """One start of one deployment; `tried` lists the places that had no machine, in order."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    crash: Crash
    allowed: Allowed = field(default_factory=Allowed)
    stop_here: Callable[[], None] = lambda: None
    tried: list[str] = field(default_factory=list)
    _last: str = ""

    def take_up(self) -> Instance:
        """Finish what an earlier run has begun, as far as there is something; the machine that is to start."""
        self._change.finish_begun()
        move = self._move
        if move.begun is not None and not move.is_made and not self.allowed.may_move:
            self.tell.say("an earlier move was cut off before there was a new machine; everything goes back")
            move.back()
        return machine_of(self.cloud, self.deployment)

    def start(self, machine: Instance) -> Instance:
        """Have the machine starting, or another in its place.

        Raises:
            OperationError: no place that is allowed has one; says which were tried, what is in stock, and what to type.
        """
        if self._move.begun is not None and not self._move.is_made:  # its image may be there already
            moved = self._elsewhere(machine)
            return moved or self._again_here(machine)
        if self._begin(machine):
            return machine
        if self._move.begun is not None:
            # What it has of its own since the move is nowhere else; of the old one only its disk as it was is left.
            self.tell.say("an earlier move has not ended: this machine is not given another type or place before")
            return self._nothing()
        return self._other_type(machine) or self._elsewhere(machine) or self._nothing()

    def settle(self) -> None:
        """A picture was made: what the start left behind may go."""
        self._move.settle()

    def _again_here(self, machine: Instance) -> Instance:
        return machine if self._begin(machine) else self._nothing()

    def _begin(self, machine: Instance) -> bool:
        """Ask for the machine to start; False when its place is sold out."""
        try:
            self.cloud.instances.start(machine.id)
        except CloudError as error:
            if error.code == "IncorrectInstanceStatus":
                return True  # somebody else was quicker; the wait says whether that helps
            if classify("StartInstance", error.code).kind != "capacity":
                raise _refused(machine, error) from error
            self._is_sold_out(f"{self._type_of(machine)} in {machine.zone}", error.code)
            self._last = error.message
            return False
        # Not before: of one that was refused, `cost` and `status` would go on as if it ran.
        self.deployment.journal.append("starting", instance_id=machine.id)
        return True

    def _other_type(self, machine: Instance) -> Instance | None:
        """Give the stopped machine the first type that its zone has, and start it."""
        types = self._types(machine)
        shelf = self._shelves() if types else {}
        for kind in types:
            place = f"{kind} in {machine.zone}"
            if shelf.get(kind, {}).get(machine.zone) not in WORDS:
                self._is_sold_out(place, "not in stock")
                continue
            self.stop_here()
            if self._change_type(kind, place) and self._begin(now := machine_of(self.cloud, self.deployment)):
                return now
        return None

    def _change_type(self, kind: str, place: str) -> bool:
        before = (self.deployment.plan or {}).get("price") or {}
        try:
            variant = of_type(self.cloud, self.deployment, kind)
        except TooDear as error:
            self.tell.say(f"{place}: {error.message.partition(': ')[2]}")
            self.tried.append(f"{place} (too dear)")
            return False
        was = f" instead of {before['amount']:.2f}" if before else ""
        price = variant.prices.running if variant.prices else None
        cost = f", {price.amount:.2f} {price.currency} per hour{was}" if price else ""
        self.tell.say(f"trying {place}{cost}: the same disk and address")
        try:
            values = with_password(self.deployment, variant.values)
            self._change.make(variant.template, values, variant.entry)
        except StackFailed as error:
            if error.kind != "capacity":
                raise
            self._is_sold_out(place, error.code or error.reason)
            return False
        found = machine_of(self.cloud, self.deployment)
        if found.status in ("Pending", "Starting", "Stopping"):
            wait_for_status(self.cloud, found.id, "Stopped" if found.status == "Stopping" else "Running")
        return True

    def _elsewhere(self, machine: Instance) -> Instance | None:
        if not self.allowed.may_move:
            return None
        places = list(self._places(machine))
        if not places and self._move.begun is None:
            where = ", ".join(self.allowed.zones) or "any other zone"
            self.tell.say(f"{where}: none of {', '.join(self._all_types(machine))} in stock")
            self.tried.append(f"{where} (not in stock)")
            return None
        if self._move.begun is None:
            self.tell.say(
                f"moving to another zone: first a copy of the disk of {machine.id}, which stays until the new machine "
                "has made a picture; until then both disks are billed"
            )
        return self._move.run(machine, self._told(places))

    def _told(self, places: Sequence[Candidate]) -> Iterator[Candidate]:
        for place in places:
            yield place
            self.tried.append(str(place))  # asked for the next one: this one had none

    def _places(self, machine: Instance) -> Iterator[Candidate]:
        shelf = self._shelves()
        for kind in self._all_types(machine):
            zones = self.allowed.zones or tuple(shelf.get(kind, {}))
            for zone in zones:
                word = shelf.get(kind, {}).get(zone, "")
                if zone != machine.zone and word in WORDS:
                    yield Candidate(self.cloud.region, zone, kind, WORDS[word])

    def _all_types(self, machine: Instance) -> list[str]:
        return [self._type_of(machine), *self._types(machine)]

    def _types(self, machine: Instance) -> list[str]:
        """Types that may be tried in place of the machine's: what was wished at first, then what was allowed."""
        wish = self.deployment.spec
        known = (wish.instance_type, *self.allowed.types, *wish.fallback_types) if wish else self.allowed.types
        return [kind for kind in dict.fromkeys(known) if kind != self._type_of(machine)]

    def _type_of(self, machine: Instance) -> str:
        placed = self.deployment.placed
        return machine.instance_type or (placed.instance_type if placed else "")

    def _is_sold_out(self, place: str, why: str) -> None:
        self.tried.append(place)
        self.tell.say(f"{place} is sold out ({why})")

    def _nothing(self) -> Instance:
        now = machine_of(self.cloud, self.deployment)
        raise SoldOutAtStart(now, self.tried, self._last, *self._ways(now))

    def _ways(self, machine: Instance) -> tuple[list[str], str]:
        """What is in stock now, in lines for people, and the command that would take the nearest of it."""
        start = f"garret ops start{flag(self.deployment.name)}"
        later = f"{start} --keep-trying 30m   (the cloud goes on trying by itself)"
        try:
            shelf = self._shelves()
        except CloudError:
            return [], f"{start} --fallback-type … --move-zone; or {later}"
        here = sorted((kind for kind, zones in shelf.items() if zones.get(machine.zone) in WORDS), key=size_of)
        there = [zone for zone, word in shelf.get(self._type_of(machine), {}).items() if word in WORDS]
        hints = [f"{start} --fallback-type {kind}" for kind in here[:1]]
        hints += [f"{start} --move-zone {zone}   (takes the disk and the address along)" for zone in there[:1]]
        lines = [f"in {machine.zone} there is now: {', '.join(map(self._priced, here[:MOST_SHOWN]))}"] if here else []
        lines += [f"{self._type_of(machine)} there is now in: {', '.join(there)}"] if there else []
        return lines, "; or ".join([*hints, later])

    def _priced(self, kind: str) -> str:
        placed = self.deployment.placed
        if placed is None:
            return kind
        try:
            price = self.cloud.catalog.machine_price(kind, placed.disk_category, placed.disk_size_gib)
        except (CloudError, SpecError):
            return kind
        return f"{kind} ({price.machine:.2f} {price.currency} per hour)"

    def _shelves(self) -> Shelves:
        placed = self.deployment.placed
        return shelves(placed, self.cloud.catalog) if placed else {}

    @property
    def _move(self) -> Move:
        return Move(self.cloud, self.deployment, self.tell, self.crash, self.stop_here)

    @property
    def _change(self) -> StackChange:
        return StackChange(
            self.cloud, self.deployment, self.tell, self.crash, again=f"garret ops start{flag(self.deployment.name)}"
        )


class SoldOutAtStart(OperationError):
    """No machine to start, wherever it was allowed; nothing is lost. `tried` are the places, `ways` what there is."""

    def __init__(self, machine: Instance, tried: Sequence[str], last: str, ways: Sequence[str], hint: str) -> None:
        others = f"; tried: {'; '.join(tried)}" if len(tried) > 1 else ""
        message = (
            f"zone {machine.zone} has no {machine.instance_type} left to start {machine.id}{others}"
            + (f" ({last})" if last else "")
            + "; nothing is lost: the disk with its models stays"
            + "".join(f"; {way}" for way in ways)
        )
        super().__init__(message, hint, billed="disk and address; the machine is not")
        self.tried = list(tried)
        self.instance_id = machine.id


def _refused(machine: Instance, error: CloudError) -> OperationError:
    if error.code.startswith(_MONEY):
        return OperationError(
            f"{machine.id} cannot start: {error.message}", "top up the account, then try again",
            billed="disk and address; the machine is not",
        )  # fmt: skip
    return error
