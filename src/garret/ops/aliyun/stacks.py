"""ROS by its typed client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
                for key, value in parameters.items()
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
    ) -> str:
        """Create a stack, or get the one this token created before; its id."""
        models = _models()
        request = models.CreateStackRequest(
            region_id=self._session.region,
            stack_name=name,
            template_body=template,
            parameters=[
                models.CreateStackRequestParameters(parameter_key=key, parameter_value=value)
                for key, value in parameters.items()
            ],
            tags=[models.CreateStackRequestTags(key=key, value=value) for key, value in tags.items()],
            client_token=token,
            disable_rollback=False,
            # The stack's own limit lies behind the node's, so that the node's reason is heard first.
            timeout_in_minutes=wait_s // 60 + 15,
        )
        reply = self._session.call("CreateStack", lambda: self._session.ros.create_stack(request))
        return str(reply.body.stack_id)

    def find(self, name: str) -> Stack | None:
        """The stack of this name that is not deleted."""
        found = [stack for stack in self._list(stack_name=[name]) if stack.name == name]
        return self.get(found[0].id) if found else None

    def get(self, stack_id: str) -> Stack | None:
        """A stack by its id, with its outputs; None when it is gone."""
        request = _models().GetStackRequest(region_id=self._session.region, stack_id=stack_id)
        try:
            body = self._session.call("GetStack", lambda: self._session.ros.get_stack(request)).body
        except CloudError as error:
            if error.code in _NOT_FOUND:
                return None
            raise
        if body.status in GONE:
            return None
        return Stack(
            id=body.stack_id,
            name=body.stack_name,
            status=body.status,
            reason=body.status_reason or "",
            outputs={str(output["OutputKey"]): output.get("OutputValue") for output in body.outputs or []},
            parameters={p.parameter_key: str(p.parameter_value) for p in body.parameters or []},
            tags={tag.key: tag.value for tag in body.tags or []},
            created_at=body.create_time or "",
        )

    def tagged(self) -> list[Stack]:
        """Every stack that belongs to a deployment of ours and is not deleted."""
        tag = _models().ListStacksRequestTag(key=DEPLOYMENT_TAG)
        return self._list(tag=[tag])

    def resources(self, stack_id: str) -> list[StackResource]:
        """What is in a stack."""
        request = _models().ListStackResourcesRequest(region_id=self._session.region, stack_id=stack_id)
        reply = self._session.call("ListStackResources", lambda: self._session.ros.list_stack_resources(request))
        return [
            StackResource(
                name=resource.logical_resource_id,
                kind=resource.resource_type,
                id=resource.physical_resource_id or "",
                status=resource.status,
                reason=resource.status_reason or "",
            )
            for resource in reply.body.resources or []
        ]

    def events(self, stack_id: str) -> list[StackEvent]:
        """What happened in a stack, oldest first."""

        def page(number: int) -> tuple[list[Any], int]:
            request = _models().ListStackEventsRequest(
                region_id=self._session.region, stack_id=stack_id, page_size=PAGE, page_number=number
            )
            body = self._session.call("ListStackEvents", lambda: self._session.ros.list_stack_events(request)).body
            return list(body.events or []), int(body.total_count or 0)

        events = [
            StackEvent(
                id=event.event_id or "",
                resource=event.logical_resource_id or "",
                kind=event.resource_type or "",
                status=event.status,
                reason=event.status_reason or "",
                at=event.create_time or "",
            )
            for event in _all_pages(page)
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

    def _list(self, **wanted: Any) -> list[Stack]:
        def page(number: int) -> tuple[list[Any], int]:
            request = _models().ListStacksRequest(
                region_id=self._session.region, page_size=PAGE, page_number=number, **wanted
            )
            body = self._session.call("ListStacks", lambda: self._session.ros.list_stacks(request)).body
            return list(body.stacks or []), int(body.total_count or 0)

        return [
            Stack(
                id=stack.stack_id,
                name=stack.stack_name,
                status=stack.status,
                reason=stack.status_reason or "",
                tags={tag.key: tag.value for tag in stack.tags or []},
                created_at=stack.create_time or "",
            )
            for stack in _all_pages(page)
            if stack.status not in GONE
        ]


def _all_pages(page: Callable[[int], tuple[list[Any], int]]) -> list[Any]:
    """Everything that `page`, called with 1, 2, …, returns with the total number."""
    found: list[Any] = []
    for number in count(1):
        rows, total = page(number)
        found += rows
        if not rows or len(found) >= total:
            break
    return found


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
