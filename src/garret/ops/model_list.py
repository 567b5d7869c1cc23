"""A file that names many models: YAML, a list of tables or of addresses; or plain text, one model a line.

A line of plain text is an address or a hub's name for a model, then NAME=VALUE pairs; `#` begins a comment.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from garret.errors import UsageError
from garret.ops.download_model import HUBS, Model

MOST = 500
LARGEST_BYTES = 1_000_000
_NAMES = ("type", "name", "kind", "directory", "sha256", "force", "token_env")
_EXAMPLE = "- {type: lora, from: 'civitai:101055', name: ink}"


def read_list(path: Path, usual: Model) -> list[Model]:
    """The models that a file names; what it leaves open is as in `usual`.

    Raises:
        UsageError: names the file, the entry and what is wrong with it.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"--list: {path} has more than {LARGEST_BYTES} bytes", "a file that names models")
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--list: {path} is not text in UTF-8", "a file that names models, one a line") from None
    entries = _yaml(text, path) if path.suffix.lower() in (".yaml", ".yml", ".json") else _lines(text)
    models = [_model(entry, usual, f"{path}, entry {number}") for number, entry in enumerate(entries, 1)]
    if not 1 <= len(models) <= MOST:
        raise UsageError(f"--list: {path} names {len(models)} models, and 1 to {MOST} are taken at once", _EXAMPLE)
    return models


def _lines(text: str) -> list[Any]:
    found: list[Any] = []
    for line in text.splitlines():
        words = [] if line.lstrip().startswith("#") else line.split(" #")[0].split()
        if words:
            pairs = dict(word.partition("=")[::2] for word in words[1:])
            found.append({"where": words[0], **pairs})
    return found


def _yaml(text: str, path: Path) -> list[Any]:
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--list: {path} is not YAML: {' '.join(str(error).split())[:300]}", _EXAMPLE) from None
    if isinstance(value, dict) and set(value) == {"models"}:
        value = value["models"]
    if not isinstance(value, list):
        raise UsageError(f"--list: {path} is not a list of models", _EXAMPLE)
    return value


def _model(entry: Any, usual: Model, place: str) -> Model:
    if not isinstance(entry, str | dict):
        raise UsageError(f"--list: {place} is neither an address nor a table", _EXAMPLE)
    values: dict[str, Any] = {"where": entry} if isinstance(entry, str) else dict(entry)
    places = [values.pop(name) for name in ("where", "url", "from") if name in values]
    if len(places) != 1 or not isinstance(places[0], str):
        raise UsageError(f"--list: {place} needs exactly one of url and from", _EXAMPLE)
    unknown = [str(name) for name in values if name not in _NAMES]
    if unknown:
        raise UsageError(f"--list: {place} knows no {unknown[0][:40]!r}", f"it may say {', '.join(_NAMES)}")
    if isinstance(values.get("force"), str):
        values["force"] = {"true": True, "false": False, "yes": True, "no": False}.get(values["force"].lower(), "?")
    if not isinstance(values.get("force", False), bool):
        raise UsageError(f"--list: {place}: force is true or false", "force=true")
    for name, value in values.items():
        if name != "force" and not isinstance(value, str):
            raise UsageError(f"--list: {place}: {name} must be text, and {value!r} is not", f"{name}: '{value}'")
    model = replace(usual, where=places[0], **values)
    if not model.type:
        raise UsageError(f"--list: {place} has no type", "--type lora for all of them, or type=lora in the line")
    return model


def is_hub(where: str) -> bool:
    """Say whether a text is a hub's name for a model."""
    return where.startswith(HUBS)
