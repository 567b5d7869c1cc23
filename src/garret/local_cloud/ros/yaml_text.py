"""Template text to plain values: JSON, or YAML as the vendor reads it.

Short tags are functions, dates stay text, of a key that stands twice the later one counts, and neither aliases nor
nesting can make a small text large.
"""

import json
from collections.abc import Callable
from typing import Any

import yaml

NODES = 200_000  # what a template of 524,288 bytes can hold honestly; aliases could ask for billions
DEPTH = 100
DIGITS = 4300
_PLAIN = (str, int, float, bool, type(None))
# The parser in C is twenty times as quick; without it everything still works.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """PyYAML's safe loader with the vendor's habits."""


# "2015-09-01" without quotes is a version, not a date.
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _map(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a plain name", key.start_mark)
    loader.flatten_mapping(node)
    return {loader.construct_object(key): loader.construct_object(value, deep=True) for key, value in node.value}


def _short_tag(loader: Any, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = _map(loader, node)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _bounded(construct: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Python's own limit for digits, before YAML's numbers of base 60 are added up digit by digit."""

    def bounded(loader: Any, node: yaml.ScalarNode) -> Any:
        if len(node.value) > DIGITS:
            text = f"a number has more than {DIGITS} characters"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
        return construct(loader, node)

    return bounded


_Loader.add_constructor("tag:yaml.org,2002:int", _bounded(yaml.SafeLoader.construct_yaml_int))
_Loader.add_constructor("tag:yaml.org,2002:float", _bounded(yaml.SafeLoader.construct_yaml_float))
_Loader.add_constructor("tag:yaml.org,2002:map", _map)
_Loader.add_multi_constructor("!", _short_tag)


def _nesting(text: str) -> int:
    """The deepest nesting, told by the parser's events: they come one by one, however deep the text is."""
    depth = deepest = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
            if depth > DEPTH:
                break
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values a node unfolds to, and how deep it is, aliases included."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = (NODES + 1, DEPTH + 1)  # an alias to itself never ends
    count = depth = 1
    if isinstance(node, yaml.CollectionNode):
        parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
        sizes = [_measure(part, known) for part in parts]
        count = 1 + sum(size for size, _ in sizes)
        depth = 1 + max((deep for _, deep in sizes), default=0)
    known[id(node)] = (count, depth)
    return known[id(node)]


def _check_plain(document: Any) -> None:
    """Text, numbers, true, false, nothing, lists and maps: what YAML can hold beyond is no template."""
    pending = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {DEPTH} levels")
        if isinstance(value, dict):
            pending += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            pending += [(item, depth + 1) for item in value]
        elif not isinstance(value, _PLAIN):
            raise yaml.YAMLError(f"it holds a value of the kind {type(value).__name__}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def read_yaml(text: str) -> Any:
    """Returns the document as maps, lists and scalars; raises yaml.YAMLError with the place of the mistake."""
    document = _read_json(text) if text.lstrip()[:1] in ("{", "[") else None
    if document is None:
        document = _read_yaml(text)
    _check_plain(document)
    return document


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise yaml.YAMLError(f"it is nested deeper than {DEPTH} levels") from None
    except ValueError:
        return None  # YAML's braces look like JSON's


def _read_yaml(text: str) -> Any:
    if _nesting(text) > DEPTH:
        raise yaml.YAMLError(f"it is nested deeper than {DEPTH} levels")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        count, depth = _measure(node, {})
        if count > NODES:
            raise yaml.YAMLError(f"its aliases unfold to more than {NODES} values")
        if depth > DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {DEPTH} levels")
        return loader.construct_document(node)
    except (RecursionError, ValueError, TypeError) as problem:  # a number or a key that Python cannot hold
        raise yaml.YAMLError(str(problem)) from None
    finally:
        loader.dispose()
