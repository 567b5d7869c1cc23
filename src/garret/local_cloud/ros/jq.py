"""Fn::Jq: the part of the jq language that templates use, read and run here, in bounded time.

Paths, iteration, slices, `?`, pipes, commas, literals, text with `\\(…)`, arrays and objects, `if`, comparisons,
arithmetic, `and`, `or`, `//`, and the functions in `jq_values`. Variables, definitions, `reduce`, `foreach`, `try` and
assignments are refused by name.
"""

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from garret.local_cloud.ros import jq_values
from garret.local_cloud.ros.jq_filters import (
    Filter,
    alternative,
    bounded,
    combined,
    everything,
    forgiving,
    function,
    indexed,
    iterated,
    objects,
    piped,
    same,
    sliced,
    texts,
)
from garret.local_cloud.ros.jq_values import JqError, equal, order, truthy

DEPTH = 50
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>@?[A-Za-z_]\w*)|(?P<string>\")"
    r"|(?P<sign>\?//|\|=|[+\-*/%]=|==|!=|<=|>=|//|\.\.|[.\[\]{}()|,:;?+\-*/%<>=$]))"
)
_ELSEWHERE = ("reduce", "foreach", "def", "try", "label", "as", "import", "include", "input", "env", "limit", "path")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": equal,
    "!=": lambda a, b: not equal(a, b),
    "<": lambda a, b: order(a) < order(b),
    "<=": lambda a, b: order(a) <= order(b),
    ">": lambda a, b: order(a) > order(b),
    ">=": lambda a, b: order(a) >= order(b),
}
_SUM = {"+": jq_values.add, "-": jq_values.subtract}
_PRODUCT = {"*": jq_values.multiply, "/": jq_values.divide, "%": jq_values.remainder}


def run_jq(script: str, source: Any) -> list[Any]:
    """Every output of the filter; a text as its source is read as JSON. Raises JqError."""
    if isinstance(source, str):
        try:
            source = json.loads(source)
        except (ValueError, RecursionError):
            raise JqError("its third argument is a text that is no JSON") from None
    try:
        return bounded(_filter(script)(source))
    except RecursionError:
        raise JqError("the filter is nested too deeply") from None


@functools.lru_cache(maxsize=256)
def _filter(script: str) -> Filter:
    parser = _Parser(script)
    result = parser.pipe()
    if parser.kind:
        raise parser.unexpected()
    return result


