"""The description of the APIs: every route in it, behind the login, and a page without anything from elsewhere."""

from __future__ import annotations

import re
from typing import Any

from garret.service_runtime.api.dialects import DIALECTS
from tests.service_runtime.living import Service

OPEN = {("GET", "/healthz"), ("GET", "/login"), ("HEAD", "/login"), ("GET", "/ui/login.css")}
ASK_WHO_SENDS = {("POST", "/login"), ("POST", "/logout")}
"""Open as well, and refused to whoever does not come from the page."""


def test_every_route_of_the_document_wants_a_login_but_health(service: Service) -> None:
    """Walked as a stranger, with the pages, their files and the description; nothing is done by it."""
    document = service.call("GET", "/openapi.json").json
    stranger = Service(service.process, service.host, service.port)
    listed = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    pages = ("/", "/docs", "/openapi.json", "/ui/docs.css", "/ui/nothing", "/ui/login.css", "/extensions/a/b")
    pages += ("/login", "/login/", "/Login", "/login/../docs", "//login", "/logout", "/logout/", "/ui/../login")
    pages += tuple(f"/ui/{name}" for name in ("", "config", "theme.css", "assets/index.js", "own/x/main.js"))
    pages += tuple(
        f"/ui/gradio_api/{name}" for name in ("info", "run/predict", "queue/join", "upload", "file=/etc/passwd")
    )
    beside = [(method, path) for path in pages for method in ("GET", "HEAD", "POST")]
    found = set()
    for method, path in [*listed, *beside]:
        body = b"{}" if method in ("POST", "PUT") else None
        answer = stranger.call(method, re.sub(r"\{[^}]*\}", "a", path), body)
        if answer.status == 401:
            assert answer.headers["www-authenticate"].startswith("Basic "), path
        else:
            assert answer.status == (403 if (method, path) in ASK_WHO_SENDS else 200), path
            found.add((method, path))
    assert found == OPEN | ASK_WHO_SENDS
    assert len(listed) > 30


def test_the_document_says_who_may_call(service: Service) -> None:
    """Both ways in, for all routes but one."""
    document = service.call("GET", "/openapi.json").json
    assert set(document["components"]["securitySchemes"]) == {"password", "token"}
    assert document["security"] == [{"password": []}, {"token": []}]
    without = [
        path for path, methods in document["paths"].items() for one in methods.values() if one.get("security") == []
    ]
    assert without == ["/healthz"]


def test_operations_have_a_name_each_and_say_what_they_do(service: Service) -> None:
    """A client made from the document has one function for each."""
    operations = [
        one for methods in service.call("GET", "/openapi.json").json["paths"].values() for one in methods.values()
    ]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert not [one["operationId"] for one in operations if len(one.get("description", "")) < 10]


def test_the_page_shows_every_dialect_and_loads_nothing_from_elsewhere(service: Service) -> None:
    """Its routes, fields and answers; only its own style sheet."""
    page = service.call("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    text = page.body.decode()
    for dialect in DIALECTS:
        assert f"<h2>{dialect.title}</h2>" in text
    assert "<code>POST /sdapi/v1/txt2img</code>" in text
    assert "<code>negative_prompt</code>" in text
    assert "<code>start.mask.blur</code>" in text
    either = text.partition("<code>POST /invocations</code>")[2].partition("</details>")[0]
    assert ("<code>use_refiner</code>" in either, "<code>mask_source</code>" in either) == (True, True)
    assert re.findall(r'(?:src|href)="([^"#]+)"', text) == ["data:,", "/ui/docs.css", "/", "/openapi.json"]
    assert "<script" not in text


def test_every_field_of_a_job_is_told_in_words(service: Service) -> None:
    """Also those within its parts."""

    def silent(schema: dict[str, Any], above: str) -> list[str]:
        inner = {**schema.get("properties", {}), **schema.get("items", {}).get("properties", {})}
        here = [above + name for name, one in inner.items() if not one.get("description")]
        return here + [name for key, one in inner.items() for name in silent(one, f"{above}{key}.")]

    body = service.call("GET", "/openapi.json").json["paths"]["/v1/jobs"]["post"]["requestBody"]
    assert silent(body["content"]["application/json"]["schema"], "") == []
