"""Clients in JavaScript, run by a real Node.js."""

from __future__ import annotations

from pathlib import Path

from tests.service_runtime.api.javascript import Node
from tests.service_runtime.living import Service


def test_the_fetch_of_node_reaches_a_service(node: Node, service: Service, tmp_path: Path) -> None:
    """A script of its own, with the token from its environment."""
    script = tmp_path / "ask.mjs"
    script.write_text(
        "const reply = await fetch(`${process.env.GARRET_URL}/v1/jobs`, {headers: {"
        "Authorization: `Bearer ${process.env.GARRET_TOKEN}`}});\nconsole.log(reply.status);\n"
    )
    token = service.headers["Authorization"].removeprefix("Bearer ")
    said = node.run(script, GARRET_URL=f"http://{service.host}:{service.port}", GARRET_TOKEN=token)
    assert (int(node.version.partition(".")[0]) >= 18, said) == (True, "200\n")
