"""ALIYUN::VPC::NatGateway and SnatEntry: a way out of a network without addresses of its own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud import prices
from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import (
    CHARGE_PAY_AS_YOU_GO,
    ResourceType,
    Work,
    changed,
    delete_until_free,
    given,
    gone,
    sync_tags,
    tags_drift,
    truth,
)

_FIELDS = ("VpcId", "VSwitchId", "Description", "NetworkType", "EipBindMode", "IcmpReplyEnabled", "NatIp")


class NatGateway(ResourceType):
    """An enhanced gateway, made by CreateNatGateway."""

    name = "ALIYUN::VPC::NatGateway"
    attributes = ("NatGatewayId", "SNatTableId", "ForwardTableId")
    carried = frozenset({*_FIELDS, "NatGatewayName", "DeletionForce", "Tags"})
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "NatType": ("Enhanced",),
        "InternetChargeType": ("PayByLcu",),
        "InstanceChargeType": CHARGE_PAY_AS_YOU_GO,
        "AvailabilityMode": ("SingleAZ", "CrossAZ"),
    }
    updatable = frozenset({"NatGatewayName", "Description", "DeletionForce", "Tags"})

    def create(self, work: Work) -> str:
        """Makes the gateway and waits until it is available."""
        asked = given(work, *_FIELDS) | {"Name": work.properties.get("NatGatewayName"), "NatType": "Enhanced"}
        reply = work.call("Vpc", "CreateNatGateway", ClientToken=work.token, Tag=work.tag_list(), **asked)
        work.made(str(reply["NatGatewayId"]))
        while self._describe(work, str(reply["NatGatewayId"])).get("Status") != "Available":
            work.pause(0.1)
        return str(reply["NatGatewayId"])

    def _describe(self, work: Work, gateway_id: str) -> dict[str, Any]:
        found = work.call("Vpc", "DescribeNatGateways", NatGatewayId=gateway_id)["NatGateways"]["NatGateway"]
        return found[0] if found else {}

    def read(self, work: Work) -> dict[str, Any]:
        """Its id and its tables."""
        found = self._describe(work, work.physical_id)
        return {
            "NatGatewayId": work.physical_id,
            "SNatTableId": ",".join(found.get("SnatTableIds", {}).get("SnatTableId", [])),
            "ForwardTableId": ",".join(found.get("ForwardTableIds", {}).get("ForwardTableId", [])),
        }

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes names and tags."""
        if fields := changed(work, before, "NatGatewayName", "Description"):
            if "NatGatewayName" in fields:
                fields["Name"] = fields.pop("NatGatewayName")
            work.call("Vpc", "ModifyNatGatewayAttribute", NatGatewayId=work.physical_id, **fields)
        sync_tags(work, before, "Vpc", "NATGATEWAY", work.physical_id)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Network, names and tags."""
        found = self._describe(work, work.physical_id)
        if not found:
            return None
        place = {"VpcId": found["VpcId"], "VSwitchId": found["NatGatewayPrivateInfo"]["VswitchId"]}
        names = {"NatGatewayName": found["Name"], "Description": found["Description"]}
        return {**place, **names, "Tags": tags_drift(work, found["Tags"])}

    def delete(self, work: Work) -> None:
        """Removes it as soon as it has no entries and no addresses; with DeletionForce they go along."""
        force = truth(work.properties.get("DeletionForce"))
        delete_until_free(work, "Vpc", "DeleteNatGateway", NatGatewayId=work.physical_id, Force=force)

    def estimate(self, work: Work) -> dict[str, Any] | None:  # noqa: ARG002 - the same for every gateway
        """One hour of the gateway; what passes through comes on top."""
        price = prices.PRICES["nat_gateway"]
        return {"Currency": prices.CURRENCY, "OriginalPrice": price, "TradePrice": price}


class SnatEntry(ResourceType):
    """Entries that let VSwitches, or a block, go out by addresses."""

    name = "ALIYUN::VPC::SnatEntry"
    attributes = ("SnatEntryIds",)
    carried = frozenset({"SnatTableId", "SnatIp", "SnatEntryName", "SourceCIDR", "SourceVSwitchIds", "EipAffinity"})
    updatable = frozenset({"SnatIp", "SnatEntryName", "EipAffinity"})

    def create(self, work: Work) -> str:
        """Makes an entry for each source."""
        common = given(work, "SnatTableId", "SnatIp", "SnatEntryName", "EipAffinity")
        sources = [{"SourceVSwitchId": str(one)} for one in work.properties.get("SourceVSwitchIds") or []]
        if work.properties.get("SourceCIDR"):
            sources.append({"SourceCIDR": str(work.properties["SourceCIDR"])})
        ids: list[str] = []
        for index, source in enumerate(sources or [{}]):
            token = f"{work.token}-{index}"
            ids.append(str(work.call("Vpc", "CreateSnatEntry", ClientToken=token, **common, **source)["SnatEntryId"]))
            work.made(",".join(ids))
        return ",".join(ids)

    def read(self, work: Work) -> dict[str, Any]:
        """The entries' ids."""
        return {"SnatEntryIds": work.physical_id.split(",")}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes the entries' addresses and names."""
        if fields := changed(work, before, "SnatIp", "SnatEntryName", "EipAffinity"):
            for one in work.physical_id.split(","):
                work.call("Vpc", "ModifySnatEntry", SnatEntryId=one, **fields)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """The first entry that is left."""
        for one in work.physical_id.split(","):
            reply = work.call("Vpc", "DescribeSnatTableEntries", SnatEntryId=one)
            for found in reply["SnatTableEntries"]["SnatTableEntry"]:
                return {key: found[key] for key in ("SnatTableId", "SnatIp", "SnatEntryName")}
        return None

    def delete(self, work: Work) -> None:
        """Removes the entries; those that are gone are no failure."""
        for one in work.physical_id.split(","):
            try:
                work.call("Vpc", "DeleteSnatEntry", SnatEntryId=one)
            except ApiError as problem:
                if not gone(problem):
                    raise
