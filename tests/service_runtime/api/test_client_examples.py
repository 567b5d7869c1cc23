"""The examples of clients are run as they stand: in Python, and in JavaScript by a real Node.js."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service_runtime.api.javascript import Node
from tests.service_runtime.api.raw import http, raw_server
from tests.service_runtime.conftest import PASSWORD, TOKEN
from tests.service_runtime.living import Service

EXAMPLES = Path(__file__).parents[3] / "examples"
PNG = b"\x89PNG\r\n\x1a\n"


def at(service: Service) -> dict[str, str]:
    """Where and as whom, as the examples read it."""
    return {"GARRET_URL": f"http://{service.host}:{service.port}", "GARRET_TOKEN": TOKEN}


def python(script: str, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an example in Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
    return subprocess.run(
        [sys.executable, EXAMPLES / "python" / script, *arguments],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def module(text: str) -> str:
    """A script that has imported the example's client."""
    return f"import * as garret from {json.dumps((EXAMPLES / 'javascript' / 'garret.mjs').as_uri())};\n{text}"


@pytest.mark.compatible("Native", "fetch, Node.js 18 and newer", "examples/javascript: pictures, with their progress")
def test_the_example_in_javascript_makes_a_picture(node: Node, service: Service, tmp_path: Path) -> None:
    """By plain fetch, with the job's events for its progress."""
    script = EXAMPLES / "javascript" / "generate.mjs"
    said = node.run(script, "a red circle", "circle.png", folder=tmp_path, **at(service))
    assert said == "circle.png: image/png, seed 7\n"
    assert (tmp_path / "circle.png").read_bytes().startswith(PNG)


@pytest.mark.compatible("Native", "fetch, Node.js 18 and newer", "errors with their field, lists, login and password")
def test_the_javascript_client_tells_errors_and_lists(node: Node, service: Service, tmp_path: Path) -> None:
    """Its errors have the field and the reason, and a job that is aborted is cancelled."""
    script = tmp_path / "ask.mjs"
    script.write_text(
        module("""
const { GARRET_URL: url, GARRET_TOKEN: token, PASSWORD: password } = process.env;
const client = new garret.Garret({ url, token });
const refused = await client.submit("x", { width: 63 }).catch((error) => error);
const stop = new AbortController();
const slow = { width: 1024, height: 1024, steps: 150, n_iter: 16 };
let id;
const onProgress = (job) => { id = job.id; stop.abort(new Error("enough")); };
const aborted = await client.generate("many", slow, { signal: stop.signal, onProgress }).catch((error) => error);
let job = {};
for await (job of client.events(id));
const byPassword = new garret.Garret({ url, password });
console.log(JSON.stringify({
  refused: [refused instanceof garret.GarretError, refused.status, refused.field, refused.reason, refused.hint],
  aborted: [aborted.message, job.state],
  lists: [(await byPassword.models()).length > 0, (await byPassword.samplers()).length > 10],
}));
""")
    )
    said = json.loads(node.run(script, PASSWORD=PASSWORD, **at(service)))
    assert said == {
        "refused": [True, 422, "width", "63 is out of range", "Give 64 to 2048"],
        "aborted": ["enough", "Cancelled"],
        "lists": [True, True],
    }


def test_the_javascript_client_comes_again_when_it_is_told_to(node: Node, tmp_path: Path) -> None:
    """After a full queue, and after an answer that was lost, with the same key; events go on where they broke."""
    script = tmp_path / "ask.mjs"
    script.write_text(
        module("""
const client = new garret.Garret({ url: process.env.GARRET_URL, token: "t" });
console.log((await client.submit("x")).id);
for await (const job of client.events("7")) console.log(job.state);
""")
    )
    running, over = ({"state": state, "ended_at": end} for state, end in (("Running", None), ("Success", 1.0)))
    full = http(json.dumps({"error": "Busy"}).encode(), "429 Too Many Requests", "Retry-After: 1")
    first = http(f"event: job\ndata: {json.dumps(running)}\n\nevent: jo".encode(), length=999)
    last = http(f": hello\n\nevent: end\r\ndata: {json.dumps(over)}\r\n\r\n".encode())
    with raw_server(full, b"", http(b'{"id": "7"}'), first, last) as raw:
        assert node.run(script, GARRET_URL=raw.url).split() == ["7", "Running", "Success"]
    assert len(set(raw.headers("idempotency-key"))) == 1
    assert raw.lines == ["POST /v1/jobs"] * 3 + ["GET /v1/jobs/7/events"] * 2


def test_the_examples_in_python_make_pictures(service: Service, tmp_path: Path) -> None:
    """One with its progress, and one that says why not."""
    one = python("generate.py", tmp_path, "a red circle", **at(service))
    assert (one.returncode, one.stdout.strip()) == (0, "picture.png: image/png, seed 7"), one.stderr
    assert (tmp_path / "picture.png").read_bytes().startswith(PNG)
    nowhere = python("generate.py", tmp_path)
    assert (nowhere.returncode, "GARRET_URL" in nowhere.stderr) == (1, True)


def test_the_example_of_many_makes_as_many(service: Service, tmp_path: Path) -> None:
    """One file for each prompt; and one that repaints what a mask says."""
    many = python("many.py", tmp_path, "made", "a star", "a hat", "a cat", **at(service))
    assert (many.returncode, sorted(path.name for path in (tmp_path / "made").iterdir())) == (
        0,
        ["0.png", "1.png", "2.png"],
    ), many.stderr
    files = [str(tmp_path / "made" / f"{number}.png") for number in (0, 1)]
    again = python("inpaint.py", tmp_path, *files, "a balloon", "out.png", **at(service))
    assert (again.returncode, (tmp_path / "out.png").read_bytes()[:8]) == (0, PNG), again.stderr
