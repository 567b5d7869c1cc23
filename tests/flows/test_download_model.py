"""A model from a web server on loopback into its typed folder, and a picture made with it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from garret import demo_model
from tests.flows.house import DEPLOY, House
from tests.flows.test_house import shows

pytestmark = pytest.mark.flow


class Quiet(SimpleHTTPRequestHandler):
    """A web server that keeps its log to itself."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[str]:
    """The address of a web server with a copy of the demo model and a page of HTML named like a model."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "copy.safetensors").write_bytes(demo_model.WEIGHTS.read_bytes())
    (folder / "login.safetensors").write_text("<!doctype html><title>Please log in</title>", encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_downloaded_checkpoint_makes_pictures(house: House, shelf: str, tmp_path: Path) -> None:
    """A model comes in as an execution, is refused when it is not one, and is used by its name without a restart."""
    house.garret(*DEPLOY)
    digest = hashlib.sha256(demo_model.WEIGHTS.read_bytes()).hexdigest()
    download = ("ops", "download-model", "--type", "checkpoint", "--url")
    execution = house.json(*download, f"{shelf}/copy.safetensors", "--name", "mine", "--sha256", digest)
    assert execution["status"] == "Success"

    refused = house.run(*download, f"{shelf}/login.safetensors")
    assert refused.returncode == 1
    assert "html" in (refused.stdout + refused.stderr).lower()
    wrong = house.run(*download, f"{shelf}/copy.safetensors", "--name", "wrong", "--sha256", "0" * 64)
    assert wrong.returncode == 1
    assert digest in wrong.stdout + wrong.stderr

    picture = tmp_path / "mine.png"
    house.garret("generate", "a blue square on a yellow background", "--model", "mine", "-o", str(picture))
    assert shows(picture, "a blue square on a yellow background")
    unknown = house.run("generate", "a circle", "--model", "wrong", "-o", str(tmp_path / "no.png"))
    assert unknown.returncode in {1, 2}
    assert "mine" in unknown.stdout + unknown.stderr
    assert not (tmp_path / "no.png").exists()

    page = tmp_path / "page.safetensors"
    page.write_text("<!doctype html><title>Please log in</title>", encoding="utf-8")
    upload = ("ops", "download-model", "--type", "checkpoint", "--file")
    assert house.run(*upload, str(page)).returncode == 2
    own = tmp_path / "own.safetensors"
    own.write_bytes(demo_model.WEIGHTS.read_bytes()[:-4] + b"mine")
    sent = house.json(*upload, str(own))
    assert (sent["name"], sent["bytes_sent"], sent["already_there"]) == ("own", own.stat().st_size, False)
    assert house.json(*upload, str(own), "--name", "twin")["already_there"] is True
    house.garret("generate", "a blue square", "--model", "own", "-o", str(tmp_path / "own.png"))
    kinds = {execution["verb"]: execution["status"] for execution in house.json("ops", "executions")}
    assert kinds["upload-model"] == "Success"
