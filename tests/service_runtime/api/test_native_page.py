"""docs/api/native.md names every route of the native API, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from garret.service_runtime.api.dialects import dialect_of
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.living import Service

PAGE = (Path(__file__).parents[3] / "docs" / "api" / "native.md").read_text("utf-8")
_ROUTE = re.compile(r"`(GET|PUT|POST|DELETE) (/[^`?]+)`")


def test_every_route_is_on_the_page(service: Service) -> None:
    """By its method and path, as the document has it; and how long a link is good."""
    paths = service.call("GET", "/openapi.json").json["paths"]
    routes = {(method.upper(), path) for path in paths if dialect_of(path).title == "Native" for method in paths[path]}
    assert set(_ROUTE.findall(PAGE)) == routes
    assert f"`LINK_S` seconds ({ServiceSettings().link_s:.0f})" in PAGE
