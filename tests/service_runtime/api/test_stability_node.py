"""Stability's REST API as a client of others speaks it: npm's stability-ai, by a real Node.js."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from tests.service_runtime.api.drawn import picture, size_of
from tests.service_runtime.api.javascript import Node
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service

PACKAGE = "stability-ai@0.7.0"


@pytest.mark.compatible("Stability", "npm stability-ai 0.7.0", "engines, balance, pictures by all three routes")
def test_a_client_of_others(service: Service, node: Node, tmp_path: Path) -> None:
    """Its forms, its files, its words and what it makes of an error; the address alone is another one."""
    node.install(tmp_path, PACKAGE)
    (tmp_path / "init.png").write_bytes(picture(768, 768))
    (tmp_path / "mask.png").write_bytes(picture(768, 768, "white"))
    script = shutil.copy(Path(__file__).with_name("stability_client.js"), tmp_path)
    address = f"http://{service.host}:{service.port}"
    told = json.loads(node.run(script, folder=tmp_path, ADDRESS=address, TOKEN=TOKEN, TMPDIR=str(tmp_path)))
    assert told["engines"][0]["id"] == "tiny"
    assert told["balance"]["credits"] > 0
    sizes = {
        name: [size_of(base64.b64decode(one["bytes"])) for one in told[name]] for name in ("made", "begun", "masked")
    }
    assert sizes == {"made": [(64, 64)] * 2, "begun": [(768, 768)], "masked": [(768, 768)]}
    assert [one["seed"] for one in told["made"]] == [7, 8]
    assert "width: 65" in told["refused"]