class _Parser:
    """Reads a filter from left to right; every method returns what it has read as a function."""

    def __init__(self, script: str, depth: int = 0) -> None:
        self._script, self._end, self._depth = script, 0, depth
        self.kind = self.text = ""
        self.next()

    def next(self) -> None:
        """Reads one token."""
        match = _TOKEN.match(self._script, self._end)
        if match is None:
            if self._script[self._end :].strip():
                raise JqError(f"the filter {self._script!r} cannot be read at character {self._end + 1}")
            self.kind = self.text = ""
            return
        self.kind, self.text, self._end = str(match.lastgroup), match.group(str(match.lastgroup)), match.end()

    def unexpected(self) -> JqError:
        """The refusal of the token that stands here."""
        if self.text in _ELSEWHERE or self.text in ("$", "|=", "=", "+=", "-=", "*=", "/=", "%="):
            return JqError(f"the local cloud does not emulate {self.text} of jq ({self._script!r})")
        return JqError(f"the filter {self._script!r} has {self.text or 'its end'!r} where something else must stand")

    def _take(self, *texts: str) -> str:
        if self.kind in ("sign", "name") and self.text in texts:
            found = self.text
            self.next()
            return found
        return ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self.unexpected()

    def pipe(self) -> Filter:
        """filter | filter"""
        self._depth += 1
        if self._depth > DEPTH:
            raise JqError("the filter is nested too deeply")
        left = self._comma()
        if self._take("|"):
            left = piped(left, self.pipe())
        self._depth -= 1
        return left

    def _comma(self) -> Filter:
        parts = [self._alternative()]
        while self._take(","):
            parts.append(self._alternative())
        return parts[0] if len(parts) == 1 else lambda value: (out for part in parts for out in part(value))

    def _alternative(self) -> Filter:
        left = self._or()
        return alternative(left, self._alternative()) if self._take("//") else left

    def _or(self) -> Filter:
        left = self._and()
        while self._take("or"):
            left = combined(left, self._and(), lambda a, b: truthy(a) or truthy(b))
        return left

    def _and(self) -> Filter:
        left = self._comparison()
        while self._take("and"):
            left = combined(left, self._comparison(), lambda a, b: truthy(a) and truthy(b))
        return left

    def _comparison(self) -> Filter:
        left = self._sum()
        sign = self._take(*_COMPARE)
        return combined(left, self._sum(), _COMPARE[sign]) if sign else left

    def _sum(self) -> Filter:
        left = self._product()
        while sign := self._take(*_SUM):
            left = combined(left, self._product(), _SUM[sign])
        return left

    def _product(self) -> Filter:
        left = self._postfix()
        while sign := self._take(*_PRODUCT):
            left = combined(left, self._postfix(), _PRODUCT[sign])
        return left

    def _postfix(self) -> Filter:
        if self._take("-"):
            negative = self._postfix()
            return lambda value: (jq_values.subtract(0, out) for out in negative(value))
        left = self._term()
        while self.kind == "sign" and self.text in (".", "[", "?"):
            if self._take("?"):
                left = forgiving(left)
            elif self._take("["):
                left = self._bracket(left)
            else:
                self.next()
                left = self._bracket(left) if self._take("[") else self._field(left)
        return left

    def _field(self, of: Filter) -> Filter:
        key = self._constant_key()
        return indexed(of, lambda _: iter((key,)), optional=bool(self._take("?")))

    def _constant_key(self) -> str:
        if self.kind == "string":
            parts = self._string_parts()
            if all(isinstance(part, str) for part in parts):
                return "".join(str(part) for part in parts)
        elif self.kind == "name" and not self.text.startswith("@"):
            name = self.text
            self.next()
            return name
        raise self.unexpected()

    def _bracket(self, of: Filter) -> Filter:
        if self._take("]"):
            return lambda value: (item for out in of(value) for item in iterated(out))
        start = None if self.text == ":" else self.pipe()
        if self._take(":"):
            stop = None if self.text == "]" else self.pipe()
            self._expect("]")
            return sliced(of, start, stop)
        self._expect("]")
        if start is None:
            raise self.unexpected()
        return indexed(of, start, optional=bool(self._take("?")))

    def _term(self) -> Filter:
        if self.kind == "number":
            number = float(self.text) if "." in self.text else int(self.text)
            self.next()
            return lambda _: iter((number,))
        if self.kind == "string":
            return texts(self._string_parts())
        return self._named() if self.kind == "name" else self._signed()

    def _signed(self) -> Filter:
        sign = self._take("..", ".", "(", "[", "{")
        if sign == ".":
            if self._take("["):
                return self._bracket(same)
            return self._field(same) if self.kind in ("name", "string") else same
        if sign == "(":
            inner = self.pipe()
            self._expect(")")
            return inner
        if sign == "..":
            return everything
        if not sign:
            raise self.unexpected()
        return self._array() if sign == "[" else self._object()

    def _array(self) -> Filter:
        if self._take("]"):
            return lambda _: iter(([],))
        inner = self.pipe()
        self._expect("]")
        return lambda value: iter((bounded(inner(value)),))

    def _object(self) -> Filter:
        entries: list[tuple[Filter, Filter]] = []
        while not self._take("}"):
            if entries:
                self._expect(",")
            entries.append(self._object_entry())
        return objects(entries)

    def _object_entry(self) -> tuple[Filter, Filter]:
        if self._take("("):
            key = self.pipe()
            self._expect(")")
            self._expect(":")
            return key, self._alternative()
        name = self._constant_key()
        fixed: Filter = lambda _: iter((name,))  # noqa: E731 - one line beside its use
        return fixed, (self._alternative() if self._take(":") else indexed(same, fixed))

    def _named(self) -> Filter:
        name = self.text
        if name in ("null", "true", "false"):
            self.next()
            constant = {"null": None, "true": True, "false": False}[name]
            return lambda _: iter((constant,))
        if name == "if":
            self.next()
            return self._if()
        if name in _ELSEWHERE or name in ("then", "elif", "else", "end", "and", "or"):
            raise self.unexpected()
        self.next()
        arguments: list[Filter] = []
        if self._take("("):
            arguments.append(self.pipe())
            while self._take(";"):
                arguments.append(self.pipe())
            self._expect(")")
        return function(name, arguments)

    def _if(self) -> Filter:
        condition = self.pipe()
        self._expect("then")
        positive = self.pipe()
        if self._take("elif"):
            negative = self._if()
        else:
            negative = self.pipe() if self._take("else") else same
            self._expect("end")
        return lambda value: (
            out for test in condition(value) for out in (positive if truthy(test) else negative)(value)
        )

    def _string_parts(self) -> list[str | Filter]:
        """What stands between quotes: texts, and filters from `\\(…)`."""
        parts: list[str | Filter] = []
        script, at, start = self._script, self._end, self._end
        while at < len(script) and script[at] != '"':
            if script[at] == "\\" and script[at + 1 : at + 2] == "(":
                parts.append(_unescaped(script[start:at]))
                inside = _Parser(script[at + 2 :], self._depth)
                parts.append(inside.pipe())
                if inside.text != ")":
                    raise inside.unexpected()
                at = start = at + 2 + inside._end
            else:
                at += 2 if script[at] == "\\" else 1
        if at >= len(script):
            raise JqError(f"the filter {script!r} has a text without its closing quote")
        parts.append(_unescaped(script[start:at]))
        self._end = at + 1
        self.next()
        return parts


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        raise JqError(f"the filter has a text with a wrong escape: {text!r}") from None
