"""What a person reads, and what a program reads: errors, tables, progress, questions."""

from __future__ import annotations

import errno
import io
import json
import os

import click
import pytest
from click.testing import CliRunner

from garret.console import Console, as_garret_error, error_lines, fields, price_text, rows
from garret.errors import (
    BootstrapFailed,
    CloudError,
    GarretError,
    Interrupted,
    NothingToDo,
    NotReady,
    OperationError,
    SpecError,
    StackFailed,
    UsageError,
)


class Terminal(io.StringIO):
    """A stream that says that a person looks at it."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


def consoles(*, as_json: bool = False, debug: bool = False) -> tuple[Console, io.StringIO, io.StringIO]:
    """A console with its two streams."""
    out, err = io.StringIO(), io.StringIO()
    return Console(as_json=as_json, debug=debug, out=out, err=err), out, err


ERRORS: list[tuple[BaseException, int, list[str]]] = [
    (NothingToDo("it is stopped"), 0, ["it is stopped"]),
    (SpecError("region", "'x' is not a region", "for example cn-hangzhou"), 2, ["region: 'x'", "next:   for example"]),
    (
        CloudError("CreateStack", "Throttling.User", "too fast", request_id="4C3B", hint="wait a moment"),
        1,
        ["CreateStack: Throttling.User: too fast", "4C3B", "next:   wait a moment"],
    ),
    (
        StackFailed("Node", "OperationDenied.NoStock", "garret deploy --zone b", billed="nothing"),
        1,
        ["Node: OperationDenied.NoStock", "billed: nothing", "next:   garret deploy --zone b"],
    ),
    (
        BootstrapFailed("ensure_model", "no model", "garret delete", log_tail="one\ntwo", billed="the instance"),
        1,
        ["ensure_model: no model", "| one", "| two", "billed: the instance"],
    ),
    (NotReady("no picture within 60 s", "garret status"), 1, ["within 60 s"]),
    (Interrupted("stopped looking", "the stack goes on: garret status"), 130, ["the stack goes on"]),
    (KeyboardInterrupt(), 130, ["interrupted", "garret status"]),
    (click.Abort(), 130, ["interrupted"]),
    (click.UsageError("no such option"), 2, ["no such option", "--help"]),
    (OSError(errno.ENOSPC, "No space left on device", "/state/journal.jsonl"), 1, ["/state/journal.jsonl", "no space"]),
    (OSError(errno.EDQUOT, "Disk quota exceeded", "/state"), 1, ["/state", "GARRET_HOME"]),
    (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 1, ["/root/x", "Permission denied", "GARRET_HOME"]),
    (OSError(errno.EIO, "Input/output error", "/state"), 1, ["/state", "Input/output error", "--debug"]),
    (ValueError("a surprise"), 1, ["a fault in garret itself", "a surprise", "--debug"]),
]


@pytest.mark.parametrize(("error", "code", "words"), ERRORS)
def test_every_error_is_words_and_an_exit_code(error: BaseException, code: int, words: list[str]) -> None:
    """What and why, what is billed, what to type next: on the error stream, without a traceback."""
    console, out, err = consoles()
    assert console.error(error) == code
    for word in words:
        assert word in err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert out.getvalue() == ""


@pytest.mark.parametrize(("error", "code", "words"), ERRORS)
def test_programs_read_the_same_error_as_json(error: BaseException, code: int, words: list[str]) -> None:
    """One JSON document with the class, the message, and the exit code."""
    console, out, _ = consoles(as_json=True)
    assert console.error(error) == code
    told = json.loads(out.getvalue())
    assert told["exit_code"] == code
    assert told["error"] == type(as_garret_error(error)).__name__
    assert told["message"]


def test_a_full_disk_needs_no_traceback() -> None:
    """What is explained to the end does not send anyone to look into the code."""
    console, _, err = consoles()
    console.error(OSError(errno.ENOSPC, "No space left on device", "/state/journal.jsonl"))
    assert "--debug" not in err.getvalue()


def test_a_cloud_error_keeps_its_fields_for_programs() -> None:
    """Code and request id stand by themselves; what has nothing to say is left out."""
    console, out, _ = consoles(as_json=True)
    console.error(CloudError("CreateStack", "Throttling", "too fast", request_id="4C3B", retryable=True))
    told = json.loads(out.getvalue())
    assert (told["action"], told["code"], told["request_id"], told["retryable"]) == (
        "CreateStack",
        "Throttling",
        "4C3B",
        True,
    )
    assert "hint" not in told
    assert "billed" not in told


def test_debug_shows_where_it_happened() -> None:
    """The traceback comes after the words."""
    console, _, err = consoles(debug=True)
    try:
        raise ValueError("a surprise")
    except ValueError as error:
        console.error(error)
    assert err.getvalue().index("a surprise") < err.getvalue().index("Traceback")
    assert "test_console.py" in err.getvalue()


def test_nothing_to_do_does_not_cry_error() -> None:
    """An exit code of zero is not announced as an error."""
    assert error_lines(NothingToDo("it is stopped")) == ["it is stopped"]
    assert error_lines(UsageError("no"))[0].endswith("no")
    assert "error" in error_lines(UsageError("no"))[0]


def test_our_own_errors_pass_as_they_are() -> None:
    """Nothing of them is lost on the way."""
    error = OperationError("it broke", "mend it", billed="a disk")
    assert as_garret_error(error) is error
    assert isinstance(as_garret_error(RuntimeError("x")), GarretError)


def test_programs_find_only_json_on_the_output() -> None:
    """What is told on the way goes to the other stream."""
    console, out, err = consoles(as_json=True)
    console.say("creating")
    console.stage("vpc", "done", "vpc-1", 0.3)
    console.answer({"名": "星"}, ["never shown"])
    assert json.loads(out.getvalue()) == {"名": "星"}
    assert "星" in out.getvalue()
    assert "vpc-1" in err.getvalue()
    assert "never shown" not in out.getvalue() + err.getvalue()


def test_people_read_lines() -> None:
    """The same answer as lines, stages with the time they took, notes beside it."""
    console, out, err = consoles()
    console.stage("ensure_model", "running")
    console.stage("ensure_model", "done", "demo", 1.26)
    console.stage("ensure_gpu", "skipped", "none here", 0.001)
    console.answer({"name": "x"}, ["line one"])
    console.note("beside")
    running, done, skipped, answer = out.getvalue().splitlines()
    assert running.startswith("[")
    assert running.endswith("ensure_model")
    assert "1.3 s" in done
    assert done.endswith("demo")
    assert " 0.0 s " not in skipped.partition("]")[2]
    assert skipped.endswith("none here")
    assert answer == "line one"
    assert err.getvalue() == "beside\n"


def test_progress_is_drawn_only_for_a_person() -> None:
    """In a log there is no bar; on a terminal, the next line does not run into it."""
    console, out, err = consoles()
    console.progress("mine", 5_000_000, 10_000_000)
    assert out.getvalue() + err.getvalue() == ""

    out, err = io.StringIO(), Terminal()
    console = Console(out=out, err=err)
    console.progress("mine", 5_000_000, 10_000_000)
    console.progress("mine", 7_000_000, None)
    console.say("done")
    assert "5 MB of 10 MB" in err.getvalue()
    assert "###############..............." in err.getvalue()
    assert "7 MB" in err.getvalue()
    assert err.getvalue().endswith("\n")
    assert out.getvalue() == "done\n"


def test_more_bytes_than_announced_do_not_break_the_bar() -> None:
    """A server that announced too little gets a full bar, not a longer one."""
    err = Terminal()
    Console(out=io.StringIO(), err=err).progress("mine", 30, 10)
    assert "#" * 30 in err.getvalue()
    assert "#" * 31 not in err.getvalue()


@pytest.mark.parametrize("ask", ["confirm", "ask_for"])
def test_nobody_at_the_terminal_is_no_yes(ask: str) -> None:
    """A script that forgot --yes is told so, and what it pipes in is not taken for an answer."""
    console, _, _ = consoles()
    with CliRunner().isolation(input="y\n"), pytest.raises(UsageError, match="nobody") as raised:
        getattr(console, ask)("Delete it?")
    assert "--yes" in raised.value.hint


def test_tables_line_up() -> None:
    """Columns are as wide as their widest cell, without spaces at the end; no rows are no lines."""
    assert rows([("NAME", "STATE"), ("a-long-name", "up")]) == ["NAME         STATE", "a-long-name  up"]
    assert rows([]) == []


def test_fields_without_a_value_are_left_out() -> None:
    """Zero is a value; nothing is not."""
    assert fields({"Name": "garret", "Why": "", "Login": None, "Instances": 0}) == [
        "Name       garret",
        "Instances  0",
    ]


def test_a_price_says_when_it_is_made_up() -> None:
    """Nobody takes the local cloud's price for a real one."""
    price = {"amount": 10.254, "currency": "CNY", "made_up": True}
    assert price_text(price) == "10.25 CNY per hour (made-up price of the local cloud)"
    assert price_text(price | {"made_up": False}) == "10.25 CNY per hour"
    assert "does not say" in price_text(None)


def test_colours_are_for_terminals_only() -> None:
    """A log holds no escape sequences."""
    console, out, err = consoles()
    console.stage("vpc", "done")
    console.error(UsageError("no"))
    assert "\x1b" not in out.getvalue() + err.getvalue()
    assert os.linesep in out.getvalue()
