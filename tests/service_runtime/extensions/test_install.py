"""Extensions from real sources on a real running service: installed, used, changed, turned off, removed."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from garret.ops.extensions import packed
from garret.service_runtime.extensions.registry import Registry
from garret.service_runtime.life import look
from tests.service_runtime.extensions.making import HEAD, INVERT, SHOUT, project, tarred, wheel, zipped
from tests.service_runtime.extensions.node import Node, living_node
from tests.service_runtime.extensions.shelf import Shelf, serving
from tests.service_runtime.living import wait

PACKED = packed(Path(__file__).parents[3] / "examples" / "extension")
WHISPER = SHOUT.replace("upper() + '!'", "lower()")
NEEDY = HEAD + "import garret_test_helper\n@hookimpl\ndef prompt(words):\n    return garret_test_helper.mood(words)\n"
HELPER = (
    "from dataclasses import replace\ndef mood(words):\n    return replace(words, prompt='a merry ' + words.prompt)\n"
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Where extensions come from."""
    with serving(tmp_path_factory.mktemp("shelf")) as shelf:
        yield shelf


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose service runs."""
    with living_node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose service does not run."""
    with living_node(tmp_path_factory.mktemp("idle"), running=False) as node:
        yield node


@pytest.fixture
def clean(node: Node) -> Iterator[None]:
    """Leave the node without extensions; the service goes on with what it has until the next test has it begin anew."""
    yield
    for name in node.extensions():
        Registry(node.settings).remove(name)
    assert node.folders() == []


def prompt(node: Node, words: str = "a Star") -> str:
    """What a picture is made from."""
    answer = node.service.txt2img(prompt=words)
    assert answer.status == 200, answer.body
    return str(answer.json["parameters"]["prompt"])


@pytest.mark.usefixtures("clean")
def test_an_archive_is_installed_used_turned_off_and_on_replaced_and_removed(node: Node, shelf: Shelf) -> None:
    """All in one process of the service, whose callers find it at its port the whole time."""
    content = zipped(project("shout", SHOUT))
    before = node.life
    output = node.install(shelf.add("shout.zip", content), sha256=hashlib.sha256(content).hexdigest())
    assert (output["name"], output["version"], output["hooks"]) == ("shout", "1.0", ["prompt"])
    assert output["digest"] == hashlib.sha256(content).hexdigest()
    assert (output["state"], output["trial"], output["service_runs"]) == ("enabled", "", True)
    assert prompt(node) == "A STAR!"
    assert node.life.pid == before.pid
    assert node.life.id != before.id

    assert node.do("disable-extension", name="shout")["output"]["changed"]
    assert prompt(node) == "a Star"
    assert not node.do("disable-extension", name="shout")["output"]["changed"]
    assert node.do("enable-extension", name="shout")["output"]["changed"]
    assert prompt(node) == "A STAR!"
    output = node.install(shelf.add("shout-2.tar.gz", tarred(project("shout", WHISPER, "2.0"))))
    assert (output["version"], prompt(node)) == ("2.0", "a star")
    assert len(list((node.settings.extensions_dir / "shout").iterdir())) == 1
    listed = node.service.call("GET", "/sdapi/v1/extensions").json
    assert [(one["name"], one["version"]) for one in listed] == [("shout", "2.0")]
    (node.settings.extensions_dir / "by-hand").mkdir()
    listed = node.do("list-extensions")["output"]
    assert ([one["name"] for one in listed["extensions"]], listed["strangers"]) == (["shout"], ["by-hand"])
    (node.settings.extensions_dir / "by-hand").rmdir()
    assert node.do("remove-extension", name="shout")["status"] == "Success"
    assert prompt(node) == "a Star"
    assert node.extensions() == {}


def test_git_takes_a_commit_a_branch_or_the_newest(idle: Node, shelf: Shelf) -> None:
    """The commit is what the list says."""
    url, first = shelf.repository("tone", project("tone", SHOUT))
    _, second = shelf.repository("tone", project("tone", WHISPER, "2.0"))
    assert idle.install(url)["digest"] == second
    output = idle.install(f"git+{url}@{first}")
    assert (output["digest"], output["version"]) == (first, "1.0")
    assert idle.install(f"git+{url}@main")["digest"] == second
    assert len(list((idle.settings.extensions_dir / "tone").iterdir())) == 1
    shelf.repository("tone", {}, links={"link": "/etc/passwd"})
    assert "holds a link" in idle.refused(url)
    assert "no such branch, tag or commit" in idle.refused(f"git+{url}@nowhere")
    assert "no such repository" in idle.refused(f"{shelf.url}/git/none.git")
    assert "knows no host" in idle.refused("https://garret.invalid/none.git")
    assert idle.extensions()["tone"]["digest"] == second


@pytest.mark.usefixtures("clean")
def test_a_package_comes_from_the_index_with_what_it_needs(node: Node, shelf: Shelf) -> None:
    """Only wheels, only what the service lacks, and the hash of the one that was asked for."""
    for name, content in (
        wheel("garret-test-mood", NEEDY, requires=("garret-test-helper>=1", "pillow")),
        wheel("garret-test-helper", HELPER),
    ):
        shelf.wheels[name] = content
    mood = shelf.wheels["garret_test_mood-1.0-py3-none-any.whl"]
    wrong = node.refused("garret-test-mood", mirror=shelf.index, sha256="0" * 64)
    assert hashlib.sha256(mood).hexdigest() in wrong
    output = node.install("garret-test-mood==1.0", mirror=shelf.index, sha256=hashlib.sha256(mood).hexdigest())
    assert output["name"] == "garret-test-mood"
    assert prompt(node, "star") == "a merry star"
    installed = {path.name for path in (node.settings.extensions_dir / output["folder"] / "code").iterdir()}
    assert {"garret_test_mood.py", "garret_test_helper.py"} <= installed
    assert not [name for name in installed if name.lower().startswith("pil")]


