"""YAML as templates use it: short tags are functions, dates stay text, a key stands once, aliases stay small."""

from typing import Any

import yaml

NODES = 200_000  # what a template of 524,288 bytes can hold honestly; aliases could ask for billions


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the vendor's habits."""


# "2015-09-01" without quotes is a version, not a date.
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _map(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a plain name", key.start_mark)
        if key.value in keys and key.tag != "tag:yaml.org,2002:merge":
            text = f"the key {key.value} is there twice"
            raise yaml.constructor.ConstructorError(None, None, text, key.start_mark)
        keys.add(key.value)
    loader.flatten_mapping(node)
    pairs = [(loader.construct_object(key), loader.construct_object(value, deep=True)) for key, value in node.value]
    return dict(pairs)


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
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


_Loader.add_constructor("tag:yaml.org,2002:map", _map)
_Loader.add_multi_constructor("!", _short_tag)


def _count(node: yaml.Node, sizes: dict[int, int]) -> int:
    known = sizes.get(id(node))
    if known is not None:
        return known
    if isinstance(node, yaml.CollectionNode):
        sizes[id(node)] = NODES + 1  # an alias to itself never ends
        parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = 1 + sum(_count(part, sizes) for part in parts)
    return sizes.setdefault(id(node), 1)


def read_yaml(text: str) -> Any:
    """Returns the document as maps, lists and scalars; raises yaml.YAMLError with the place of the mistake."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > NODES:
            raise yaml.YAMLError(f"its aliases unfold to more than {NODES} values")
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    finally:
        loader.dispose()
