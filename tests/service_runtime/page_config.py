"""What a browser gets of Gradio's config: with the page, and later."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.service_runtime.living import Service

EVENT = "/ui/gradio_api/run/predict"


def first_config(service: Service) -> dict[str, Any]:
    """Return what comes with the page."""
    page = service.call("GET", "/").body.decode()
    script = service.call("GET", re.findall(r"/ui/kept/[0-9a-f]{16}\.js", page)[0]).body.decode()
    config, _ = json.JSONDecoder().raw_decode(script.removeprefix("window.gradio_config="))
    return dict(config)


def parts_of(service: Service, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what comes for each part that is asked for later."""
    names = {one["id"]: str(one["props"].get("elem_id")) for one in config["components"]}
    events = [
        one["id"]
        for one in config["dependencies"]
        if any(names.get(target, "").startswith("bridge-draw-") for target, _ in one["targets"])
    ]
    answers = [send(service, config, event, ["{}"]) for event in events]
    assert [answer.status for answer in answers] == [200] * len(events)
    return [answer.json["render_config"] for answer in answers]


def whole_config(service: Service) -> dict[str, Any]:
    """Return what a browser knows once everything is drawn: components and dependencies."""
    first = first_config(service)
    parts = [first, *parts_of(service, first)]
    whole = {kind: [one for part in parts for one in part[kind]] for kind in ("components", "dependencies")}
    return {**first, **whole}


def event_of(config: dict[str, Any], elem_id: str, name: str) -> dict[str, Any]:
    """Return the one dependency that begins with this event of this component."""
    [id] = {one["id"] for one in config["components"] if one["props"].get("elem_id") == elem_id}
    [found] = [one for one in config["dependencies"] if [id, name] in one["targets"]]
    return dict(found)


def send(service: Service, config: dict[str, Any], event: Any, values: Any, **more: Any) -> Any:
    """Send an event as the page with this config does; in Chinese."""
    said = {"fn_index": event, "data": values, "session_hash": "abc", **more}
    return service.call(
        "POST", EVENT, json.dumps(said).encode(), Accept_Language="zh", Garret_Page=config["garret_shape"]
    )
