"""`garret local faults list|add|clear`: what goes wrong at the local cloud, for tests and for practice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from garret.commands.door import Caller, output_options
from garret.console import rows
from garret.errors import UsageError
from garret.local_cloud.fault_names import NAMED, Field, Named
from garret.settings import home_folder

LIST_EPILOG = """\b
Example:
  garret local faults list --json
"""
CLEAR_EPILOG = """\b
Examples:
  garret local faults clear
  garret local faults clear fault-0123456789ab
"""


def _help(named: Named) -> str:
    lines = [f"  {named.name}", f"      {_wrapped(named.says, 6)}"]
    for field in named.fields:
        lines.append(f"      {field.name}={_default(field)}  {_wrapped(_says(field), 10)}")
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> str:
    from textwrap import wrap

    return ("\n" + " " * indent).join(wrap(text, 92 - indent))


def _says(field: Field) -> str:
    return f"{field.says}: {', '.join(field.choices)}" if field.choices else field.says


def _default(field: Field) -> str:
    if field.default is None:
        return "…"
    return str(field.default).lower() if field.kind is bool else str(field.default)


ADD_EPILOG = (
    """\b
Examples:
  garret local faults add no_stock zone=cn-hangzhou-i times=1
  garret local faults add throttle action=DescribeInstances times=3
  garret local faults add latency latency_ms=50

\b
Faults, with what each can be told and what it takes when nothing is said (… must be said):
"""
    + "\n".join(_help(named) for named in NAMED.values())
    + "\n"
)


@click.command("list", epilog=LIST_EPILOG)
@output_options
def list_(caller: Caller) -> int:
    """Say which faults are on, oldest first."""
    from garret.local_cloud.asking import ask

    reply = ask(home_folder(caller.environment), "GET", "faults")
    table = [(one["id"], one.get("fault", "raw"), told(one)) for one in reply["faults"]]
    shelves = [f"{one['id']}: {one['word']}" for one in reply["stock"]]
    caller.console.answer(reply, [*(rows(table) or ["no fault is on"]), *shelves])
    return 0


@click.command(epilog=ADD_EPILOG)
@click.argument("fault", metavar="FAULT")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@output_options
def add(caller: Caller, fault: str, words: tuple[str, ...]) -> int:
    """Switch a fault on at the local cloud; it stays until it was met often enough, or is cleared."""
    from garret.local_cloud.asking import ask

    body = {"faults": [{"fault": fault, **read_words(fault, words)}]}
    reply = ask(home_folder(caller.environment), "POST", "faults", body)
    caller.console.answer(reply, [f"{reply['added'][0]} is on"])
    return 0


@click.command(epilog=CLEAR_EPILOG)
@click.argument("fault", metavar="[ID]", required=False)
@output_options
def clear(caller: Caller, fault: str | None) -> int:
    """Switch one fault off, or all of them and fill all shelves."""
    from garret.local_cloud.asking import ask

    door = f"faults?id={fault}" if fault else "faults"
    reply = ask(home_folder(caller.environment), "DELETE", door)
    left = len(reply["faults"])
    caller.console.answer(reply, [f"it is off; {left} on" if fault else "no fault is on"])
    return 0


def told(fault: Mapping[str, Any]) -> str:
    """What a fault was told, as one types it; what it was not told is left out."""
    given = {name: value for name, value in fault.items() if name not in ("id", "fault")}
    return " ".join(f"{name}={value}" for name, value in given.items() if value not in ("", None, {}, False))


def read_words(fault: str, words: tuple[str, ...]) -> dict[str, object]:
    """The KEY=VALUE words of a named fault, each in its field's kind.

    Raises:
        UsageError: naming the word that is no good, and what there is.
    """
    if fault not in NAMED:
        raise UsageError(f"FAULT: there is no {fault!r}", f"There are {', '.join(NAMED)}.")
    known = {field.name: field for field in NAMED[fault].fields}
    found: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            raise UsageError(f"{word!r}: {fault} can be told {', '.join(known) or 'nothing'}", "Write KEY=VALUE.")
        found[name] = _value(f"{fault}.{name}", known[name], text)
    return found


def _value(where: str, field: Field, text: str) -> object:
    if field.kind is bool:
        if text not in ("true", "false"):
            raise UsageError(f"{where}: {text!r} is neither true nor false")
        return text == "true"
    try:
        value: object = field.kind(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no number", f"It is {field.says}.") from None
    return value
