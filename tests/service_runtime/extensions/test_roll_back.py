"""Extensions with which the service does not start: taken back by themselves, and the service answers as before."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.service_runtime.extensions.registry import NEW, PROVEN, Registry
from garret.service_runtime.life import look
from tests.service_runtime.extensions.making import HEAD, INVERT, SHOUT, project, put, zipped
from tests.service_runtime.extensions.node import Node, living_node
from tests.service_runtime.extensions.shelf import Shelf, serving
from tests.service_runtime.living import wait

# What goes wrong only in the service: its process is told from the one that looks at an extension by its arguments.
IN_SERVICE = HEAD + "import os, sys, time\nSERVICE = 'garret.service_runtime' in sys.orig_argv\n"
IN_WORKER = HEAD + "import os, sys, time\nWORKER = 'garret.service_runtime.worker' in sys.orig_argv\n"
PROMPT = "@hookimpl\ndef prompt(words):\n    return None\n"
IMAGE = "@hookimpl\ndef image(picture):\n    return None\n"
DIES = IN_SERVICE + "if SERVICE:\n    print('a last word', file=sys.stderr)\n    os._exit(3)\n" + PROMPT
HANGS = IN_SERVICE + "while SERVICE:\n    time.sleep(60)\n" + PROMPT
RAISES = IN_SERVICE + "if SERVICE:\n    raise RuntimeError('not in this house')\n" + PROMPT
WORKER_RAISES = IN_WORKER + "if WORKER:\n    raise RuntimeError('not in a worker')\n" + IMAGE
WORKER_DIES = IN_WORKER + "if WORKER:\n    os._exit(9)\n" + IMAGE


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Where extensions come from."""
    with serving(tmp_path_factory.mktemp("shelf")) as shelf:
        yield shelf


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose service runs with one good extension."""
    with living_node(tmp_path_factory.mktemp("node")) as node:
        put(node.settings, "shout", SHOUT, ("prompt",), trial=PROVEN)
        yield node


def prompt(node: Node) -> str:
    """What a picture is made from."""
    answer = node.service.txt2img(prompt="star")
    assert answer.status == 200, answer.body
    return str(answer.json["parameters"]["prompt"])


@pytest.mark.parametrize(
    ("code", "said", "patience_s"),
    [
        (DIES, "a last word", 60),
        (HANGS, "was not ready with it within 2 s", 2),
        (WORKER_RAISES, "RuntimeError: not in a worker", 60),
        (WORKER_DIES, "no worker came up with it", 60),
    ],
    ids=["dies", "hangs", "worker raises", "worker dies"],
)
def test_a_service_that_does_not_start_with_it_runs_without_it(
    node: Node, shelf: Shelf, code: str, said: str, patience_s: float
) -> None:
    """Whatever keeps it from its start; the others stay on, and the record says what it said."""
    source = shelf.add("bad.zip", zipped(project("bad", code)))
    told = node.refused(source, patience_s=patience_s)
    assert "bad was rolled back" in told
    assert said in told
    assert "it is off" in told
    bad = node.extensions()["bad"]
    assert (bad["state"], bad["trial"]) == ("disabled", "")
    assert said in bad["failure"]["reason"]
    assert node.life.ready
    assert prompt(node) == "STAR!"


def test_the_version_before_comes_back(node: Node, shelf: Shelf) -> None:
    """An update that does not start changes nothing."""
    worse = zipped(project("shout", RAISES, "2.0"))
    told = node.refused(shelf.add("worse.zip", worse))
    assert "version 1.0 is on again" in told
    assert "RuntimeError: not in this house" in told
    shout = node.extensions()["shout"]
    assert (shout["version"], shout["state"], shout["failure"]["version"]) == ("1.0", "enabled", "2.0")
    assert len(list((node.settings.extensions_dir / "shout").iterdir())) == 1
    assert prompt(node) == "STAR!"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (HEAD + "import garret_nowhere\n", "No module named 'garret_nowhere'"),
        (HEAD + "@hookimpl\ndef prompt(nonsense):\n    pass\n", "nonsense"),
        (HEAD + "@hookimpl\ndef dance():\n    pass\n", "dance"),
        ("x = 1\n", "no function marked @hookimpl"),
        ("def broken(:\n", "SyntaxError"),
    ],
    ids=["import", "argument", "hook", "no hook", "syntax"],
)
def test_what_cannot_be_loaded_never_reaches_the_service(node: Node, shelf: Shelf, code: str, said: str) -> None:
    """It is looked at in a process of its own before: the service that runs goes on undisturbed."""
    before = node.life
    told = node.refused(shelf.add("wrong.zip", zipped(project("wrong", code))))
    assert said in told
    assert "Nothing was changed" in told
    assert node.life == before
    assert "wrong" not in node.extensions()
    assert "wrong" not in [path for path in node.folders() if list((node.settings.extensions_dir / path).iterdir())]


def test_a_trial_that_the_power_cut_is_taken_back_at_the_next_start(tmp_path: Path) -> None:
    """Nobody watches: neither the operation nor a person is there any more."""
    with living_node(tmp_path / "node") as node:
        bad = put(node.settings, "bad", DIES, ("prompt",), trial=NEW)
        os.kill(node.life.pid, signal.SIGKILL)
        wait(lambda: Registry(node.settings).get("bad").has_failed(bad.digest), 30, "the roll-back")
        node.service.wait_until("ok")
        assert "a last word" in Registry(node.settings).get("bad").failure["reason"]
        assert "a last word" in (tmp_path / "node/service.log").read_text()


def test_after_two_starts_that_failed_there_is_one_without_extensions(tmp_path: Path) -> None:
    """Also a proven one may end the service some day: it comes up without, and says what it cannot do."""
    with living_node(tmp_path / "node", running=True) as node:
        put(node.settings, "invert", INVERT, ("image",), trial=PROVEN)
        put(node.settings, "sudden", DIES, ("prompt",), trial=PROVEN)
        before = node.life
        os.kill(before.pid, signal.SIGKILL)
        wait(lambda: (life := look(node.settings.state_dir)) not in (None, before) and life.ready, 30, "another start")
        answer = node.service.txt2img(prompt="star")
        assert (answer.status, answer.json["error"]) == (500, "ExtensionFailed")
        assert "left out, for the service was never ready at its last 2 starts" in answer.json["errors"]
        assert node.do("remove-extension", name="sudden")["status"] == "Success"
        assert node.service.txt2img(prompt="star").status == 200


def test_a_start_that_is_ended_on_purpose_proves_nothing(tmp_path: Path) -> None:
    """Who stops the service before it is ready does not take an extension back by that."""
    with living_node(tmp_path / "node", running=False) as node:
        put(node.settings, "shout", SHOUT, ("prompt",), trial=NEW)
        from garret.service_runtime.extensions.trial import Trial

        for _ in range(3):
            trial = Trial(node.settings)
            assert [one.trial for one in trial.begin().chosen] == ["tried"]
            trial.call_off()
        assert Registry(node.settings).get("shout").trial == NEW
        assert not Trial(node.settings).begin().held_back
