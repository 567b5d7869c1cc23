"""The command line by its own door: what it loads, what it teaches, how it refuses."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from garret.cli import LazyGroup, garret, run
from garret.errors import UsageError
from garret.image_bootstrap.bundle import build_bundle
from garret.local_cloud import daemon
from garret.ops.crash import POINTS, Crash
from garret.ops.deployment import new_login, opened
from garret.ops.journal import Journal
from tests.ops.fake import PICTURE, deployment_in, picture_service

HEAVY = (
    "alibabacloud",
    "Tea",
    "darabonba",
    "aliyunsdkcore",
    "pydantic",
    "jinja2",
    "yaml",
    "paramiko",
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "rich",
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlite3",
    "asyncio",
    "http.server",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A person who has nothing: no state, no credentials, no choices."""
    for name in os.environ:
        if name.startswith(("GARRET_", "ALIBABA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GARRET_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    if (tmp_path / "home/local-cloud").exists():  # a test that failed may have started one
        daemon.down(tmp_path / "home", erase=True)


def commands(group: LazyGroup = garret, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group, by the words that lead to it."""
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, LazyGroup):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands())
LEAVES = {path: command for path, command in ALL.items() if not isinstance(command, LazyGroup)}


def started(*arguments: str, **options: object) -> subprocess.Popen[str]:
    """Start the installed command as a person does."""
    script = str(Path(sys.executable).with_name("garret"))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
    # Tests that a shell runs in the background are deaf to Ctrl-C, and so would be what they start.
    hearing = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    return subprocess.Popen([script, *arguments], text=True, **hearing, **pipes)  # type: ignore[call-overload, no-any-return]


def test_help_loads_nothing_heavy() -> None:
    """`garret --help` pays for click and nothing more: no SDK, no validation, no templates, no server."""
    program = (
        "import sys; from garret.cli import run; code = run(['--help']); "
        "print('LOADED', *sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stderr.split("LOADED")[1].split()
    assert "garret.cli" in loaded
    heavy = [name for name in loaded if name in HEAVY or name.startswith(tuple(f"{heavy}." for heavy in HEAVY))]
    assert heavy == []
    assert not [name for name in loaded if name.startswith(("alibabacloud_", "garret.ops", "garret.commands"))]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_help_teaches_with_an_example(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Each page has a sentence and an example that begins as one types it."""
    assert run([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: garret")
    assert "Example" in shown
    if path:
        assert f"garret {' '.join(path)}" in shown.partition("Example")[2]
    assert "-h, --help" in shown


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_speaks_json_and_shows_its_faults(path: tuple[str, ...]) -> None:
    """--json and --debug are everywhere, and every option says what it is."""
    options = [parameter for parameter in LEAVES[path].params if isinstance(parameter, click.Option)]
    names = {name for option in options for name in option.opts}
    assert {"--json", "--debug"} <= names
    assert [option.name for option in options if not option.help] == []


def test_the_tables_and_the_commands_agree() -> None:
    """What a list promises is there, and its line fits beside the name."""
    for path, command in ALL.items():
        if isinstance(command, LazyGroup):
            for name, lazy in command.table.items():
                assert (*path, name) in ALL
                assert lazy.help.endswith((".", "?"))
                assert len(lazy.help) <= 70


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints one line."""
    from garret import __version__

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"garret {__version__}\n"


WRONG: list[tuple[list[str], list[str]]] = [
    (["deplyo"], ["deplyo", "deploy"]),
    (["ops", "stopp"], ["stopp", "stop"]),
    (["moon"], ["moon", "garret --help"]),
    (["deploy", "--moon"], ["--moon", "garret deploy --help"]),
    (["deploy", "--cloud", "moon"], ["moon", "aliyun", "local"]),
    (["status", "--cloud", "moon"], ["moon", "aliyun", "local"]),
    (["deploy", "--disk-size-gib", "much"], ["much", "--disk-size-gib"]),
    (["generate"], ["PROMPT"]),
    (["generate", "a circle", "--count", "0"], ["--count"]),
    (["generate", "a circle", "--init-image", "nowhere.png"], ["nowhere.png", "does not exist"]),
    (["generate", "a circle", "--mask", __file__], ["--mask", "--init-image"]),
    (["generate", "a circle", "--denoise", "0.5"], ["--denoise", "--init-image"]),
    (["generate", "a circle", "--outpaint"], ["--outpaint", "--init-image"]),
    (["generate", "a circle", "--init-image", __file__, "--only-masked"], ["--only-masked", "--mask FILE"]),
    (["generate", "a circle", "--init-image", __file__, "--denoise", "2"], ["--denoise", "0<=x<=1"]),
    (["ops", "download-model", "--type", "pickle", "--url", "https://x"], ["pickle", "checkpoint"]),
    (["ops", "download-model", "--type", "lora", "--url", "hf:a/b/x.ckpt", "--cloud", "local"], [".safetensors"]),
    (["ops", "download-model", "--type", "lora"], ["--url", "--from", "--list"]),
    (["ops", "download-model", "--type", "lora", "--url", "https://x", "--from", "hf:a/b/x.safetensors"], ["both"]),
    (["ops", "download-model", "--url", "https://x/y.safetensors"], ["--type"]),
    (["ops", "restore-model"], ["--all"]),
    (["ops", "download-model", "--type", "lora", "--url", "https://x", "--token-env", "X"], ["X is not set", "export"]),
    (["deploy", "--cloud", "local", "--model", "sd15", "--yes"], ["'sd15'", "hf:owner/repo"]),
    (["ops", "executions", "show", "--cloud", "local"], ["ID"]),
    (["deploy", "Bad_Name", "--cloud", "local", "--yes"], ["Bad_Name"]),
    (["status", "../../etc", "--cloud", "local"], ["../../etc"]),
    (["deploy", "--cloud", "local", "--region", "Atlantis!", "--yes"], ["Atlantis!", "cn-hangzhou"]),
    (["deploy", "--cloud", "local", "--instance-type", "ecs.g6.large", "--yes"], ["ecs.g6.large", "gn7i"]),
    (["deploy", "--cloud", "local", "--disk-size-gib", "5", "--yes"], ["disk_size_gib", "100"]),
    (["deploy", "--cloud", "aliyun", "--allow-cidr", "0.0.0.0/0", "--yes"], ["0.0.0.0/0", "--public"]),
    (["deploy", "--cloud", "local", "--port", "22", "--yes"], ["22", "service_port"]),
    (["template", "render", "--cloud", "local", "--instance-type", "ecs.g6.large"], ["ecs.g6.large", "gn7i"]),
    (["template", "render", "--cloud", "aliyun", "--allow-cidr", "0.0.0.0/0"], ["0.0.0.0/0", "--public"]),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=" ".join)
def test_a_wrong_command_line_says_what_to_type(
    arguments: list[str], words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the word that is wrong, what is right; no traceback, and nothing was made."""
    assert run(arguments) == 2
    shown = capsys.readouterr()
    for word in words:
        assert word in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert not (home / "local-cloud").exists()


def test_programs_read_refusals_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives one document also when the command line itself is wrong."""
    assert run(["deploy", "--cloud", "moon", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["error"], told["exit_code"]) == ("SettingsError", 2)
    assert run(["generate", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "UsageError"


@pytest.mark.parametrize("arguments", [[], ["ops"], ["local"]])
def test_a_group_alone_shows_its_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing said is no command: the list, and exit code 2."""
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert "Commands:" in shown.out + shown.err


def test_looking_makes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a local cloud there is nothing to see, and looking does not start one."""
    assert run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "absent"
    assert run(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["local", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["running"] is False
    assert run(["delete", "garret", "--yes"]) == 0
    assert not (home / "local-cloud").exists()


def test_delete_does_not_guess_which(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With several, also when one has the usual name, it asks for the name instead of taking one."""
    for name in ("garret", "second"):
        Journal(home / "deployments/local" / name).append("planned")
    assert run(["delete", "--cloud", "local", "--yes"]) == 2
    said = capsys.readouterr().err
    assert "several deployments: garret, second" in said
    assert "garret delete garret" in said


def test_delete_takes_the_only_deployment_and_names_its_region(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name it means what other commands mean; what it saw, it saw in one region, and says which."""
    local = ["--cloud", "local", "--region", "cn-beijing"]
    assert run(["delete", *local]) == 0
    shown = capsys.readouterr().err
    assert "no deployment garret in cn-beijing" in shown
    assert "--region" in shown
    assert run(["delete", "--json", *local]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["changed"], told["region"]) == ("garret", False, "cn-beijing")
    for name in ("mine", "yours"):
        Journal(home / "deployments/local" / name).append("planned")
    assert run(["delete", *local]) == 2
    assert "--name mine" in capsys.readouterr().err


def test_the_choice_that_nobody_made_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Which cloud acts is no secret; once chosen, it is no news."""
    run(["list"])
    assert [line for line in capsys.readouterr().err.splitlines() if "cloud: local" in line]
    run(["list", "--cloud", "local"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"denoise": 0.75}),
        (["--denoise", "0.3"], {"denoise": 0.3}),
        (["--outpaint"], {"denoise": 1.0, "resize": "outpaint"}),
        (["--mask"], {"denoise": 0.75}),
        (["--only-masked", "--mask"], {"denoise": 0.75}),
    ],
    ids=lambda value: " ".join(value) or "alone",
)
def test_a_picture_to_begin_from_is_sent_with_what_was_said(
    options: list[str], expected: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    """The files themselves; what is not said of them is left to the service."""
    picture, mask = tmp_path / "photo.jpg", tmp_path / "mask.png"
    picture.write_bytes(b"a picture")
    mask.write_bytes(b"a mask")
    with picture_service() as (url, asked):
        deployment_in(home).keep_login(opened(new_login("admin", None), {"EndPoint": url}))
        said = [*options, str(mask)] if "--mask" in options else options
        output = tmp_path / "made.png"
        assert run(["generate", "x", "--init-image", str(picture), *said, "-o", str(output), "--cloud", "local"]) == 0
    (body,) = asked
    start = body["start"]
    assert base64.b64decode(start["image"]) == b"a picture"
    assert ("mask" in start) is ("--mask" in options)
    if "mask" in start:
        assert base64.b64decode(start["mask"]["image"]) == b"a mask"
        assert start["mask"]["only_masked"] is ("--only-masked" in options)
    assert {name: start[name] for name in expected} == expected
    assert ("resize" in start) is ("--outpaint" in options)
    assert output.read_bytes() == PICTURE


@pytest.mark.parametrize("arguments", [["generate", "a circle"], ["ops", "stop"], ["ops", "executions", "list"]])
def test_without_a_deployment_there_is_a_next_step(
    arguments: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What needs a deployment says how to make one, and starts no cloud to find that out."""
    assert run([*arguments, "--cloud", "local"]) in {1, 2}
    shown = capsys.readouterr().err
    assert "garret deploy" in shown
    assert "Traceback" not in shown
    assert not (home / "local-cloud").exists()


def test_crash_points_are_listed_and_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is what GARRET_CRASH_AT takes; anything else is refused with the list."""
    assert run(["debug", "crash-points", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == POINTS
    assert all(Crash.from_environment({"GARRET_CRASH_AT": point}).at == point for point in POINTS)
    with pytest.raises(UsageError, match=r"deploy\.journaled"):
        Crash.from_environment({"GARRET_CRASH_AT": "nowhere"})
    monkeypatch.setenv("GARRET_CRASH_AT", "nowhere")
    assert run(["deploy", "--cloud", "local", "--yes"]) == 2
    assert "deploy.journaled" in capsys.readouterr().err


def test_the_runtime_can_be_written_to_a_file_and_its_address_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the byte what a node is sent; an address that no node could use is refused before anything is made."""
    file = tmp_path / "garret.tar.xz"
    assert run(["debug", "bundle", "-o", str(file), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == {"file": str(file), "size": file.stat().st_size, "sha256": build_bundle().sha256}
    for address in ("ftp://a/b", "https://a", "garret.tar.xz", "https://a/ b", "https://a/" + "x" * 480):
        assert run(["deploy", "--cloud", "local", "--yes", "--bundle-url", address]) == 2
        assert "--bundle-url: " in capsys.readouterr().err
    assert run(["deploy", "--cloud", "local", "--yes", "--ssh", "root@203.0.113.7"]) == 2
    assert "--ssh-key" in capsys.readouterr().err


def test_a_crash_point_kills_only_where_it_was_set() -> None:
    """The name is looked up, so that a point that no list shows cannot be passed."""
    died: list[str] = []
    crash = Crash("deploy.waiting", lambda: died.append("here"))
    crash.point("deploy.created")
    assert died == []
    crash.point("deploy.waiting")
    assert died == ["here"]
    with pytest.raises(KeyError):
        crash.point("deploy.nowhere")


def test_the_template_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the terminal, in a file, and as JSON it is the same text, and no secret is in it."""
    assert run(["template", "render", "--cloud", "aliyun"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("ROSTemplateFormatVersion")
    file = tmp_path / "garret.yaml"
    assert run(["template", "render", "--cloud", "aliyun", "-o", str(file)]) == 0
    assert file.read_text() == printed
    capsys.readouterr()
    assert run(["template", "render", "--cloud", "aliyun", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["template"] == printed


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there ends in words with the path."""
    target = tmp_path / "absent" / "garret.yaml"
    assert run(["template", "render", "--cloud", "aliyun", "-o", str(target)]) == 1
    shown = capsys.readouterr().err
    assert str(target.parent) in shown
    assert "Traceback" not in shown


def test_a_home_that_is_no_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """GARRET_HOME set to a file is told as such, not as a traceback."""
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("GARRET_HOME", str(file))
    assert run(["local", "up"]) == 2
    shown = capsys.readouterr().err
    assert f"GARRET_HOME: {file} is not a folder" in shown
    assert "Traceback" not in shown


def test_a_terminal_without_the_signs_still_gets_the_words(tmp_path: Path) -> None:
    """What an encoding cannot say is replaced, instead of ending the command in its middle."""
    environment = os.environ | {"GARRET_HOME": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    process = started("generate", "ein grüner Stern ✓ 星", "--name", "nobody", env=environment)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "nobody" in err
    assert "UnicodeEncodeError" not in err
    process = started("generate", "✓ \N{SNOWMAN}", "--steps", "☃", env=environment)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "?" in err
    assert "Error" not in err.replace("Error: ", "")


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    """Words are what pictures are made from."""
    process = started("generate", " ", env=os.environ | {"GARRET_HOME": str(tmp_path)})
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "the prompt is empty" in err


def test_a_reader_that_leaves_is_no_fault() -> None:
    """`garret … | head -0` ends without a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    process = started("debug", "crash-points", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == ""


def test_an_output_that_is_full_is_told() -> None:
    """`garret … > file` on a full disk is an error in words, not a success."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        process = started("debug", "crash-points", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no space" in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_control_c_is_130_and_says_what_to_type() -> None:
    """A person who changes their mind gets words and the shell's own exit code."""
    process = started("deploy", "--cloud", "local", "--password-stdin", "--yes", stdin=subprocess.PIPE)
    time.sleep(1.5)  # it waits for the password by then
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "garret status" in err
    assert "Traceback" not in err
