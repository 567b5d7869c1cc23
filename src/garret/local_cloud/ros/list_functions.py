"""The template functions that pick from lists and maps or build them, from arguments that are evaluated already."""

import json
import re
from collections.abc import Callable
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.function_forms import listed, parsed, text_of, wrong

_MEMBER = re.compile(r"\.member\.(\d+)\.(.+)")
_MEMBERS = 10_000


def _select(arguments: Any, where: str) -> Any:
    form = "[index or key, list or map, default, error message]"
    key, values, default, message = (*listed(arguments, where, form, 2, 3, 4), "", None)[:4]
    if len(arguments) == 3:
        message = None
    values = None if values == "" else parsed(values, where, form)
    if values is None or key is None:
        return default
    if not isinstance(values, (list, dict)):
        raise wrong(where, f"{form}; the second is neither")
    try:
        return values[text_of(key, where)] if isinstance(values, dict) else _picked(key, values, where)
    except LookupError:
        if message:
            raise errors.only_if_taken(f"{where}: {message}") from None
        return default


def _picked(key: Any, values: list[Any], where: str) -> Any:
    try:
        if isinstance(key, str) and ":" in key:
            parts = [int(part) if part.strip() else None for part in key.split(":")]
            if len(parts) <= 3:
                return values[slice(*parts)]
        return values[int(key)]
    except (TypeError, ValueError, OverflowError):
        raise wrong(where, f"called with a whole number or start:stop:step; {key!r} is neither") from None


def _length(arguments: Any, where: str) -> int:
    if arguments is None:
        return 0
    if not isinstance(arguments, (list, dict, str)):
        raise wrong(where, "a list, a map or a text")
    return len(arguments)


def _list_merge(arguments: Any, where: str) -> list[Any]:
    if not isinstance(arguments, list) or not all(item is None or isinstance(item, list) for item in arguments):
        raise wrong(where, "a list of lists")
    return [entry for item in arguments for entry in item or []]


def _contains(arguments: Any, where: str) -> bool:
    values, wanted = listed(arguments, where, "[list, value]", 2)
    if not isinstance(values, list):
        raise wrong(where, "[list, value]; the first is no list")
    return wanted in values


def _each_member_in(arguments: Any, where: str) -> bool:
    form = "[list, list]"
    members, values = listed(arguments, where, form, 2)
    if not isinstance(members, list) or not isinstance(values, list):
        raise wrong(where, form)
    if max(len(members), len(values)) > _MEMBERS:
        raise wrong(where, f"{form} of at most {_MEMBERS} entries")
    known = {json.dumps(value, sort_keys=True) for value in values}
    return all(json.dumps(member, sort_keys=True) in known for member in members)


def _any(arguments: Any, where: str) -> bool | None:
    if arguments is None:
        return None
    if not isinstance(arguments, list):
        raise wrong(where, "a list")
    return any(bool(item) for item in arguments)


def _index(arguments: Any, where: str) -> int | None:
    wanted, values = listed(arguments, where, "[value, list]", 2)
    if values is None:
        return None
    if not isinstance(values, list):
        raise wrong(where, "[value, list]; the second is no list")
    return values.index(wanted) if wanted in values else None


def _get_json_value(arguments: Any, where: str) -> Any:
    form = "[key, JSON text of a map]"
    key, source = listed(arguments, where, form, 2)
    if not isinstance(key, (str, int)):
        raise wrong(where, f"{form}; the key is no text")
    if source is None or source == "":
        return None
    values = parsed(source, where, form)
    if not isinstance(values, dict):
        raise wrong(where, form)
    found = values.get(text_of(key, where))
    return found if found is None or isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _merge_map_to_list(arguments: Any, where: str) -> list[dict[str, Any]] | None:
    """Columns to rows; a short column repeats its last entry."""
    form = "a list of maps, each with one key and a list"
    if not isinstance(arguments, list) or not all(isinstance(item, dict) for item in arguments):
        raise wrong(where, form)
    columns: dict[str, list[Any]] = {}
    for item in arguments:
        filled = {key: [""] if value is None else value for key, value in item.items()}
        if len([value for value in filled.values() if value]) > 1:
            raise wrong(where, form)
        for key, value in filled.items():
            if not isinstance(value, list):
                raise wrong(where, f"{form}; {key} has none")
            if value:
                columns[key] = value
    if not columns:
        return None
    height = max(len(column) for column in columns.values())
    return [{key: column[min(row, len(column) - 1)] for key, column in columns.items()} for row in range(height)]


def _merge_map(arguments: Any, where: str) -> dict[str, Any]:
    first, second = listed(arguments, where, "[map, map]", 2)
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise wrong(where, "[map, map]")
    return _laid_over(first, second)


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = _laid_over(merged[key], value) if both else value
    return merged


def _select_map_list(arguments: Any, where: str) -> list[Any] | None:
    form = "[key, list of maps]"
    key, maps = listed(arguments, where, form, 2)
    if key is None or maps is None:
        return None
    if not isinstance(maps, list) or not all(item is None or isinstance(item, dict) for item in maps):
        raise wrong(where, form)
    if isinstance(key, (list, dict)):
        raise wrong(where, f"{form}; the key is no text")
    return [item[key] for item in maps if item is not None and key in item]


def _member_list_to_map(arguments: Any, where: str) -> dict[str, str]:
    """`.member.0.Name=cpu` and `.member.0.Value=80` become {cpu: 80}."""
    form = "[name of keys, name of values, list of texts .member.N.name=value]"
    key_name, value_name, members = listed(arguments, where, form, 3)
    if not isinstance(members, list) or not all(isinstance(one, str) and "=" in one for one in members):
        raise wrong(where, form)
    rows: dict[int, dict[str, str]] = {}
    for member in members:
        name, _, value = member.partition("=")
        match = _MEMBER.fullmatch(name)
        if match:
            rows.setdefault(int(match.group(1)), {})[match.group(2)] = value
    found = [rows[number] for number in sorted(rows)]
    return {row[key_name]: row[value_name] for row in found if key_name in row and value_name in row}


LISTS: dict[str, Callable[[Any, str], Any]] = {
    "Fn::Select": _select,
    "Fn::Length": _length,
    "Fn::ListMerge": _list_merge,
    "Fn::Contains": _contains,
    "Fn::EachMemberIn": _each_member_in,
    "Fn::Any": _any,
    "Fn::Index": _index,
    "Fn::GetJsonValue": _get_json_value,
    "Fn::MergeMapToList": _merge_map_to_list,
    "Fn::MergeMap": _merge_map,
    "Fn::SelectMapList": _select_map_list,
    "Fn::MemberListToMap": _member_list_to_map,
}