def test_a_source_tree_brings_what_it_asks_for(idle: Node, shelf: Shelf) -> None:
    """By the node's own pip, here told of the index by its environment; the service's packages stay as they are."""
    name, content = wheel("garret-test-helper", HELPER)
    shelf.wheels[name] = content
    files = project("merry", NEEDY, requires=("garret-test-helper", "pillow"))
    identifier = idle.begin_with({"PIP_INDEX_URL": shelf.index}, source=shelf.add("merry.zip", zipped(files)))
    output = idle.end(identifier)["output"]
    assert (output["paths"], output["hooks"]) == (["code/src", "packages"], ["prompt"])
    old = project("old", SHOUT, requires=("pillow<2",))
    assert "it needs other versions than the service's own" in idle.refused(shelf.add("old.zip", zipped(old)))
    assert "the index has no wheel of garret-test-none" in idle.refused("garret-test-none", mirror=shelf.index)


def test_an_archive_comes_from_the_operators_machine_in_pieces(idle: Node) -> None:
    """Named by its hash, as the command line sends what lies on its own disk."""
    content = zipped(project("invert", INVERT))
    pieces = [content[start : start + 300] for start in range(0, len(content), 300)]
    record = idle.do("install-extension", pieces, source="sent:invert.zip", sha256=hashlib.sha256(content).hexdigest())
    assert record["output"]["hooks"] == ["image"]
    other = hashlib.sha256(b"other").hexdigest()
    broken = idle.do("install-extension", pieces[:-1], source="sent:invert.zip", sha256=other)
    assert f"and {other} was wanted" in broken["error"]["message"]
    lacking = idle.do("install-extension", source="sent:invert.zip", sha256="1" * 64, pieces=2)
    assert "lacks piece 0 of 2" in lacking["error"]["message"]


def test_addresses_that_are_not_public_need_the_deployments_leave(tmp_path: Path, shelf: Shelf) -> None:
    """An archive or a repository on loopback is refused where models from there would be."""
    with living_node(tmp_path / "strict", running=False, private=False) as strict:
        archive = shelf.add("shout.zip", zipped(project("shout", SHOUT)))
        told = strict.refused(archive, sha256=hashlib.sha256(shelf.files["/shout.zip"]).hexdigest())
        assert "not a public address" in told
        assert "plain http" in strict.refused(archive)
        assert "plain http" in strict.refused(f"{shelf.url}/git/tone.git")
        assert strict.folders() == []


@pytest.mark.usefixtures("clean")
def test_the_worked_example_does_what_it_says(node: Node) -> None:
    """The four hooks of examples/extension."""
    record = node.do("install-extension", [PACKED], source="sent:extension", sha256=hashlib.sha256(PACKED).hexdigest())
    assert record["output"]["hooks"] == ["image", "page", "prompt", "routes"]
    answer = node.service.txt2img(prompt="a fox @ink", seed=2)
    assert answer.json["parameters"]["prompt"] == "a fox black ink drawing, bold lines, white paper"
    assert answer.json["parameters"]["negative_prompt"] == "colour, photograph"
    with Image.open(io.BytesIO(answer.pictures[0])) as picture:
        assert picture.getpixel((picture.width - 1, picture.height - 1)) == (16, 16, 16)
    assert set(node.service.call("GET", "/extensions/studio-style/styles").json) == {"ink", "clay", "night"}
    page = node.service.call("GET", "/").body.decode()
    for file in ("styles.js", "styles.css"):
        assert f"/extensions/studio-style/files/{file}" in page
        assert node.service.call("GET", f"/extensions/studio-style/files/{file}").status == 200


@pytest.mark.usefixtures("clean")
def test_jobs_end_before_the_service_begins_anew(node: Node, shelf: Shelf) -> None:
    """A picture that somebody waits for is made; who asks meanwhile is told when to come back, or waits in line."""
    answers = []

    def ask() -> None:
        answers.append(node.service.txt2img(prompt="a long job", steps=100, n_iter=16, width=1024, height=1024))

    thread = threading.Thread(target=ask)
    thread.start()
    wait(lambda: node.service.call("GET", "/sdapi/v1/progress").json["state"]["job_count"], 10, "the job's begin")
    node.install(shelf.add("shout.zip", zipped(project("shout", SHOUT))))
    thread.join(30)
    assert [answer.status for answer in answers] == [200]


def test_two_at_once_are_installed_one_after_the_other(idle: Node, shelf: Shelf) -> None:
    """Each with a start of its own, so that a failure has one cause; without a service they wait for the next start."""
    first = idle.begin("install-extension", source=shelf.add("one.zip", zipped(project("one", SHOUT))))
    second = idle.begin("install-extension", source=shelf.add("two.zip", zipped(project("two", INVERT))))
    for identifier in (first, second):
        output = idle.end(identifier)["output"]
        assert (output["service_runs"], output["trial"]) == (False, "new")
    assert {"one", "two"} <= set(idle.extensions())


def test_the_signal_alone_begins_anew(node: Node) -> None:
    """The same process and port, another life."""
    before = node.life
    os.kill(before.pid, signal.SIGUSR2)
    wait(lambda: (life := look(node.settings.state_dir)) is not None and life.id != before.id and life.ready, 20, "it")
    assert node.life.pid == before.pid
