"""The options of a deployment, with the words that the fields have, and the garret.yaml beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from garret.errors import SpecError
from garret.spec.fields import FIELDS, FILE_NAME, minutes

Function = TypeVar("Function", bound=Callable[..., Any])

# Said in another way than by an option of their own, or not at all.
_ELSEWHERE = ("name", "region")
_WHOLE = ("period", "disk_size_gib", "bandwidth_mbps", "service_port", "wait_timeout_s")
_BROKEN = ("spot_price_limit", "max_price_per_hour")
_SEVERAL = ("allow_cidr", "fallback_types", "fallback_zones", "fallback_regions", "tags", "model_source")
_EITHER = ("public", "refiner")
_OLDER = {
    "disk_size_gib": ("--disk-size-gib",),
    "bandwidth_mbps": ("--bandwidth-mbps",),
    "service_port": ("--service-port",),
}
SPEC_FIELDS = tuple(name for name in FIELDS if name not in _ELSEWHERE)


def spec_options(names: Sequence[str] = SPEC_FIELDS) -> Callable[[Function], Function]:
    """Add the options of these fields, in their order."""

    def add(function: Function) -> Function:
        for name in reversed(names):
            function = _option(name)(function)
        return function

    return add


def file_option(function: Function) -> Function:
    """Add --file."""
    text = f"A {FILE_NAME} with these fields; options win over it. ./{FILE_NAME} is read when it is there."
    return click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help=text)(function)


def said_in(options: Mapping[str, Any], file: Path | None, note: Callable[[str], None]) -> dict[str, Any]:
    """What was said, by option or in the file; options win, and what was not said is not in it.

    Raises:
        SpecError: an option's value is wrong, or a field of the file.
    """
    return read_file(file, note) | said_by_options(options)


def read_file(file: Path | None, note: Callable[[str], None]) -> dict[str, Any]:
    """The fields of the file that was named, or of ./garret.yaml when it is there."""
    if file is None:
        file = Path(FILE_NAME)
        if not file.is_file():
            return {}
        note(f"fields from ./{FILE_NAME}; options win over it")
    from garret.spec.file import read_spec_file

    return read_spec_file(file)


def said_by_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Only what was said on the command line."""
    # By identity: 0 equals False, and a limit of 0 that was said must not become no limit.
    said = {name: options[name] for name in SPEC_FIELDS if not _unsaid(options.get(name))}
    said |= {name: False for name in _EITHER if options.get(name) is False}
    if "tags" in said:
        said["tags"] = dict(_tag(text) for text in said["tags"])
    if "acme_ca" in said:
        said["acme_ca"] = _text_of("acme_ca", Path(said["acme_ca"]))
    if options.get("no_autostop"):
        if "autostop_min" in said:
            raise SpecError("autostop_min", "--autostop and --no-autostop were both said", FIELDS["autostop_min"].hint)
        said["autostop_min"] = 0
    elif "autostop_min" in said:
        said["autostop_min"] = _autostop(said["autostop_min"])
    return said


def _unsaid(value: object) -> bool:
    return value is None or value is False or value == ()


def _option(name: str) -> Callable[[Function], Function]:
    field = FIELDS[name]
    flags = (field.flag, *_OLDER.get(name, ()), name)
    if name in _EITHER:
        return click.option(f"{field.flag}/--no-{name}", name, default=None, help=field.sentence)
    if name in ("instance_password", "acme", "acme_agree"):
        return click.option(field.flag, name, is_flag=True, help=field.sentence)
    if name == "autostop_min":
        return _with_off(click.option(*flags, metavar="SPAN", help=field.sentence))
    if name in _SEVERAL:
        return click.option(*flags, multiple=True, help=field.sentence)
    kind = int if name in _WHOLE else float if name in _BROKEN else str
    return click.option(*flags, type=kind, help=field.sentence)


def _with_off(option: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Add --no-autostop behind --autostop."""
    off = click.option("--no-autostop", is_flag=True, help="Let it run, and be paid for, until somebody stops it.")
    return lambda function: option(off(function))


def _tag(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise SpecError("tags", f"{text!r} is not KEY=VALUE", FIELDS["tags"].hint)
    return key, value


def _text_of(name: str, file: Path) -> str:
    try:
        return file.read_text("ascii")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "is not text"
        raise SpecError(name, f"{file}: {why}", FIELDS[name].hint) from None


def _autostop(text: str) -> int:
    try:
        return minutes(text)
    except ValueError as error:
        raise SpecError("autostop_min", str(error), FIELDS["autostop_min"].hint) from None
