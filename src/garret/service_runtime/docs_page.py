"""The page /docs: each API's routes with fields, answers and a command to try, from the OpenAPI document alone.

No script and nothing from elsewhere: it is readable behind any wall, and the page's content policy stays strict.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from garret.service_runtime.api.dialects import DIALECTS, dialect_of

_REQUIRED = " (required)"
_METHODS = ("get", "put", "post", "patch", "delete", "head")
_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>garret: APIs</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
    '<link rel="stylesheet" href="/ui/docs.css"></head><body><main class="docs"><h1>APIs of this service</h1>'
    '<p><a href="/">The page</a> · <a href="/openapi.json">openapi.json</a></p>'
)


def docs_page(document: Mapping[str, Any], address: str) -> str:
    """Return the page of a whole document, with commands that ask the service at this address."""
    routes = [
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    by_dialect = [
        (title, list(some))
        for title, some in groupby(sorted(routes, key=lambda one: _place(one[0])), key=lambda one: _title(one[0]))
    ]
    contents = "".join(f'<li><a href="#{_anchor(title)}">{html.escape(title)}</a></li>' for title, _ in by_dialect)
    parts = "".join(_dialect(title, some, address) for title, some in by_dialect)
    return f"{_HEAD}<nav><ul>{contents}</ul></nav>{parts}</main></body></html>"


def _place(path: str) -> int:
    return DIALECTS.index(dialect_of(path))


def _title(path: str) -> str:
    return dialect_of(path).title


def _anchor(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower())


def _dialect(title: str, routes: Iterable[tuple[str, str, Mapping[str, Any]]], address: str) -> str:
    shown = "".join(_route(*one, address) for one in routes)
    return f'<section id="{_anchor(title)}"><h2>{html.escape(title)}</h2>{shown}</section>'


def _route(path: str, method: str, operation: Mapping[str, Any], address: str) -> str:
    said = str(operation.get("description") or operation.get("summary", ""))
    first, _, rest = said.partition("\n")
    more = f"<p>{_words(rest.strip())}</p>" if rest.strip() else ""
    body = operation.get("requestBody", {}).get("content", {})
    return (
        f"<details><summary><code>{method.upper()} {html.escape(path)}</code> {_words(first)}</summary>{more}"
        + _fields("Parameters", {one["name"]: (one["schema"], one) for one in operation.get("parameters", [])})
        + "".join(_body(*one) for one in _bodies(body))
        + _answers(operation.get("responses", {}))
        + f"<pre>{html.escape(_command(address + path, method, body))}</pre></details>"
    )


def _words(text: str) -> str:
    """Return a description as HTML; what stands between backticks is code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _bodies(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the media type and the schema of each form that a body may have."""
    for media_type, said in content.items():
        schema = said.get("schema", {})
        for one in schema.get("anyOf", [schema]):
            yield media_type, one


def _body(media_type: str, schema: Mapping[str, Any]) -> str:
    known = {name: (inner, inner) for name, inner in _opened(schema)}
    about = f"<p>{html.escape(str(schema['description']))}</p>" if "description" in schema else ""
    return _fields(f"Body ({media_type})", known, schema.get("required", ())) + about


def _opened(schema: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the fields of an object, and after each one that is an object or a list of them its own fields."""
    for name, inner in schema.get("properties", {}).items():
        yield above + name, inner
        yield from _opened(inner, f"{above}{name}.")
        yield from _opened(inner.get("items", {}), f"{above}{name}[].")


def _fields(title: str, known: Mapping[str, tuple[Any, Mapping[str, Any]]], required: Iterable[str] = ()) -> str:
    if not known:
        return ""
    needed = set(required)
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td>"
        f"<td>{html.escape(_kind(schema))}{_REQUIRED if name in needed or said.get('required') is True else ''}</td>"
        f"<td>{_words(str(said.get('description', '')))}</td></tr>"
        for name, (schema, said) in known.items()
    )
    return f"<h3>{html.escape(title)}</h3><table><tbody>{rows}</tbody></table>"


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a schema's type in words: null, which means the same as leaving a field out, goes without saying."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(kind for one in choices if (kind := _kind(one))))
    kinds = schema.get("type", "")
    named = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    return " or ".join(named)


def _answers(responses: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(status)}</code></td><td>{html.escape(str(one.get('description', '')))}</td>"
        f"<td>{html.escape(', '.join(one.get('content', {})))}</td></tr>"
        for status, one in responses.items()
    )
    return f"<h3>Answers</h3><table><tbody>{rows}</tbody></table>" if rows else ""


def _command(url: str, method: str, body: Mapping[str, Any]) -> str:
    """Return a line for a shell that asks this route."""
    line = f"curl -u LOGIN:PASSWORD -X {method.upper()} {url}"
    content = body.get("application/json")
    if content is None:
        return line
    example = content.get("example") or {}
    return f"{line} -H 'Content-Type: application/json' \\\n  -d '{json.dumps(example, ensure_ascii=False)}'"
