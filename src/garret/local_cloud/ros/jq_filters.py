"""What the parts of a jq filter do: each is a function from one input to any number of outputs."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product
from typing import Any

from garret.local_cloud.ros import jq_values
from garret.local_cloud.ros.jq_values import JqError, equal, kind_of, order, truthy

Filter = Callable[[Any], Iterator[Any]]
OUTPUTS = 100_000


def bounded(found: Iterable[Any]) -> list[Any]:
    """All outputs as a list; a filter that multiplies its outputs is refused."""
    result = list(islice(found, OUTPUTS + 1))
    if len(result) > OUTPUTS:
        raise JqError(f"the filter has more than {OUTPUTS} outputs")
    return result


def same(value: Any) -> Iterator[Any]:
    """`.`: the input as it is."""
    yield value


def everything(value: Any) -> Iterator[Any]:
    """`..`: the value and all that is in it."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from everything(item)


def iterated(value: Any) -> list[Any]:
    """The entries of an array or the values of an object."""
    if isinstance(value, (list, dict)):
        return list(value.values()) if isinstance(value, dict) else value
    raise JqError(f"{kind_of(value)} cannot be iterated over")


def piped(left: Filter, right: Filter) -> Filter:
    """`left | right`."""
    return lambda value: (out for middle in left(value) for out in right(middle))


def alternative(left: Filter, right: Filter) -> Filter:
    """`left // right`: what is not null or false on the left, else the right."""

    def either(value: Any) -> Iterator[Any]:
        found = bounded(out for out in forgiving(left)(value) if truthy(out))
        yield from found or right(value)

    return either


def combined(left: Filter, right: Filter, how: Callable[[Any, Any], Any]) -> Filter:
    """Two operands, each with any number of outputs."""
    return lambda value: (how(a, b) for b in right(value) for a in left(value))


def forgiving(of: Filter) -> Filter:
    """`?`: no output instead of an error."""

    def without_errors(value: Any) -> Iterator[Any]:
        try:
            yield from of(value)
        except JqError:
            return

    return without_errors


def indexed(of: Filter, by: Filter, *, optional: bool = False) -> Filter:
    """`.[key]` of every output of another filter; an optional one has no output where there is no such place."""

    def found(value: Any) -> Iterator[Any]:
        for key in by(value):
            for out in of(value):
                try:
                    yield _at(out, key)
                except JqError:
                    if not optional:
                        raise

    return found


def _at(value: Any, key: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and kind_of(key) == "number":
        index = int(key)
        return value[index] if -len(value) <= index < len(value) else None
    raise JqError(f"{kind_of(value)} has nothing at {json.dumps(key)}")


def sliced(of: Filter, start: Filter | None, stop: Filter | None) -> Filter:
    """`.[start:stop]`."""

    def slices(value: Any) -> Iterator[Any]:
        low = next(start(value), None) if start else None
        high = next(stop(value), None) if stop else None
        for out in of(value):
            if out is not None and not isinstance(out, (str, list)):
                raise JqError(f"{kind_of(out)} cannot be sliced")
            yield None if out is None else out[low:high]

    return slices


def texts(parts: list[str | Filter]) -> Filter:
    """A text with filters inside."""

    def together(value: Any) -> Iterator[str]:
        choices = [[part] if isinstance(part, str) else bounded(part(value)) for part in parts]
        for combination in product(*choices):
            yield "".join(jq_values.text(piece) for piece in combination)

    return together


def objects(entries: list[tuple[Filter, Filter]]) -> Filter:
    """`{key: value, …}`, once for each combination."""

    def made(value: Any) -> Iterator[dict[str, Any]]:
        choices = [bounded((key, item) for key in keys(value) for item in items(value)) for keys, items in entries]
        for combination in product(*choices):
            if not all(isinstance(key, str) for key, _ in combination):
                raise JqError("an object's key must be a text")
            yield dict(combination)

    return made


def function(name: str, arguments: list[Filter]) -> Filter:
    """A function by its name and the number of its arguments."""
    if not arguments and name in jq_values.PLAIN:
        plain = jq_values.PLAIN[name]
        return lambda value: iter((plain(value),))
    if not arguments and name in ("empty", "values", "recurse"):
        return {"empty": lambda _: iter(()), "values": _values, "recurse": everything}[name]
    if len(arguments) == 1 and name in jq_values.WITH_VALUE:
        valued = jq_values.WITH_VALUE[name]
        return lambda value: (valued(value, argument) for argument in arguments[0](value))
    if len(arguments) == 1 and name in _WITH_FILTER:
        return _WITH_FILTER[name](arguments[0])
    raise JqError(f"the local cloud does not emulate the function {name}/{len(arguments)} of jq")


def _values(value: Any) -> Iterator[Any]:
    if value is not None:
        yield value


def _sorted_by(by: Filter, value: Any) -> list[Any]:
    return sorted(iterated(value), key=lambda item: order(list(by(item))))


def _grouped(by: Filter, value: Any) -> list[list[Any]]:
    groups: list[list[Any]] = []
    for item in _sorted_by(by, value):
        if groups and equal(list(by(groups[-1][0])), list(by(item))):
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _map_values(by: Filter, value: Any) -> Any:
    if isinstance(value, dict):
        pairs = ((key, next(by(item), same)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not same}
    return [item for item in (next(by(one), same) for one in iterated(value)) if item is not same]


def _with_entries(by: Filter, value: Any) -> Any:
    entries = jq_values.PLAIN["to_entries"](value)
    return jq_values.PLAIN["from_entries"]([out for entry in entries for out in by(entry)])


_WITH_FILTER: dict[str, Callable[[Filter], Filter]] = {
    "map": lambda by: lambda value: iter((bounded(out for item in iterated(value) for out in by(item)),)),
    "map_values": lambda by: lambda value: iter((_map_values(by, value),)),
    "select": lambda by: lambda value: (value for test in by(value) if truthy(test)),
    "first": lambda by: lambda value: islice(by(value), 1),
    "last": lambda by: lambda value: iter(list(by(value))[-1:]),
    "any": lambda by: lambda value: iter((any(truthy(out) for item in iterated(value) for out in by(item)),)),
    "all": lambda by: lambda value: iter((all(truthy(out) for item in iterated(value) for out in by(item)),)),
    "sort_by": lambda by: lambda value: iter((_sorted_by(by, value),)),
    "group_by": lambda by: lambda value: iter((_grouped(by, value),)),
    "unique_by": lambda by: lambda value: iter(([group[0] for group in _grouped(by, value)],)),
    "min_by": lambda by: lambda value: iter((next(iter(_sorted_by(by, value)), None),)),
    "max_by": lambda by: lambda value: iter((next(reversed(_sorted_by(by, value)), None),)),
    "with_entries": lambda by: lambda value: iter((_with_entries(by, value),)),
}
