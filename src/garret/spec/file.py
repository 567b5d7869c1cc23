"""garret.yaml: the fields of a deployment in a file, each mistake told with its line and its path."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from garret.errors import SpecError, UsageError
from garret.spec.deployment import wrong_field
from garret.spec.fields import FIELDS, FILE_NAME, minutes

MAXIMUM_BYTES = 65_536
_SECRETS = {
    "password": "a file is read by many; type it: --password-stdin, or set GARRET_PASSWORD",
    "instance_password": "say `instance_password: true` and type it, or set GARRET_INSTANCE_PASSWORD",
    "access_key_id": "keys come from the official chain: ALIBABA_CLOUD_ACCESS_KEY_ID, ~/.aliyun/config.json",
    "access_key_secret": "keys come from the official chain: ALIBABA_CLOUD_ACCESS_KEY_SECRET, ~/.aliyun/config.json",
}


def read_spec_file(path: Path) -> dict[str, Any]:
    """The fields that a garret.yaml gives, checked one by one; what is left out is not in it.

    Raises:
        SpecError: a field is unknown, said twice, a secret, or wrong; names the file, the line and the path.
        UsageError: the file cannot be read, or is no YAML mapping.
    """
    try:
        text = path.read_bytes()[: MAXIMUM_BYTES + 1].decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"{path}: {why}", f"--file {FILE_NAME}, see examples/deploy.full.yaml") from None
    if len(text) > MAXIMUM_BYTES:
        raise UsageError(f"{path}: more than {MAXIMUM_BYTES} bytes", "a deployment needs a page at most")
    return _fields(path.name, text)


def _fields(name: str, text: str) -> dict[str, Any]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise UsageError(
            f"{where}: {getattr(error, 'problem', None) or 'not YAML'}", "see examples/deploy.full.yaml"
        ) from None
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{name}: not a list of `field: value` lines", "see examples/deploy.full.yaml")
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in root.value:
        field, line = str(key.value), key.start_mark.line + 1
        if field in lines:
            raise SpecError(
                field, f"{name}:{line}: said a second time; first in line {lines[field]}", "keep one of them"
            )
        lines[field] = line
        values[field] = _value(name, line, field, value)
    _check(name, values, lines)
    return {field: value for field, value in values.items() if value is not None}


def _value(name: str, line: int, field: str, node: yaml.Node) -> Any:
    """One field's value; what a YAML reader would turn into a time, a float or a merged mapping is kept simple."""
    secret = _SECRETS.get(field)
    scalar = node.value if isinstance(node, yaml.ScalarNode) else None
    if secret and scalar not in ("true", "false"):
        raise SpecError(field, f"{name}:{line}: a secret does not belong into a file", secret)
    if field not in FIELDS:
        near = next(iter(get_close_matches(field, FIELDS, 1)), "")
        hint = f"{near} is meant?" if near else "fields are: " + ", ".join(FIELDS)
        raise SpecError(field, f"{name}:{line}: is not a field of a deployment", hint)
    value = _plain(name, field, node, 0)
    if field == "autostop_min" and isinstance(value, str | bool):
        try:
            return minutes("off" if value is False else str(value))
        except ValueError as error:
            raise SpecError(field, f"{name}:{line}: {error}", FIELDS[field].hint) from None
    return value


def _plain(name: str, path: str, node: yaml.Node, depth: int) -> Any:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag not in (f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")):
            if not node.tag.startswith("tag:yaml.org,2002:timestamp"):
                raise SpecError(path, f"{name}:{line}: {node.tag} is not taken here", "write it as plain text")
            return node.value
        return yaml.SafeLoader("").construct_object(node)
    if depth >= 1:
        raise SpecError(path, f"{name}:{line}: lies too deep", "a field is a value, a list of values, or tags")
    if isinstance(node, yaml.SequenceNode):
        return [_plain(name, f"{path}.{number}", one, depth + 1) for number, one in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, value in node.value:
        if str(key.value) in found:
            raise SpecError(f"{path}.{key.value}", f"{name}:{line}: said a second time", "keep one of them")
        found[str(key.value)] = _plain(name, f"{path}.{key.value}", value, depth + 1)
    return found


def _check(name: str, values: dict[str, Any], lines: dict[str, int]) -> None:
    """Look at each field alone; whether they agree shows when the flags are there, too."""
    known = {field: value for field, value in values.items() if value is not None}
    error = wrong_field({"region": "cn-hangzhou"} | known)
    if error is not None:
        line = lines[error.field.partition(".")[0]]
        raise SpecError(error.field, f"{name}:{line}: {error.message.partition(': ')[2]}", error.hint)
