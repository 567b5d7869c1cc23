"""Gradio's config in parts: what a browser gets with the page, and what it asks for later, see later.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

PLACE, DRAW = "later-", "draw-"
"""What the elem_id of a part's place begins with, and the name of the bridge that asks for it."""


class Parts:
    """The page's config in parts: `first` is what a browser gets with the page, `answers` what it gets by event.

    `shape` names what events are about: a page with another one is from before an update.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take what Gradio writes into its page.

        Raises:
            ValueError: it is not as it was when this was written.
        """
        self.shape = _shape(config)
        self.first: dict[str, Any] = {name: config[name] for name in ("components", "dependencies", "layout", "page")}
        self.answers: dict[int, bytes] = {}
        ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        for name, place in ids.items():
            if isinstance(name, str) and name.startswith(PLACE):
                asked = ids[f"bridge-{DRAW}{name.removeprefix(PLACE)}"]
                self._take_out(place, asked)

    def _take_out(self, place: int, asked: int) -> None:
        """Move what is inside a place, with its events, from `first` into an answer."""
        layout = _place(self.first["layout"], place)
        if layout is None or len(self.first["page"]) != 1:
            raise ValueError("Gradio's config has changed: a component is not in the layout, or it has several pages")
        inside = {id for child in layout["children"] for id in _ids(child)}
        components, events = self.first["components"], self.first["dependencies"]
        [event] = [one["id"] for one in events if [asked, "change"] in one["targets"]]
        part = {
            "render_id": place,
            "layout": layout,
            "components": [one for one in components if one["id"] in inside or one["id"] == place],
            "dependencies": [one for one in events if _concerns(one, inside)],
        }
        answer = {"data": [], "render_config": part, "is_generating": False, "duration": 0.0, "average_duration": 0.0}
        self.answers[event] = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        layout = _emptied(self.first["layout"], place)
        left = [one for one in components if one["id"] not in inside]
        events = [one for one in events if not _concerns(one, inside)]
        # Gradio says it once more for the only one of its pages.
        [(name, page)] = self.first["page"].items()
        ids = {"components": [one["id"] for one in left], "dependencies": [one["id"] for one in events]}
        self.first = {
            "components": left,
            "dependencies": events,
            "layout": layout,
            "page": {name: {**page, **ids, "layout": layout}},
        }


def _shape(config: Mapping[str, Any]) -> str:
    components = [(one["id"], one["type"], one["props"].get("elem_id")) for one in config["components"]]
    events = [[one[name] for name in ("id", "targets", "inputs", "outputs")] for one in config["dependencies"]]
    return hashlib.sha256(json.dumps([components, events, config["layout"]]).encode()).hexdigest()[:16]


def _place(layout: Mapping[str, Any], id: int) -> Mapping[str, Any] | None:
    if layout["id"] == id:
        return layout
    return next((found for child in layout.get("children", ()) if (found := _place(child, id))), None)


def _ids(layout: Mapping[str, Any]) -> Iterator[int]:
    yield layout["id"]
    for child in layout.get("children", ()):
        yield from _ids(child)


def _emptied(layout: Mapping[str, Any], place: int) -> dict[str, Any]:
    inside = [] if layout["id"] == place else [_emptied(child, place) for child in layout.get("children", ())]
    return {**layout, "children": inside}


def _concerns(event: Mapping[str, Any], inside: set[int]) -> bool:
    """Say whether an event is of components that are not there yet, or wants their values, or has values for them."""
    return not inside.isdisjoint([*event["inputs"], *event["outputs"], *(id for id, _ in event["targets"])])
