"""How a template's call of an API becomes a call of the local cloud: its product, its region, its flat parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import PRODUCTS, Action, ApiError, Cloud, LostReply, access
from garret.local_cloud.oos.values import WrongValue, as_text

NO_ANSWER = "NoAnswer"


def product_named(service: str) -> str:
    """The product that a template calls "ECS" or "ecs"; WrongValue when there is none."""
    for name in PRODUCTS:
        if name.lower() == service.lower():
            return name
    raise WrongValue(f"Service: {service!r} is none of {', '.join(PRODUCTS)}")


def action_named(service: str, api: str) -> tuple[str, Action]:
    """The product's name and the action; WrongValue when the local cloud does not have it."""
    product = product_named(service)
    action = PRODUCTS[product].actions().get(api)
    if action is None:
        raise WrongValue(f"API: garret's local cloud does not emulate {product} {api}")
    return product, action


def call(cloud: Cloud, region: str, properties: Mapping[str, Any], token: str) -> dict[str, Any]:
    """Carry out one call; ApiError for what is refused, also for an answer that was lost."""
    product, action = action_named(str(properties.get("Service")), str(properties.get("API")))
    given = dict(properties.get("Parameters") or {})
    where = str(given.pop("RegionId", "") or region)
    params = flattened(given, action)
    if access(str(properties["API"])) == "write":
        params.setdefault("ClientToken", token)  # after a crash the same call comes again, and must not be done twice
    try:
        return cloud.call(product, str(properties["API"]), where, params)
    except LostReply as error:
        raise ApiError(NO_ANSWER, f"no answer came: {error}", 503) from None


def flattened(given: Mapping[str, Any], action: Action) -> dict[str, str]:
    """Parameters as on the wire: a list by the singular's numbers where the action has those, else as JSON; tags by
    theirs; what is empty is left out, as a template cannot leave it out itself."""
    params: dict[str, str] = {}
    lists = {one.name.partition(".N")[0] for one in action.parameters if ".N" in one.name}
    for name, value in given.items():
        if value is None or value in ("", {}):
            continue
        if name == "Tags" and isinstance(value, list):
            params |= _numbered("Tag", value)
        elif isinstance(value, list) and name.removesuffix("s") in lists:
            params |= _numbered(name.removesuffix("s"), value)
        elif isinstance(value, list) and name in (*lists, "Parameters"):
            params |= _numbered(name, value)
        else:
            params[name] = as_text(value) if not isinstance(value, list | dict) else json.dumps(value)
    return params


def _numbered(name: str, values: list[Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for number, value in enumerate(values, 1):
        if isinstance(value, dict):
            flat |= {f"{name}.{number}.{key}": as_text(one) for key, one in value.items()}
        else:
            flat[f"{name}.{number}"] = as_text(value)
    return flat
