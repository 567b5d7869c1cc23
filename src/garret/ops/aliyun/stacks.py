"""ROS: its typed client writes and estimates, signed reads look."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.session import Session
from garret.ops.cloud import DEPLOYMENT_TAG, Stack, StackEvent, StackResource

PAGE = 50
GONE = ("DELETE_COMPLETE",)
_NOT_FOUND = ("StackNotFound", "StackNotFound.NotFound")


class RosStacks:
    """Stacks of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def validate(self, template: str) -> None:
        """Let ROS check a template; CloudError when it refuses."""
        models = _models()
        request = models.ValidateTemplateRequest(region_id=self._session.region, template_body=template)
        self._session.call("ValidateTemplate", lambda: self._session.ros.validate_template(request))

    def price_per_hour(self, template: str, parameters: Mapping[str, str]) -> tuple[float, str] | None:
        """The sum of what the stack's resources cost an hour; what is paid by traffic is left out."""
        models = _models()
        request = models.GetTemplateEstimateCostRequest(
            region_id=self._session.region,
            template_body=template,
            parameters=[
                models.GetTemplateEstimateCostRequestParameters(parameter_key=key, parameter_value=value)
                for key, value in said(parameters).items()
            ],
        )
        reply = self._session.call(
            "GetTemplateEstimateCost", lambda: self._session.ros.get_template_estimate_cost(request)
        )
        return hourly_sum(reply.body.resources or {})

    def create(
        self,
        name: str,
        template: str,
        parameters: Mapping[str, str],
        *,
        tags: Mapping[str, str],
        token: str,
        wait_s: int,
        resource_group: str = "",
    ) -> str:
        """Create a stack, or get the one this token created before; its id."""
        models = _models()
        request = models.CreateStackRequest(
            region_id=self._session.region,
            stack_name=name,
            template_body=template,
            parameters=[
                models.CreateStackRequestParameters(parameter_key=key, parameter_value=value)
                for key, value in said(parameters).items()
            ],
            tags=[models.CreateStackRequestTags(key=key, value=value) for key, value in tags.items()],
            client_token=token,
            resource_group_id=resource_group or None,
            disable_rollback=False,
            # The stack's own limit lies behind the node's, so that the node's reason is heard first.
            timeout_in_minutes=wait_s // 60 + 15,
        )
        reply = self._session.call("CreateStack", lambda: self._session.ros.create_stack(request))
        return str(reply.body.stack_id)

    def find(self, name: str) -> Stack | None:
        """The stack of this name that is not deleted."""
        found = [stack for stack in self._list({"StackName": [name]}) if stack.name == name]
        return self.get(found[0].id) if found else None

    def get(self, stack_id: str) -> Stack | None:
        """A stack by its id, with its outputs; None when it is gone."""
        try:
            raw = self._session.read("ros", "GetStack", {"StackId": stack_id})
        except CloudError as error:
            if error.code in _NOT_FOUND:
                return None
            raise
        return None if raw.get("Status") in GONE else _stack(raw)

    def tagged(self) -> list[Stack]:
        """Every stack that belongs to a deployment of ours and is not deleted."""
        return self._list({"Tag": [{"Key": DEPLOYMENT_TAG}]})

    def resources(self, stack_id: str) -> list[StackResource]:
        """What is in a stack."""
        reply = self._session.read("ros", "ListStackResources", {"StackId": stack_id})
        return [
            StackResource(
                name=raw["LogicalResourceId"],
                kind=raw["ResourceType"],
                id=raw.get("PhysicalResourceId") or "",
                status=raw["Status"],
                reason=raw.get("StatusReason") or "",
            )
            for raw in reply.get("Resources") or []
        ]

    def events(self, stack_id: str) -> list[StackEvent]:
        """What happened in a stack, oldest first."""
        events = [
            StackEvent(
                id=raw.get("EventId") or "",
                resource=raw.get("LogicalResourceId") or "",
                kind=raw.get("ResourceType") or "",
                status=raw["Status"],
                reason=raw.get("StatusReason") or "",
                at=raw.get("CreateTime") or "",
            )
            for raw in self._pages("ListStackEvents", "Events", {"StackId": stack_id})
        ]
        return events[::-1]  # the cloud lists the newest first

    def delete(self, stack_id: str) -> None:
        """Ask for a stack and all in it to go; one that is gone already is no error."""
        request = _models().DeleteStackRequest(region_id=self._session.region, stack_id=stack_id)
        try:
            self._session.call("DeleteStack", lambda: self._session.ros.delete_stack(request))
        except CloudError as error:
            if error.code not in _NOT_FOUND:
                raise

    def _list(self, wanted: Mapping[str, Any]) -> list[Stack]:
        found = self._pages("ListStacks", "Stacks", wanted)
        return [_stack(raw) for raw in found if raw["Status"] not in GONE]

    def _pages(self, action: str, key: str, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What lies below `key` on all pages of an action."""
        found: list[dict[str, Any]] = []
        for number in count(1):
            reply = self._session.read("ros", action, {**wanted, "PageSize": PAGE, "PageNumber": number})
            rows = reply.get(key) or []
            found += rows
            if not rows or len(found) >= int(reply.get("TotalCount") or 0):
                break
        return found


def _stack(raw: Mapping[str, Any]) -> Stack:
    """A stack as GetStack describes it, or a line of ListStacks, which has neither outputs nor parameters."""
    return Stack(
        id=raw["StackId"],
        name=raw.get("StackName") or "",
        status=raw["Status"],
        reason=raw.get("StatusReason") or "",
        outputs={str(output["OutputKey"]): output.get("OutputValue") for output in raw.get("Outputs") or []},
        parameters={one["ParameterKey"]: str(one.get("ParameterValue")) for one in raw.get("Parameters") or []},
        tags={tag["Key"]: tag.get("Value") or "" for tag in raw.get("Tags") or []},
        created_at=raw.get("CreateTime") or "",
    )


def said(parameters: Mapping[str, str]) -> dict[str, str]:
    """Parameters as they may travel: the API takes an empty value for a missing one, so the template's "" stands in."""
    return {name: value for name, value in parameters.items() if value != ""}


def hourly_sum(resources: Mapping[str, Any]) -> tuple[float, str] | None:
    """Add the orders of an estimate that are priced by the hour; None when there are none."""
    total, currency = 0.0, ""
    for resource in resources.values():
        result = resource.get("Result") or {}
        order = result.get("Order") or {}
        unit = str((result.get("OrderSupplement") or {}).get("PriceUnit", "/Hour"))
        amount = order.get("TradeAmount", order.get("OriginalAmount"))
        if resource.get("Success") is False or amount is None or "hour" not in unit.lower():
            continue
        total += float(amount)
        currency = str(order.get("Currency") or currency)
    return (total, currency) if currency else None


def _models() -> Any:
    from alibabacloud_ros20190910 import models

    return models
